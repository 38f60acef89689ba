// The vendor's SDK, unchanged, at the door for pages, beside a gRPC program of the same daemon.
// Node stands for the browser: it sends the origin that a browser would. The last line says how
// many checks passed.
'use strict';

const http = require('node:http');

const ORIGIN = 'https://kiosk.example';

// What a browser adds to each request of a page's script, and no script can change.
const request = http.request;
http.request = function (...given) {
  const options = given.find((part) => part && typeof part === 'object' && !(part instanceof URL));
  if (options) options.headers = { ...options.headers, Origin: ORIGIN };
  return request.apply(this, given);
};

const whole = globalThis.fetch;
globalThis.fetch = (target, options) => whole(target, { ...options, headers: { ...options?.headers, Origin: ORIGIN } });

const assert = require('node:assert/strict');
const EXP = require('exp-sdk');
const world = require('./world');

const { check, eventually, soon } = world;
const page = { uuid: 'menu-board', apiKey: 'a key of this door' };
// After it, a refresh is answered whatever the page has confirmed, and a few broadcasts may come
// twice.
const HOLD_MS = 1_000;

async function checks() {
  const expd = await world.daemon(`
[web]
listen = "127.0.0.1:0"
[[web.apps]]
name = "menu-board"
origins = ["${ORIGIN}"]
uuid = "${page.uuid}"
api_key = "${page.apiKey}"
[[access]]
app = "menu-board"
allow = ["listen", "broadcast", "respond", "request"]
`);
  const door = expd.said().match(/serving pages on (http:\/\/127\.0\.0\.1:\d+)/)[1];
  let exp;
  for (const key of ['apiKey', 'secret']) {
    await check(`a page logs in with its ${key}, and is the kiosk's device`, async () => {
      exp = EXP.start({ host: door, uuid: page.uuid, [key]: page.apiKey });
      const auth = await soon(exp.getAuth(), 'the login');
      assert.equal(auth.identity.type, 'device');
      assert.equal(auth.identity.uuid, world.device.uuid);
      const device = await soon(exp.getCurrentDevice(), 'the device');
      assert.equal(device.document.uuid, world.device.uuid);
    });
    if (key === 'apiKey') exp.stop();
  }
  await check('a page hears and answers a gRPC program', async () => {
    await soon(exp.getChannel('menu').listen('to page', (payload, respond) => respond({ got: payload })), 'the subscription');
    const broadcast = { channel: { name: 'menu' }, name: 'to page', payload: { json: '{"text":"ü"}' }, timeout: { seconds: 1 } };
    const { responses } = await expd.call('Broadcast', broadcast);
    assert.deepEqual(responses.map(({ json }) => JSON.parse(json)), [{ got: { text: 'ü' } }]);
  });
  await check('a gRPC program hears and answers a page', async () => {
    const listener = await world.grpcListener(expd, { name: 'menu' });
    const asking = exp.getChannel('menu').broadcast('to grpc', { text: 'ü"\n' }, 1500);
    const heard = await listener.next();
    assert.deepEqual(JSON.parse(heard.payload.json), { text: 'ü"\n' });
    await expd.call('Respond', { broadcastId: heard.id, channelId: heard.channelId, payload: { json: '{"from":"grpc"}' } });
    assert.deepEqual(await asking, [{ from: 'grpc' }]);
    listener.cancel();
  });
  await check('a page reads and writes resources and data', async () => {
    const devices = await exp.findDevices();
    assert.ok(devices.some(({ document }) => document.uuid === world.device.uuid));
    await exp.createData('prices', 'coffee', { price: 2.5 });
    assert.deepEqual((await exp.getData('prices', 'coffee')).value, { price: 2.5 });
  });
  await check('what comes while a page refreshes its token is heard once and in order', async () => {
    const heard = [];
    await soon(exp.getChannel('count').listen('n', (n) => heard.push(n)), 'the subscription');
    let n = 0;
    let late = false;
    const send = async () => {
      n += 1;
      await expd.call('Broadcast', { channel: { name: 'count' }, name: 'n', payload: { json: `${n}` }, timeout: { nanos: 1_000_000 } });
    };
    for (let round = 0; round < 3; round += 1) {
      const before = (await exp.getAuth()).token;
      const refreshed = soon(new Promise((resolve) => exp.on('update', resolve)), 'the refresh');
      const sending = (async () => {
        for (let i = 0; i < 100; i += 1) await send();
      })();
      const begun = Date.now();
      // As the SDK's own timer does half way to the expiration, in twelve hours.
      exp._sdk.authenticator._refresh();
      await refreshed;
      late ||= Date.now() - begun >= HOLD_MS;
      await sending;
      assert.notEqual((await exp.getAuth()).token, before);
      await eventually('all of them', () => heard.includes(n));
    }
    const firsts = heard.filter((number, index) => heard.indexOf(number) === index);
    assert.deepEqual(late ? firsts : heard, Array.from({ length: n }, (_, i) => i + 1));
  });
  EXP.stop();
  await expd.stop();
}

world.main(checks);
