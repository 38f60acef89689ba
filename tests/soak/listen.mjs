// The Node program of the soak: hears a channel through everything, and prints what it heard and what it may have missed.
//
//   node listen.mjs SOCKET CHANNEL
//
// One JSON document a line: {"ready": true} at each confirmed subscription, {"heard": PAYLOAD}, {"gap": {"reason", "missed", "from",
// "to"}}. Takes the package `expd` that is installed where it is started. SIGTERM ends it with 0.
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const { start } = createRequire(path.join(process.cwd(), 'listen.mjs'))('expd');

const [socket, channel] = process.argv.slice(2);
if (!socket || !channel) {
  console.error('usage: node listen.mjs SOCKET CHANNEL');
  process.exit(2);
}
const say = (words) => process.stdout.write(`${JSON.stringify(words)}\n`);

const exp = start({ socket });
let isStopping = false;
process.once('SIGTERM', () => {
  isStopping = true;
  exp.stop();
});

while (!isStopping) {
  try {
    const listener = await exp.getChannel(channel).listen((payload) => say({ heard: payload }));
    listener.on('gap', (gap) => say({ gap }));
    listener.on('subscription', ({ state }) => state === 'CONFIRMED' && say({ ready: true }));
    break;
  } catch (error) {
    // A daemon that is just starting is waited for; from then on, the listener comes back by itself.
    if (!isStopping && error.grpcStatus !== 'UNAVAILABLE') throw error;
    await pause(100);
  }
}
