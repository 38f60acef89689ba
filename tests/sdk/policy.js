// The policy of `expd web policy` in Chromium: a page of a public site gets nowhere at the door
// without it, and through with it; a site that the settings do not name gets nowhere with it
// either. The door's cookie is the site's own. The last line says how many checks passed.
//
// The sites are public by --ip-address-space-overrides. The policy lies in a mount namespace of the
// browser's own.
'use strict';

const { execFileSync } = require('node:child_process');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const https = require('node:https');
const path = require('node:path');
const world = require('./world');
const { chromiumContext, chromiumPath, freePort } = require('./browser-tools');

const { check, eventually, soon } = world;

const SITES = { kiosk: 'https://kiosk.example', other: 'https://other.example', stranger: 'https://stranger.example' };
// A page that waits for a permission waits for ever.
const REFUSED_AFTER_MS = 3_000;
const PICTURE = 'picture.svg';
const bundle = path.join(__dirname, 'node_modules/exp-sdk/dist/exp-sdk-5.0.0.js');

// Only the kiosk's rule reads content.
const settings = ({ hub, door }) => `
[instances.default]
host = "${hub}"
[instances.default.credentials]
type = "device"
uuid = "${world.device.uuid}"
secret = "${world.device.secret}"
[web]
listen = "127.0.0.1:${door}"
${['kiosk', 'other']
  .map((name) => `[[web.apps]]\nname = "${name}"\norigins = ["${SITES[name]}"]\nuuid = "${name}"\napi_key = "${name}-key"\n`)
  .join('')}
[[access]]
app = "kiosk"
allow = ["listen", "respond", "broadcast", "request"]
[[access]]
app = "other"
allow = ["listen"]
[[access]]
user = "root"
allow = ["admin"]
`;

// One server for all sites, whose certificate nobody knows.
async function sites() {
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(world.room, name));
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=sites', '-keyout', key, '-out', cert];
  execFileSync('openssl', request, { stdio: 'ignore' });
  const files = {
    '/': ['text/html', '<!doctype html><title>site</title><script src="sdk.js"></script>'],
    '/sdk.js': ['text/javascript', fs.readFileSync(bundle)],
  };
  const server = https.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) }, (request, response) => {
    const [type, body] = files[request.url] || ['text/plain', ''];
    response.writeHead(body ? 200 : 404, { 'content-type': `${type}; charset=utf-8` }).end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

// A browser that finds these managed policies, in place of those of the host.
function browserWith(policies) {
  const folder = fs.mkdtempSync(path.join(world.room, 'policies-'));
  fs.mkdirSync(path.join(folder, 'policies/managed'), { recursive: true });
  if (policies) fs.writeFileSync(path.join(folder, 'policies/managed/expd.json'), policies);
  const own = process.getuid() === 0 ? '--mount' : '--mount --map-root-user';
  const script = path.join(folder, 'chromium');
  const lines = [
    '#!/bin/sh',
    `exec unshare ${own} --propagation private sh -c 'mount --bind ${folder} /etc/chromium && exec ${chromiumPath} "$@"' chromium "$@"`,
  ];
  fs.writeFileSync(script, `${lines.join('\n')}\n`, { mode: 0o755 });
  return script;
}

// What a page of a site gets: a word of the SDK's login, and whether it hears its own broadcast.
const attempt = (page, door, name) =>
  page.evaluate(
    async ({ door, name, patience }) => {
      const late = (word) => new Promise((resolve) => setTimeout(resolve, patience, word));
      const status = (fetched) => fetched.then((answer) => answer.status, () => 'refused');
      const login = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };
      const asked = await Promise.race([status(fetch(`${door}/api/auth/login`, login)), late('waits for a permission')]);
      if (typeof asked !== 'number') return asked;
      const exp = EXP.start({ host: door, uuid: name, apiKey: `${name}-key` });
      const heard = (async () => {
        await exp.getAuth();
        const said = new Promise((resolve) => exp.getChannel(name).listen('own', () => resolve('heard')).then(() => exp.getChannel(name).broadcast('own', 1, 0)));
        return said;
      })().catch((error) => `failed: ${error.message || error}`);
      return Promise.race([heard, late(`answered ${asked}`)]);
    },
    { door, name, patience: REFUSED_AFTER_MS },
  );

const picture = (page, door) =>
  page.evaluate(
    ({ door, name }) =>
      new Promise((resolve) => {
        const made = new Image();
        made.onload = () => resolve('shown');
        made.onerror = () => resolve('refused');
        made.src = `${door}/api/delivery/${name}`;
      }),
    { door, name: PICTURE },
  );

world.main(async () => {
  const content = path.join(world.room, 'content');
  fs.mkdirSync(content);
  fs.writeFileSync(path.join(content, PICTURE), '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>');
  process.env.EXPD__HUB__CONTENT_DIR = content;
  const doorPort = await freePort();
  const door = `http://127.0.0.1:${doorPort}`;
  const server = await sites();
  const { port } = server.address();
  const hub = await world.hub('1h');
  delete process.env.EXPD__HUB__CONTENT_DIR;
  const config = world.file('policy.toml', settings({ hub: hub.host, door: doorPort }));
  const daemon = await world.service(['serve', '--config', config, '--socket', path.join(world.room, 'policy.sock')], `127.0.0.1:${doorPort}`);
  const policies = execFileSync(world.expd, ['web', 'policy', '--config', config], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const flags = [
    `--host-resolver-rules=${Object.values(SITES).map((site) => `MAP ${new URL(site).hostname} 127.0.0.1:${port}`).join(',')}`,
    `--ip-address-space-overrides=127.0.0.1:${port}=public`,
  ];
  const visit = async (context, name) => {
    const page = await context.newPage();
    await soon(page.goto(`${SITES[name]}/`), 'the page');
    return page;
  };
  try {
    await check('without the policy, a page of a public site waits for a permission that nobody gives', async () => {
      const context = await chromiumContext({ executablePath: browserWith(null), ignoreHTTPSErrors: true }, ...flags);
      try {
        const gotten = await attempt(await visit(context, 'kiosk'), door, 'kiosk');
        assert.ok(['refused', 'waits for a permission'].includes(gotten), gotten);
      } finally {
        await context.close();
      }
    });
    const context = await chromiumContext({ executablePath: browserWith(policies), ignoreHTTPSErrors: true }, ...flags);
    try {
      const pages = { kiosk: await visit(context, 'kiosk'), other: await visit(context, 'other'), stranger: await visit(context, 'stranger') };
      await check('the policy is in force', async () => {
        const page = await context.newPage();
        await page.goto('chrome://policy');
        const shown = () =>
          page.evaluate(() => {
            const texts = (node) => [node.nodeType === Node.TEXT_NODE ? node.data : '', ...[...node.childNodes, ...(node.shadowRoot ? [node.shadowRoot] : [])].map(texts)].join(' ');
            return texts(document.body).replace(/\s+/g, ' ');
          });
        const said = await eventually('the policies', async () => {
          const text = await shown();
          return /AllowedForUrls/.test(text) && text;
        });
        console.log('    ', said.match(/(LocalNetworkAccess|LoopbackNetwork)AllowedForUrls \S+ .*?Mandatory \w+/g).join('\n      '));
        await page.close();
      });
      await check('with the policy, a page of the app logs in, broadcasts and hears', async () => {
        assert.equal(await attempt(pages.kiosk, door, 'kiosk'), 'heard');
      });
      await check('a site that the settings do not name gets nowhere with it', async () => {
        const gotten = await attempt(pages.stranger, door, 'kiosk');
        assert.ok(['refused', 'waits for a permission'].includes(gotten), gotten);
      });
      await check('the cookie of a login shows a picture to its own site, and to no other', async () => {
        assert.equal(await picture(pages.kiosk, door), 'shown');
        assert.equal(await picture(pages.other, door), 'refused');
        await attempt(pages.other, door, 'other');
        assert.equal(await picture(pages.other, door), 'refused');
        assert.equal(await picture(pages.kiosk, door), 'shown');
      });
    } finally {
      await context.close();
    }
  } finally {
    server.close();
    await daemon.stop();
    await hub.stop();
  }
});
