// EXP's resources: documents that are saved, refreshed and deleted, their places, channels and
// URLs.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import EXP from 'expd';
import { World, eventually } from './support/world.mjs';

let world;
let exp;
let content;
before(async () => {
  content = mkdtempSync(path.join(tmpdir(), 'expd-content-'));
  writeFileSync(path.join(content, 'lunch & more.txt'), 'leek soup');
  world = await World.start({ EXPD__HUB__CONTENT_DIR: content });
  exp = EXP.start({ socket: world.socket });
});
after(async () => {
  EXP.stop();
  await world.stop();
  rmSync(content, { recursive: true });
});

describe('every resource', () => {
  for (const kind of ['Device', 'Thing', 'Experience', 'Location', 'Feed']) {
    it(`of kind ${kind} is saved, refreshed and deleted`, async () => {
      const made = await exp[`create${kind}`]({ name: 'old', subtype: 'scala:thing:rfid' });
      const other = await exp[`get${kind}`](made.uuid);
      made.name = 'new';
      await made.save();
      assert.equal(other.name, 'old');
      await other.refresh();
      assert.equal(other.name, 'new');
      assert.equal(other.document.name, 'new');
      assert.deepEqual(JSON.parse(JSON.stringify(other)), other.document);
      await exp[`delete${kind}`](made.uuid);
      assert.equal(await exp[`get${kind}`](made.uuid), null);
      await assert.rejects(other.refresh(), { status: 404 });
      assert.equal(await exp[`delete${kind}`](undefined), null);
    });
  }

  it('tells its updates on its own channel, to the context of the instance that has it', async () => {
    const clone = exp.clone('updates');
    const device = await clone.createDevice({ name: 'old' });
    const heard = [];
    const listener = await device.getChannel({ system: true }).listen('update', ({ name }) => heard.push(name));
    device.name = 'new';
    await device.save();
    await eventually('the update is heard', () => heard.includes('new'));
    clone.clear();
    assert.equal(listener.state, 'ENDED');
  });
});

describe('places', () => {
  it('have devices, things and zones', async () => {
    const location = await exp.createLocation({ name: 'here', zones: [{ key: 'door', name: 'Door' }, { key: 'till' }] });
    const experience = await exp.createExperience({ name: 'shown' });
    const place = { location: { uuid: location.uuid, zones: [{ key: 'door' }] }, experience: { uuid: experience.uuid } };
    const device = await exp.createDevice({ ...place, subtype: 'scala:device:player' });
    const thing = await exp.createThing({ ...place, subtype: 'scala:thing:rfid' });
    assert.equal((await device.getLocation()).uuid, location.uuid);
    assert.equal((await device.getExperience()).uuid, experience.uuid);
    assert.deepEqual((await thing.getZones()).map(({ key }) => key), ['door']);
    assert.deepEqual((await experience.getDevices()).map(({ uuid }) => uuid), [device.uuid]);
    assert.deepEqual((await location.getDevices()).map(({ uuid }) => uuid), [device.uuid]);
    assert.deepEqual((await location.getThings({ limit: 0 })).total, 1);
    const [door, till] = await location.getZones();
    assert.deepEqual([door.key, door.name, (await door.getLocation()).uuid], ['door', 'Door', location.uuid]);
    assert.deepEqual([(await door.getDevices()).total, (await till.getDevices()).total], [1, 0]);
    assert.equal((await door.getThings()).total, 1);
    door.name = 'Gate';
    await door.save();
    assert.equal((await exp.getLocation(location.uuid)).document.zones[0].name, 'Gate');
    await till.refresh();
    assert.equal(till.getChannel().name, `${location.uuid}:zone:till`);
    assert.equal(await (await exp.createDevice()).getLocation(), null);
  });

  it('are those of the device that the program is', async () => {
    const current = await exp.getCurrentDevice();
    const location = await exp.createLocation({ zones: [{ key: 'here' }, { key: 'there' }] });
    current.document.location = { uuid: location.uuid, zones: [{ key: 'here' }] };
    await current.save();
    assert.equal((await exp.getCurrentLocation()).uuid, location.uuid);
    assert.deepEqual((await exp.getCurrentZones()).map(({ key }) => key), ['here']);
    assert.equal(await exp.getCurrentExperience(), null);
    assert.equal(await exp.getCurrentUser(), null);
  });
});

describe('data', () => {
  it('has a value under a group and a key of any text', async () => {
    const data = await exp.createData('a/b', 'ü ?', { n: 1 });
    assert.deepEqual([data.group, data.key, data.value], ['a/b', 'ü ?', { n: 1 }]);
    data.value = { n: 2 };
    await data.save();
    const other = await exp.getData('a/b', 'ü ?');
    assert.deepEqual(other.value, { n: 2 });
    assert.equal(other.getChannel().name, 'data:ü ?:a/b');
    await exp.createData('a/b', 'ü ?', { n: 3 });
    await other.refresh();
    assert.deepEqual(other.value, { n: 3 });
    await other.delete();
    assert.equal(await exp.getData('a/b', 'ü ?'), null);
  });

  it('has the group `default` where none is given', async () => {
    await exp.createData(undefined, 'key', { n: 1 });
    assert.deepEqual((await exp.getData('default', 'key')).value, { n: 1 });
    await exp.deleteData(undefined, 'key');
    assert.equal(await exp.getData('default'), null);
    assert.throws(() => exp.createData('group'), EXP.RuntimeError);
    assert.throws(() => exp.deleteData('group'), EXP.RuntimeError);
  });
});

describe('content', () => {
  it('has children, and URLs that load it', async () => {
    const root = await exp.getContent('root');
    const [file] = await root.getChildren({ name: 'lunch & more.txt' });
    assert.equal(file.subtype, 'scala:content:file');
    const answer = await fetch(await file.getUrl());
    assert.equal(await answer.text(), 'leek soup');
    assert.equal(file.hasVariant('small'), false);
    await assert.rejects(file.getVariantUrl('small'), /has no variant "small"/);
    await assert.rejects(root.getUrl(), /has no URL/);
    assert.equal(file.delete, undefined);
    assert.equal((await exp.findContent({ name: 'lunch & more.txt' })).total, 1);
    assert.ok(Buffer.isBuffer(await exp.get(`/api/delivery/${encodeURIComponent('lunch & more.txt')}`)));
  });

  it('of a feed is its data', async () => {
    const feed = await exp.createFeed({ name: 'news', subtype: 'scala:feed:weather' });
    assert.equal(typeof (await feed.getData()), 'object');
  });

  it('of a location is its layout', async () => {
    const location = await exp.createLocation({});
    assert.match(await location.getLayoutUrl(), new RegExp(`/api/locations/${location.uuid}/layout\\?_rt=`));
  });
});

describe('plain calls', () => {
  it('send and get JSON', async () => {
    const { uuid } = await exp.post('/api/things', { name: 'plain', subtype: 'scala:thing:rfid' });
    assert.equal((await exp.patch(`/api/things/${uuid}`, { name: 'patched' })).name, 'patched');
    assert.equal((await exp.get('/api/things', { name: 'patched' })).total, 1);
    await exp.put('/api/data/plain/key', { n: 1 });
    await exp.delete(`/api/things/${uuid}`);
    await assert.rejects(exp.get('/api/things', {}, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  });
});
