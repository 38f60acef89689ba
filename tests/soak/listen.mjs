// The Node program of the soak: hears a channel through everything, and prints what it heard and
// what it may have missed.
//
//   node listen.mjs SOCKET CHANNEL [LOG_ID AFTER]
//
// One JSON document a line: {"ready": true} at each confirmed subscription, {"heard": PAYLOAD,
// "position": {"logId", "after"}}, {"gap": {"reason", "missed", "from", "to"}}. The position of an
// earlier run lets it go on there. Takes the package `expd` that is installed where it is started.
// An empty SOCKET is the default one. SIGTERM ends it with 0.
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const { start } = createRequire(path.join(process.cwd(), 'listen.mjs'))('expd');

const [socket, channel, logId, after] = process.argv.slice(2);
if (socket === undefined || !channel) {
  console.error('usage: node listen.mjs SOCKET CHANNEL [LOG_ID AFTER]');
  process.exit(2);
}
const say = (words) => process.stdout.write(`${JSON.stringify(words)}\n`);

const resume = logId === undefined ? undefined : { logId, after: Number(after) };
const exp = start({ socket: socket || undefined });
let isStopping = false;
process.once('SIGTERM', () => {
  isStopping = true;
  exp.stop();
});

while (!isStopping) {
  try {
    // Nothing comes before this `await` is over: the listener is there by then.
    const listener = await exp.getChannel(channel).listen((payload) => say({ heard: payload, position: listener.position }), { resume });
    listener.on('gap', (gap) => say({ gap }));
    listener.on('subscription', ({ state }) => state === 'CONFIRMED' && say({ ready: true }));
    break;
  } catch (error) {
    // A daemon that is just starting is waited for; from then on, the listener comes back by
    // itself.
    if (!isStopping && error.grpcStatus !== 'UNAVAILABLE') throw error;
    await pause(100);
  }
}
