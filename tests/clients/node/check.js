// The real @grpc/grpc-js, with the contract loaded from proto/, against the daemon at $EXPD_SOCKET,
// in its default settings. The last line says how many checks passed.
'use strict';

const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const proto = path.join(__dirname, '../../../proto');
const files = ['network', 'api', 'daemon'].map((name) => `expd/v1/${name}.proto`);
const contract = grpc.loadPackageDefinition(
  loader.loadSync(files, { includeDirs: [proto], longs: Number, enums: String, defaults: true, oneofs: true }),
).expd.v1;

const target = `unix:${process.env.EXPD_SOCKET}`;
const options = { 'grpc.max_receive_message_length': 32 << 20 };
const open = (Service) => new Service(target, grpc.credentials.createInsecure(), options);
const network = open(contract.Network);
const api = open(contract.Api);
const daemon = open(contract.Daemon);

const LARGE = JSON.stringify('x'.repeat(10_000_000));
const MANY = 1000;
const PATIENCE = 20_000;

let passed = 0;
let failed = 0;
function check(what, holds, seen) {
  if (holds) {
    passed += 1;
    console.log('ok  ', what);
  } else {
    failed += 1;
    console.log('FAIL', what, String(seen instanceof Error ? seen.stack : JSON.stringify(seen)).slice(0, 2000));
  }
}

// A unary call as a promise; a deadline always.
function call(client, method, request, patience = PATIENCE) {
  return new Promise((resolve, reject) => {
    client[method](request, { deadline: Date.now() + patience }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

const broadcast = (channel, name, json, seconds = 0) => ({
  channel: { name: channel },
  name,
  payload: { json },
  timeout: { seconds, nanos: 0 },
});

// What a stream says, one event at a time.
function reader(stream) {
  const events = stream[Symbol.asyncIterator]();
  const until = async (take) => {
    for (;;) {
      const { value, done } = await events.next();
      if (done) throw new Error('the stream ended');
      const taken = take(value);
      if (taken) return taken;
    }
  };
  return {
    confirmed: () => until(({ subscription }) => subscription && subscription.state === 'CONFIRMED'),
    heard: () => until((event) => event.broadcast),
    ended: () => until(() => false).then(() => null, (error) => error),
  };
}

async function listeners() {
  const status = await call(daemon, 'GetStatus', {});
  return status.instances[0].listeners.length;
}

async function run() {
  const status = await call(daemon, 'GetStatus', {});
  check('unary', status.instances[0].link.state === 'ONLINE', status);
  const identity = await call(api, 'GetIdentity', {});
  check('the identity', identity.type === 'device' && identity.organization === 'demo', identity);

  const stream = network.Listen({ channel: { name: 'node' } });
  const events = reader(stream);
  await events.confirmed();
  const asking = call(network, 'Broadcast', broadcast('node', 'hi', '{"n": 0.10}', 2));
  const heard = await events.heard();
  check('heard, its text unchanged', heard.payload.json === '{"n": 0.10}', heard);
  await call(network, 'Respond', { broadcastId: heard.id, channelId: heard.channelId, payload: { json: '{"ok": 1e400}' } });
  const { responses } = await asking;
  check('the broadcaster gets the response', responses.length === 1 && responses[0].json === '{"ok": 1e400}', responses);

  const sending = (async () => {
    for (let n = 0; n < MANY; n += 1) await call(network, 'Broadcast', broadcast('node', 'many', String(n)));
  })();
  const got = [];
  for (let n = 0; n < MANY; n += 1) got.push((await events.heard()).payload.json);
  await sending;
  check(`a long stream of ${MANY}`, got.every((text, n) => text === String(n)), got.slice(0, 20));

  await call(network, 'Broadcast', broadcast('node', 'large', LARGE));
  check('10 MB', (await events.heard()).payload.json === LARGE);

  const ended = events.ended();
  stream.cancel();
  const error = await ended;
  check('cancelled', error.code === grpc.status.CANCELLED, error);
  const until = Date.now() + PATIENCE;
  let left = await listeners();
  while (left > 0 && Date.now() < until) left = await listeners();
  check('the daemon sees the cancellation', left === 0, left);

  const short = reader(network.Listen({ channel: { name: 'node' } }, { deadline: Date.now() + 300 }));
  const late = await short.ended();
  check('a deadline ends a stream', late.code === grpc.status.DEADLINE_EXCEEDED, late);
  const slow = await call(network, 'Broadcast', broadcast('node', 'slow', '1', 5), 300).catch((e) => e);
  check('a deadline ends a call', slow.code === grpc.status.DEADLINE_EXCEEDED, slow);
  const refused = await call(network, 'Broadcast', broadcast('node', '', '1')).catch((e) => e);
  check('a refusal says why', refused.code === grpc.status.INVALID_ARGUMENT && refused.details, refused);
}

run()
  .catch((error) => check('the list was gone through', false, error))
  .then(() => {
    console.log(`${passed} passed, ${failed} failed`);
    process.exit(failed ? 1 : 0);
  });
