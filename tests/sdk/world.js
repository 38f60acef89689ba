// Foundation of the checks: networks of the real binary, clients of both kinds, and a count of what
// held.
'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const root = path.join(__dirname, '../..');
const expd = process.env.EXPD_BIN || path.join(root, 'target/debug/expd');
const room = fs.mkdtempSync(path.join(os.tmpdir(), 'expd-sdk-'));
const PATIENCE = 20_000;

// Who may log in, on every network here.
const device = { uuid: '5b2a1c9e-0d4f-4a57-9a39-2f6d1a7c0001', secret: 'device-secret' };
const second = { uuid: '5b2a1c9e-0d4f-4a57-9a39-2f6d1a7c0002', secret: 'second-secret' };
const user = { username: 'somebody@example.com', password: 'pass word', organization: 'demo' };
const app = { uuid: '5b2a1c9e-0d4f-4a57-9a39-2f6d1a7c0003', apiKey: 'api-key' };

const operatorKey = 'operator-key';

function settings(ttl) {
  return `
[hub]
organization = "demo"
operator_key = "${operatorKey}"
token_ttl = "${ttl}"
[[hub.devices]]
uuid = "${device.uuid}"
secret = "${device.secret}"
[[hub.devices]]
uuid = "${second.uuid}"
secret = "${second.secret}"
[[hub.users]]
username = "${user.username}"
password = "${user.password}"
[[hub.consumer_apps]]
uuid = "${app.uuid}"
api_key = "${app.apiKey}"
`;
}

const running = new Set();

// Starts the binary and waits until what it says shows where its network is, or what `ready` names.
async function start(args, environment = {}, ready = undefined) {
  const state = { EXPD__DAEMON__STATE_DIR: path.join(room, 'state') };
  const child = spawn(expd, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...state, ...environment } });
  running.add(child);
  let said = '';
  const gone = new Promise((resolve) => child.once('exit', resolve)).then(() => running.delete(child));
  const host = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`expd ${args.join(' ')} is not ready: ${said}`)), PATIENCE);
    const hear = (chunk) => {
      said += chunk;
      const found = said.match(/http:\/\/127\.0\.0\.1:[1-9]\d*/);
      const serves = args[0] === 'hub' || said.includes('Ctrl-C ends it');
      if (ready ? said.includes(ready) : found && serves) {
        clearTimeout(timer);
        resolve(found?.[0]);
      }
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    gone.then(() => reject(new Error(`expd ${args.join(' ')} ended: ${said}`)));
  });
  return {
    host,
    port: host && new URL(host).port,
    said: () => said,
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return gone;
    },
  };
}

function file(name, text) {
  const place = path.join(room, name);
  fs.writeFileSync(place, text);
  return place;
}

// A daemon on settings of the caller's, once it says `ready`.
const service = (args, ready) => start(args, {}, ready);

// `expd hub` alone, on a free port or a given one.
const hub = (ttl, port = 0) => start(['hub', '--config', file(`hub-${ttl}.toml`, settings(ttl)), '--listen', `127.0.0.1:${port}`]);

// expd with its network: the first device is the daemon's own.
async function daemon(more = '') {
  const socket = path.join(room, 'expd.sock');
  const config = file('expd.toml', settings('1h') + more);
  const process = await start(['serve', '--embedded', '--config', config, '--socket', socket], {
    EXPD__HUB__LISTEN: '127.0.0.1:0',
  });
  const files = ['network', 'daemon'].map((name) => `expd/v1/${name}.proto`);
  const includeDirs = [path.join(root, 'proto')];
  const options = { includeDirs, longs: Number, enums: String, defaults: true, oneofs: true };
  const contract = grpc.loadPackageDefinition(loader.loadSync(files, options)).expd.v1;
  const network = new contract.Network(`unix:${socket}`, grpc.credentials.createInsecure());
  const call = (method, request) =>
    new Promise((resolve, reject) => {
      const deadline = Date.now() + PATIENCE;
      network[method](request, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  return { ...process, socket, network, call };
}

// The broadcasts that a gRPC listener hears, once it is confirmed: `next()` gives one after the
// other.
async function grpcListener(world, channel) {
  const stream = world.network.Listen({ channel });
  const events = stream[Symbol.asyncIterator]();
  const next = async () => (await events.next()).value;
  let event = await next();
  while (event.subscription?.state !== 'CONFIRMED') event = await next();
  return {
    next: async () => {
      for (;;) {
        const { broadcast } = await soon(next(), 'a broadcast over gRPC');
        if (broadcast) return broadcast;
      }
    },
    cancel: () => {
      stream.on('error', () => {}); // the cancellation, as an error
      stream.cancel();
    },
  };
}

// The promise, or an error that names what did not come.
function soon(promise, what, patience = PATIENCE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come in ${patience} ms`)), patience);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Tries until it gives something true.
async function eventually(what, attempt, patience = PATIENCE) {
  const until = Date.now() + patience;
  for (;;) {
    const got = await attempt();
    if (got) return got;
    if (Date.now() > until) throw new Error(`${what}: not within ${patience} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

let passed = 0;
let failed = 0;

// One check: it holds unless it throws or gives false.
async function check(what, body) {
  try {
    if ((await soon(Promise.resolve().then(body), what, 2 * PATIENCE)) === false) throw new Error('it does not hold');
    passed += 1;
    console.log('ok  ', what);
  } catch (error) {
    failed += 1;
    console.log('FAIL', what, '-', error.stack || error);
  }
}

// Runs the checks, ends what they started, prints the sum.
async function main(checks) {
  process.on('exit', () => {
    for (const child of running) child.kill('SIGKILL');
    fs.rmSync(room, { recursive: true, force: true });
  });
  await checks().catch((error) => {
    failed += 1;
    console.log('FAIL the checks were not gone through -', error.stack);
  });
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

module.exports = { app, check, daemon, device, eventually, expd, file, grpcListener, hub, main, operatorKey, room, second, service, soon, user };
