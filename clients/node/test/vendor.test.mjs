// The assertions of the vendor's own tests, by name, against the embedded network.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import EXP from 'expd';
import { APP, USER, World, eventually } from './support/world.mjs';

/** Time in which something that must not happen would have happened, in milliseconds. */
const WOULD_HAVE = 400;

let world;
let exp;
let names = 0;

/** A channel that no other test uses. */
const fresh = (from = exp) => from.getChannel(`vendor ${(names += 1)}`);
const start = (options = {}) => EXP.start({ socket: world.socket, ...options });
const own = (options) => start({ host: world.network, ...options });

before(async () => {
  world = await World.start();
});
after(() => world.stop());
afterEach(() => EXP.stop());

describe('the network', () => {
  it('resolves listening right after starting, before anything is connected', async () => {
    exp = start();
    assert.equal(exp.isConnected, false);
    const listener = await fresh().listen('hi', () => {});
    assert.equal(listener.state, 'CONFIRMED');
  });

  it('resolves listening right after starting an identity of its own', async () => {
    const listener = await own(USER).getChannel('early').listen('hi', () => {});
    assert.equal(listener.state, 'CONFIRMED');
  });

  it("brings three listeners' three responses", async () => {
    exp = start();
    const channel = fresh();
    for (const n of [1, 2, 3]) await channel.listen('hi', (payload, respond) => respond(n));
    const responses = await channel.broadcast('hi', null, 1000);
    assert.deepEqual(responses.sort(), [1, 2, 3]);
  });

  it('lets a cancelled listener hear nothing more', async () => {
    exp = start();
    const channel = fresh();
    const heard = [];
    const cancelled = await channel.listen('hi', () => heard.push('cancelled'));
    await channel.listen('hi', () => heard.push('other'));
    cancelled.cancel();
    await channel.broadcast('hi');
    await eventually('the other listener hears', () => heard.includes('other'));
    await pause(WOULD_HAVE);
    assert.deepEqual(heard, ['other']);
  });

  it('ends the listeners of a cleared context, and the others go on', async () => {
    exp = start();
    const [first, second] = [exp.clone('context 1'), exp.clone('context 2')];
    const elsewhere = start().clone('context 2');
    const channel = fresh();
    const heard = [];
    for (const [name, clone] of Object.entries({ first, second, elsewhere })) {
      await clone.getChannel(channel.name).listen('hi', () => heard.push(name));
    }
    second.clear();
    await channel.broadcast('hi');
    await eventually('the other context hears', () => heard.includes('first'));
    await pause(WOULD_HAVE);
    assert.deepEqual(heard, ['first'], 'a context is cleared in every instance');
  });

  it('lets a nameless listener hear every event with its name', async () => {
    exp = start();
    const channel = fresh();
    const heard = [];
    await channel.listen((payload, respond, message) => heard.push([message.name, payload]));
    await channel.broadcast('one', 1);
    await channel.broadcast('two', 2);
    await eventually('both are heard', () => heard.length === 2);
    assert.deepEqual(heard, [['one', 1], ['two', 2]]);
  });

  it('gives each listener its own copy of a payload', async () => {
    exp = start();
    const channel = fresh();
    const heard = [];
    const take = (payload) => {
      heard.push(payload.a);
      payload.a = 'changed';
    };
    await channel.listen('hi', take);
    await channel.listen('hi', take);
    await channel.broadcast('hi', { a: 'sent' });
    await eventually('both hear', () => heard.length === 2);
    assert.deepEqual(heard, ['sent', 'sent']);
  });

  it('drops what is older than max_age, and keeps the rest in order', async () => {
    exp = start();
    const channel = fresh();
    const listener = await channel.listen('hi', { maxAge: 2000 });
    const gaps = [];
    listener.on('gap', (gap) => gaps.push(gap));
    await channel.broadcast('hi', 'old 1', 0);
    await channel.broadcast('hi', 'old 2', 0);
    await pause(2200);
    for (const n of [1, 2, 3]) await channel.broadcast('hi', n, 0);
    const heard = [];
    for (let n = 0; n < 3; n += 1) heard.push((await listener.wait(5000))?.payload);
    assert.deepEqual(heard, [1, 2, 3]);
    assert.equal(gaps.reduce((sum, { missed }) => sum + missed, 0), 2, JSON.stringify(gaps));
    assert.ok(gaps.every(({ reason }) => reason === 'EXPIRED'), JSON.stringify(gaps));
  });
});

describe('stop', () => {
  it('makes later calls fail at once, in existing clones as well', async () => {
    exp = start();
    const clone = exp.clone('clone');
    const channel = fresh();
    exp.stop();
    for (const stopped of [exp, clone]) {
      assert.throws(() => stopped.getAuth(), EXP.RuntimeError);
      assert.throws(() => stopped.findDevices(), EXP.RuntimeError);
      assert.throws(() => stopped.clone('again'), EXP.RuntimeError);
      assert.throws(() => stopped.getChannel('x'), EXP.RuntimeError);
      assert.throws(() => stopped.on('online', () => {}), EXP.RuntimeError);
    }
    assert.throws(() => channel.broadcast('hi'), { code: 'STOPPED' });
  });

  it("ends the original where a clone's stop is called", () => {
    exp = start();
    exp.clone('clone').stop();
    assert.throws(() => exp.getAuth(), EXP.RuntimeError);
  });

  it('leaves the other instance', async () => {
    const [one, other] = [start(), start()];
    one.stop();
    const heard = [];
    const channel = fresh(other);
    await channel.listen('hi', (payload) => heard.push(payload));
    await channel.broadcast('hi', 7);
    await eventually('the other hears', () => heard.length === 1);
  });
});

describe('events', () => {
  const record = (instance) => {
    const seen = [];
    for (const name of ['update', 'online', 'offline', 'error']) instance.on(name, () => seen.push(name));
    return seen;
  };

  it('tells update and online at the start, and offline at stop', async () => {
    exp = own(USER);
    const seen = record(exp);
    await eventually('it is online', () => seen.includes('online'));
    assert.equal(exp.isConnected, true);
    exp.stop();
    assert.deepEqual(seen, ['update', 'online', 'offline']);
  });

  it('tells error and never update with bad credentials', async () => {
    exp = own({ uuid: APP.uuid, apiKey: 'wrong' });
    const seen = record(exp);
    await eventually('an error is told', () => seen.includes('error'));
    await assert.rejects(exp.getAuth(), EXP.AuthenticationError);
    await assert.rejects(exp.getChannel('x', { consumer: true }).listen('hi', () => {}), EXP.AuthenticationError);
    await pause(WOULD_HAVE);
    assert.ok(!seen.includes('update') && !seen.includes('online'), seen.join());
  });

  it('never tells online with the network off', async () => {
    exp = own({ ...USER, enableNetwork: false });
    const seen = record(exp);
    await eventually('the identity is known', () => seen.includes('update'));
    await pause(WOULD_HAVE);
    assert.deepEqual(seen, ['update']);
    assert.equal(exp.isConnected, false);
    await assert.rejects(exp.getChannel('x').listen('hi', () => {}), EXP.RuntimeError);
  });

  it('tells clones their own, until their context is cleared', async () => {
    exp = own(USER);
    const seen = [];
    exp.on('update', () => seen.push('exp'));
    exp.clone('kept').on('update', () => seen.push('kept'));
    exp.clone('cleared').on('update', () => seen.push('cleared'));
    EXP.clear('cleared');
    await eventually('the others are told', () => seen.length === 2);
    assert.deepEqual(seen, ['exp', 'kept']);
  });

  it('gives the authentication payload, in time and at once', async () => {
    exp = start();
    const auth = await exp.getAuth();
    assert.equal(auth.identity.organization, 'demo');
    assert.ok(auth.expiration > Date.now());
    assert.deepEqual(exp.auth, auth);
    assert.equal(auth.token, undefined, 'the token stays in the daemon');
  });
});

describe('resources', () => {
  before(async () => {
    exp = start();
    for (const name of ['many', 'many', 'many']) await exp.createThing({ name, subtype: 'scala:thing:rfid' });
  });

  it('finds one result and the whole total with limit 1', async () => {
    const found = await start().findThings({ limit: 1 });
    assert.equal(found.length, 1);
    assert.equal(found.results.length, 1);
    assert.ok(found.total >= 3, String(found.total));
  });

  it('finds none and the total with limit 0', async () => {
    const found = await start().findThings({ limit: 0 });
    assert.equal(found.length, 0);
    assert.ok(found.total >= 3, String(found.total));
  });

  it('gives an empty list for a find that matches nothing', async () => {
    exp = start();
    for (const kind of ['Devices', 'Things', 'Experiences', 'Locations', 'Feeds', 'Data', 'Content']) {
      const found = await exp[`find${kind}`]({ name: 'nobody has this name' });
      assert.deepEqual(found, [], kind);
      assert.equal(found.total, 0, kind);
    }
  });

  it('gives null for a resource that is gone', async () => {
    exp = start();
    const document = { subtype: 'scala:thing:rfid' };
    for (const kind of ['Device', 'Thing', 'Experience', 'Location', 'Feed']) {
      const made = await exp[`create${kind}`](document);
      assert.ok(await exp[`get${kind}`](made.uuid), kind);
      await made.delete();
      assert.equal(await exp[`get${kind}`](made.uuid), null, kind);
      assert.equal(await exp[`get${kind}`](undefined), null, kind);
    }
    assert.equal(await exp.getData('no', 'such'), null);
    assert.equal(await exp.getContent('no-such'), null);
  });

  it('logs a device in that was made without a secret, with the one it was given', async () => {
    const device = await start().createDevice({ subtype: 'scala:device:player' });
    assert.ok(device.document.secret);
    const its = own({ uuid: device.uuid, secret: device.document.secret });
    assert.equal((await its.getAuth()).identity.uuid, device.uuid);
    assert.equal((await its.getCurrentDevice()).uuid, device.uuid);
  });

  it('replaces data that is made twice', async () => {
    exp = start();
    await exp.createData('menu', 'today', { soup: 'leek' });
    await exp.createData('menu', 'today', { soup: 'tomato' });
    assert.deepEqual((await exp.getData('menu', 'today')).value, { soup: 'tomato' });
    assert.equal((await exp.findData({ group: 'menu' })).total, 1);
  });

  it('gives null for the current resources of users and consumer apps', async () => {
    for (const credentials of [USER, APP]) {
      exp = own(credentials);
      assert.equal(await exp.getCurrentDevice(), null);
      assert.equal(await exp.getCurrentExperience(), null);
      assert.equal(await exp.getCurrentLocation(), null);
      assert.deepEqual(await exp.getCurrentZones(), []);
    }
    assert.equal(await own(APP).getCurrentUser(), null);
    assert.equal((await own(USER).getCurrentUser()).document.username, USER.username);
  });
});
