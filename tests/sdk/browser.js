// The vendor's browser bundle, unchanged, in headless Chromium, on a page of another origin than
// the network's. The last line says how many checks passed.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { chromiumContext } = require('./browser-tools');
const world = require('./world');

const { check, soon } = world;
const bundle = fs.readFileSync(path.join(__dirname, 'node_modules/exp-sdk/dist/exp-sdk-5.0.0.js'));

// An app's own web server: a page with the bundle.
async function site() {
  const server = http.createServer((request, response) => {
    if (request.url === '/sdk.js') response.writeHead(200, { 'content-type': 'text/javascript; charset=utf-8' }).end(bundle);
    else if (request.url === '/') {
      response
        .writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
        .end('<!doctype html><title>app</title><script src="/sdk.js"></script>');
    } else response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${server.address().port}/` };
}

async function inPage(page, expd) {
  const host = expd.host;
  for (const [kind, credentials] of Object.entries({ device: world.second, user: world.user, consumerApp: world.app })) {
    await check(`a ${kind} logs in from a page and is online`, async () => {
      const identity = await page.evaluate(async ({ host, credentials }) => {
        const exp = EXP.start({ host, ...credentials });
        const auth = await exp.getAuth();
        if (!exp.isConnected) await new Promise((resolve) => exp.on('online', resolve));
        exp.stop();
        return auth.identity;
      }, { host, credentials });
      assert.equal(identity.type, kind);
    });
  }
  await check('a page hears and answers a gRPC program', async () => {
    await page.evaluate(async ({ host, credentials }) => {
      window.exp = EXP.start({ host, ...credentials });
      await window.exp.getChannel('menu').listen('to page', (payload, respond) => respond({ got: payload }));
    }, { host, credentials: world.second });
    const { responses } = await expd.call('Broadcast', {
      channel: { name: 'menu' },
      name: 'to page',
      payload: { json: '{"text":"ü"}' },
      timeout: { seconds: 1 },
    });
    assert.deepEqual(responses.map(({ json }) => JSON.parse(json)), [{ got: { text: 'ü' } }]);
  });
  await check('a gRPC program hears and answers a page', async () => {
    const listener = await world.grpcListener(expd, { name: 'menu' });
    const asking = page.evaluate(() => window.exp.getChannel('menu').broadcast('to grpc', { n: 1 }, 1500));
    const heard = await listener.next();
    assert.equal(heard.payload.json, '{"n":1}');
    await expd.call('Respond', { broadcastId: heard.id, channelId: heard.channelId, payload: { json: '{"from":"grpc"}' } });
    assert.deepEqual(await asking, [{ from: 'grpc' }]);
    listener.cancel();
  });
  await check('a page answers another SDK in the page', async () => {
    const responses = await page.evaluate(async ({ host, credentials }) => {
      const exp = EXP.start({ host, ...credentials });
      return exp.getChannel('menu').broadcast('to page', 'from a user', 1000);
    }, { host, credentials: world.user });
    assert.deepEqual(responses, [{ got: 'from a user' }]);
  });
  await check("no page reaches the operator's side", async () => {
    const refused = await page.evaluate(async (host) => {
      const attempt = (path, init) => fetch(host + path, init).then(() => 'read', () => 'refused');
      return [await attempt('/hub/counters'), await attempt('/hub/pair', { method: 'POST', body: '{"code":"abcdef"}' })];
    }, host);
    assert.deepEqual(refused, ['refused', 'refused']);
  });
  await page.evaluate(() => EXP.stop());
}

world.main(async () => {
  const expd = await world.daemon();
  const { server, url } = await site();
  const context = await chromiumContext();
  try {
    const page = await context.newPage();
    page.on('console', (message) => console.log('page:', message.text()));
    page.on('pageerror', (error) => console.log('page error:', error.message));
    await soon(page.goto(url), 'the page');
    await inPage(page, expd);
  } finally {
    await context.close();
    server.close();
    await expd.stop();
  }
});
