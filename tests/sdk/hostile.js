// Hostile pages in Chromium at the door for pages: what another site, a page without an origin, a
// file, a rebound name or a frame can get there, which is nothing. The last line says how many
// checks passed.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const world = require('./world');
const { chromiumContext, freePort } = require('./browser-tools');

const { check, eventually, soon } = world;

const REBOUND = 'rebound.example';
// The status of a request that names another host.
const MISDIRECTED = 421;
const APP = { uuid: 'kiosk', apiKey: 'kiosk-key' };
const bundle = path.join(__dirname, 'node_modules/exp-sdk/dist/exp-sdk-5.0.0.js');

function settings({ hub, door, root, origin }) {
  return `
[instances.default]
host = "${hub}"
[instances.default.credentials]
type = "device"
uuid = "${world.device.uuid}"
secret = "${world.device.secret}"
[web]
listen = "127.0.0.1:${door}"
root = "${root}"
[[web.apps]]
name = "kiosk"
origins = ["http://127.0.0.1:${door}", "${origin}"]
uuid = "${APP.uuid}"
api_key = "${APP.apiKey}"
[[access]]
app = "kiosk"
allow = ["listen", "respond", "broadcast", "request"]
[[access]]
user = "root"
allow = ["admin"]
`;
}

// Pages of one site, by path.
async function site(pages) {
  const server = http.createServer((request, response) => {
    const body = pages[request.url.split('?')[0]];
    if (body === undefined) return response.writeHead(404).end();
    const type = request.url.endsWith('.js') ? 'text/javascript' : 'text/html';
    return response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

// What a page gets of the door by each way there is: the status or the text that it can read,
// `opaque` where the browser hides it, and `refused` where it gets nothing.
const attempts = (frame, door, token) =>
  frame.evaluate(
    async ({ door, token, app }) => {
      const ask = async (url, options) => {
        try {
          const answer = await fetch(door + url, options);
          return answer.type === 'opaque' ? 'opaque' : answer.status;
        } catch {
          return 'refused';
        }
      };
      const json = { 'content-type': 'application/json' };
      const login = JSON.stringify({ uuid: app.uuid, apiKey: app.apiKey });
      const bearer = { authorization: `Bearer ${token}` };
      const socket = (url) =>
        new Promise((resolve) => {
          const opened = new WebSocket(door.replace('http', 'ws') + url);
          opened.onmessage = ({ data }) => resolve(`heard ${data}`);
          opened.onclose = opened.onerror = () => resolve('refused');
        });
      const image = (url) =>
        new Promise((resolve) => {
          const made = new Image();
          made.onload = () => resolve('shown');
          made.onerror = () => resolve('refused');
          made.src = door + url;
        });
      const broadcast = '/api/networks/current/broadcasts?timeout=0';
      const hostile = JSON.stringify({ name: 'hostile', channel: { name: 'prices' }, payload: 1 });
      return {
        login: await ask('/api/auth/login', { method: 'POST', headers: json, body: login }),
        'login as a form': await ask('/api/auth/login', { method: 'POST', mode: 'no-cors', body: login }),
        'with a stolen token': await ask('/api/devices', { headers: bearer }),
        'broadcast as a form': await ask(`${broadcast}&_rt=${token}`, { method: 'POST', mode: 'no-cors', body: hostile }),
        'broadcast with credentials': await ask(broadcast, { method: 'POST', headers: { ...json, ...bearer }, body: hostile, credentials: 'include' }),
        'devices without a word': await ask('/api/devices', { mode: 'no-cors', credentials: 'include' }),
        polling: await ask(`/socket.io/?EIO=3&transport=polling&token=${token}`),
        'polling unseen': await ask(`/socket.io/?EIO=3&transport=polling&token=${token}`, { mode: 'no-cors' }),
        websocket: await socket(`/socket.io/?EIO=3&transport=websocket&token=${token}`),
        'devices as an image': await image(`/api/devices?_rt=${token}`),
      };
    },
    { door, token, app: APP },
  );

// A request as no browser makes it: the status of what comes.
const raw = (port, { method = 'GET', url = '/', headers = {}, body }) =>
  new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, method, path: url, headers, setHost: false }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers }));
    });
    request.on('upgrade', (answer, socket) => {
      socket.destroy();
      resolve({ status: 101, headers: answer.headers });
    });
    request.on('error', reject);
    request.end(body);
  });

const readable = (gotten) => Object.entries(gotten).filter(([, got]) => got !== 'refused' && got !== 'opaque' && got !== 403 && got !== MISDIRECTED);

async function nothingThere(what, frame, door, token) {
  await check(`${what} gets nothing`, async () => {
    const gotten = await soon(attempts(frame, door, token), 'the attempts');
    assert.deepEqual(readable(gotten), [], JSON.stringify(gotten));
  });
}

world.main(async () => {
  const doorPort = await freePort();
  const door = `http://127.0.0.1:${doorPort}`;
  const root = path.join(world.room, 'root');
  fs.mkdirSync(root);
  fs.copyFileSync(bundle, path.join(root, 'sdk.js'));
  fs.writeFileSync(path.join(root, 'index.html'), '<!doctype html><title>ours</title><script src="sdk.js"></script>');
  const foreign = await site({
    '/': '<!doctype html><title>foreign</title>',
    '/frame': `<!doctype html><title>frame</title><iframe src="${door}/"></iframe><iframe sandbox="allow-scripts" srcdoc="<title>null</title>"></iframe>`,
  });
  const ours = await site({ '/': '<!doctype html><title>elsewhere</title><script src="sdk.js"></script>', '/sdk.js': fs.readFileSync(bundle) });
  const hub = await world.hub('1h');
  const socket = path.join(world.room, 'hostile.sock');
  const config = world.file('hostile.toml', settings({ hub: hub.host, door: doorPort, root, origin: ours.origin }));
  const daemon = await world.service(['serve', '--config', config, '--socket', socket], `127.0.0.1:${doorPort}`);
  const context = await chromiumContext(`--host-resolver-rules=MAP ${REBOUND} 127.0.0.1`);
  try {
    const page = await context.newPage();
    let token;
    await check('a page of the app gets in, from the door and from its own site', async () => {
      for (const url of [`${ours.origin}/`, `${door}/`]) {
        await soon(page.goto(url), 'the page');
        token = await page.evaluate(async ({ door, app }) => {
          const exp = EXP.start({ host: door, ...app });
          const { token } = await exp.getAuth();
          await exp.getChannel('prices').listen('hostile', () => { window.hostile = true; });
          window.exp = exp;
          return token;
        }, { door, app: APP });
        assert.ok(token);
      }
    });
    const attacker = await context.newPage();
    await attacker.goto(`${foreign.origin}/`);
    await nothingThere('a page of another origin', attacker, door, token);
    await attacker.goto(`${foreign.origin}/frame`);
    await nothingThere('a page without an origin', attacker.frames().at(-1), door, token);
    await check('the door is not shown in a frame of another site', async () => {
      const framed = attacker.frames()[1];
      assert.notEqual(await framed.title().catch(() => ''), 'ours');
    });
    const file = world.file('file.html', '<!doctype html><title>file</title>');
    await attacker.goto(`file://${file}`);
    await nothingThere('a file', attacker, door, token);
    await check('a name that leads here is refused', async () => {
      const answer = await attacker.goto(`http://${REBOUND}:${doorPort}/`);
      assert.equal(answer.status(), MISDIRECTED);
      const gotten = await attempts(attacker, `http://${REBOUND}:${doorPort}`, token);
      assert.deepEqual(readable(gotten), [], JSON.stringify(gotten));
    });
    const host = `127.0.0.1:${doorPort}`;
    const upgrade = { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' };
    const handshake = `/socket.io/?EIO=3&transport=websocket&token=${token}`;
    const refused = {
      'a WebSocket without an origin': { url: handshake, headers: { host, ...upgrade } },
      'a WebSocket of a foreign origin': { url: handshake, headers: { host, ...upgrade, origin: foreign.origin } },
      'a login without an origin': { method: 'POST', url: '/api/auth/login', headers: { host, 'content-type': 'application/json' }, body: JSON.stringify(APP) },
      'another host': { expected: MISDIRECTED, headers: { host: `${REBOUND}:${doorPort}`, origin: door } },
      'a host without its port': { expected: MISDIRECTED, headers: { host: '127.0.0.1', origin: door } },
      'a cross-site request': { url: '/api/devices', headers: { host, authorization: `Bearer ${token}`, 'sec-fetch-site': 'cross-site' } },
    };
    for (const [what, { expected = 403, ...request }] of Object.entries(refused)) {
      await check(`${what} is refused`, async () => {
        const { status } = await raw(doorPort, request);
        assert.equal(status, expected);
      });
    }
    await check('no broadcast of a hostile page was heard', async () => {
      await eventually('our page still hears', () =>
        page.evaluate(async () => {
          const heard = new Promise((resolve) => window.exp.getChannel('prices').listen('ours', resolve));
          window.exp.getChannel('prices').broadcast('ours', 1, 0);
          return Promise.race([heard.then(() => true), new Promise((resolve) => setTimeout(resolve, 1000))]);
        }),
      );
      assert.equal(await page.evaluate(() => window.hostile), undefined);
    });
  } finally {
    await context.close();
    foreign.server.close();
    ours.server.close();
    await daemon.stop();
    await hub.stop();
  }
});
