// One program of the measurement: node program.mjs bare|library hear|call|send SOCKET CHANNEL
// Tells its parent `ready` where something must be sent to it, and then { cpu, p50 } in
// microseconds for one.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { start } from '../index.mjs';

const WARM_UP = 1000;
const COUNTED = 4000;
const SENT = WARM_UP + COUNTED;
const TEXT = 'x'.repeat(200);

const [kind, task, socket, channel] = process.argv.slice(2);
const now = () => Number(process.hrtime.bigint()) / 1000;

/** A program with the contract alone, without the library. */
function bare() {
  const require = createRequire(import.meta.url);
  const grpc = require('@grpc/grpc-js');
  const loader = createRequire(require.resolve('@grpc/grpc-js'))('@grpc/proto-loader');
  const proto = fileURLToPath(new URL('../../../proto', import.meta.url));
  const definition = loader.loadSync('expd/v1/network.proto', { includeDirs: [proto], longs: Number, enums: String, defaults: true, oneofs: true });
  const { Network } = grpc.loadPackageDefinition(definition).expd.v1;
  const client = new Network(`unix:${socket}`, grpc.credentials.createInsecure());
  let stream;
  return {
    hear: (heard) =>
      new Promise((resolve) => {
        stream = client.Listen({ channel: { name: channel }, name: 'n' });
        stream.on('error', () => {});
        stream.on('data', ({ broadcast, subscription }) => {
          if (broadcast) heard(JSON.parse(broadcast.payload.json));
          else if (subscription?.state === 'CONFIRMED') resolve();
        });
      }),
    call: (payload) =>
      new Promise((resolve, reject) => {
        const request = { channel: { name: channel }, name: 'n', payload: { json: JSON.stringify(payload) }, timeout: { seconds: 0, nanos: 0 } };
        client.Broadcast(request, (error, answer) => (error ? reject(error) : resolve(answer.responses.map(({ json }) => JSON.parse(json)))));
      }),
    end: () => {
      stream?.cancel();
      client.close();
    },
  };
}

function library() {
  const exp = start({ socket });
  const its = exp.getChannel(channel);
  return { hear: (heard) => its.listen('n', heard), call: (payload) => its.broadcast('n', payload, 0), end: () => exp.stop() };
}

/** Collects latencies; after the last one, tells the parent what one cost. */
function meter(done) {
  const latencies = [];
  let before;
  return (latency) => {
    latencies.push(latency);
    if (latencies.length === WARM_UP) before = process.cpuUsage();
    if (latencies.length < SENT) return;
    const { user, system } = process.cpuUsage(before);
    const counted = latencies.slice(WARM_UP).sort((a, b) => a - b);
    process.send({ cpu: (user + system) / COUNTED, p50: counted[COUNTED / 2] });
    done();
  };
}

const client = kind === 'bare' ? bare() : library();
const end = () => {
  client.end();
  process.disconnect();
};

if (task === 'hear') {
  const count = meter(end);
  await client.hear(({ at }) => count(now() - at));
  process.send('ready');
} else {
  const count = task === 'call' ? meter(end) : () => {};
  for (let n = 0; n < SENT; n += 1) {
    const at = now();
    await client.call({ n, at, text: TEXT });
    count(now() - at);
  }
  if (task === 'send') end();
}
