// The vendor's SDK, unchanged, on Node: against `expd hub`, and beside programs behind expd. The
// last line says how many checks passed.
'use strict';

const assert = require('node:assert/strict');
const EXP = require('exp-sdk');
const world = require('./world');

const { check, eventually, soon } = world;

const online = (exp) => (exp.isConnected ? Promise.resolve() : new Promise((resolve) => exp.on('online', resolve)));

async function against(hub) {
  const kinds = { device: world.device, user: world.user, consumerApp: world.app };
  for (const [kind, credentials] of Object.entries(kinds)) {
    await check(`a ${kind} logs in and is online`, async () => {
      const exp = EXP.start({ host: hub.host, ...credentials });
      const auth = await soon(exp.getAuth(), 'the login');
      assert.equal(auth.identity.type, kind);
      assert.equal(auth.identity.organization, 'demo');
      await soon(online(exp), 'the socket');
      exp.stop();
    });
  }
  await check('wrong credentials are refused for good', async () => {
    const exp = EXP.start({ host: hub.host, uuid: world.device.uuid, secret: 'wrong', enableNetwork: false });
    const refused = new Promise((resolve) => exp.on('error', resolve));
    await assert.rejects(soon(exp.getAuth(), 'the refusal'), /check your credentials/);
    await soon(refused, 'the event');
    exp.stop();
  });

  const one = EXP.start({ host: hub.host, ...world.device });
  const other = EXP.start({ host: hub.host, ...world.user });
  const app = EXP.start({ host: hub.host, ...world.app });
  await check('a broadcast is heard and answered by all who listen', async () => {
    const all = [];
    await soon(one.getChannel('menu').listen('hi', (payload, respond) => respond({ one: payload.n })), 'the subscription');
    await soon(other.getChannel('menu').listen((payload, respond, message) => {
      all.push(message.name);
      if (message.name === 'hi') respond({ other: payload.n });
    }), 'the subscription');
    const responses = await other.getChannel('menu').broadcast('hi', { n: 7 }, 1000);
    assert.deepEqual(responses.sort((a, b) => ('other' in a) - ('other' in b)), [{ one: 7 }, { other: 7 }]);
    assert.deepEqual(await other.getChannel('menu').broadcast('bye', null, 50), []);
    await eventually('both events', () => all.length === 2);
    assert.deepEqual(all, ['hi', 'bye']);
  });
  await check('a consumer app is heard on consumer channels and refused elsewhere', async () => {
    await soon(one.getChannel('shop', { consumer: true }).listen('buy', (payload, respond) => respond('sold')), 'the subscription');
    assert.deepEqual(await app.getChannel('shop', { consumer: true }).broadcast('buy', 1, 1000), ['sold']);
    await assert.rejects(app.getChannel('shop').broadcast('buy', 1, 50));
  });
  await check('a name in another script is one channel for both', async () => {
    await soon(one.getChannel('Menü 菜单').listen('hi', (payload, respond) => respond(payload)), 'the subscription');
    assert.deepEqual(await other.getChannel('Menü 菜单').broadcast('hi', 'ü菜', 1000), ['ü菜']);
  });
  await check('resources are found', async () => {
    const devices = await other.findDevices();
    assert.ok(devices.some((device) => device.document.uuid === world.device.uuid));
  });
  EXP.stop();
}

async function refreshAndRestart() {
  let hub = await world.hub('6s');
  const exp = EXP.start({ host: hub.host, ...world.device });
  const sender = EXP.start({ host: hub.host, ...world.user });
  await soon(exp.getChannel('menu').listen('hi', (payload, respond) => respond('heard')), 'the subscription');
  // The SDK opens a new socket at each refresh and misses what is broadcast meanwhile: somebody
  // asks until it answers.
  const answered = () =>
    eventually('an answer', async () => {
      const responses = await sender.getChannel('menu').broadcast('hi', 1, 300).catch(() => []);
      return responses.includes('heard');
    });
  await answered();
  await check('a token is refreshed, and the listener hears on', async () => {
    const first = exp.auth?.token ?? (await exp.getAuth()).token;
    await soon(new Promise((resolve) => exp.on('update', resolve)), 'the refresh');
    assert.notEqual((await exp.getAuth()).token, first);
    await answered();
    const counters = await (await fetch(`${hub.host}/hub/counters`, { headers: { authorization: `Bearer ${world.operatorKey}` } })).json();
    assert.ok(counters.refreshes >= 1, JSON.stringify(counters));
  });
  await check('after a restart of the network, the listener hears on', async () => {
    await hub.stop();
    await eventually('the SDK sees that the network is gone', () => !exp.isConnected);
    hub = await world.hub('6s', hub.port);
    await answered();
  });
  EXP.stop();
  await hub.stop();
}

async function bothWorlds() {
  const expd = await world.daemon();
  const exp = EXP.start({ host: expd.host, ...world.second });
  for (const channel of [{ name: 'menu' }, { name: 'shop', consumer: true }, { name: 'Menü 菜单/?>' }]) {
    const named = JSON.stringify(channel);
    const sdk = exp.getChannel(channel.name, { consumer: channel.consumer });
    await check(`a gRPC program hears and answers an SDK program on ${named}`, async () => {
      const listener = await world.grpcListener(expd, channel);
      const asking = sdk.broadcast('to grpc', { text: 'ü"\n' }, 1500);
      const heard = await listener.next();
      assert.equal(heard.name, 'to grpc');
      assert.deepEqual(JSON.parse(heard.payload.json), { text: 'ü"\n' });
      await expd.call('Respond', { broadcastId: heard.id, channelId: heard.channelId, payload: { json: '{"from":"grpc"}' } });
      assert.deepEqual(await asking, [{ from: 'grpc' }]);
      listener.cancel();
    });
    await check(`an SDK program hears and answers a gRPC program on ${named}`, async () => {
      await soon(sdk.listen('to sdk', (payload, respond) => respond({ got: payload })), 'the subscription');
      const { responses } = await expd.call('Broadcast', {
        channel,
        name: 'to sdk',
        payload: { json: '{"text":"ü"}' },
        timeout: { seconds: 1 },
      });
      assert.deepEqual(responses.map(({ json }) => JSON.parse(json)), [{ got: { text: 'ü' } }]);
    });
  }
  EXP.stop();
  await expd.stop();
}

world.main(async () => {
  const hub = await world.hub('1h');
  await against(hub);
  await hub.stop();
  await refreshAndRestart();
  await bothWorlds();
});
