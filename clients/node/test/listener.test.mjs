// The promises of listeners: they come back, tell what may be missing, and leave waiting broadcasts
// in the daemon.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import EXP from 'expd';
import { USER, World, eventually } from './support/world.mjs';
import { Wire } from './support/wire.mjs';

/** Broadcasts that wait for a slow program. */
const MANY = 10_000;
const AT_ONCE = 50;

/** Broadcasts that are more than the sockets and a short log hold. */
const SLOW = 1500;

/**
 * Broadcasts that may be on their way, in the sockets, HTTP/2's window and what gRPC reads ahead.
 */
const READ_AHEAD = 800;

/** A payload's text, so that the sockets hold few of them. */
const TEXT = 'x'.repeat(500);

/**
 * Bytes by which the memory of a program may grow while they wait: half of their texts alone, of
 * which it must not hold one in ten.
 */
const GROWTH = (MANY * TEXT.length) / 2;

let world;
before(async () => {
  world = await World.apart({ EXPD__DAEMON__LIMITS__LOG_EVENTS: String(2 * MANY), EXPD__DAEMON__LIMITS__LOG_BYTES: '32MiB', EXPD__DAEMON__LIMITS__LOG_AGE: '10m' });
});
after(() => world.stop());
afterEach(() => EXP.stop());

const start = (options = {}) => EXP.start({ socket: world.socket, ...options });

/** Keeps what a listener hears and is told, in order. */
function record(listener) {
  const told = [];
  listener.on('gap', (gap) => told.push(gap));
  for (const name of ['disconnected', 'reconnected']) listener.on(name, () => told.push(name));
  return told;
}

/** Sends broadcasts numbered from `first` on, many at once. */
async function sendMany(channel, count, first = 0) {
  for (let n = 0; n < count; n += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - n) }, (_, i) => channel.broadcast('many', { n: first + n + i, text: TEXT }, 0)));
  }
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

/** Bytes that this program holds, on the heap and in buffers. */
function memory() {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** The daemon's own view of the listeners. */
const listeners = () =>
  JSON.parse(execFileSync(process.env.EXPD_BIN, ['--socket', world.socket, 'status', '--json'])).instances.flatMap((one) => one.listeners ?? []);

describe('a listener', () => {
  it('comes back after a restart of the daemon, and tells the gap', async () => {
    const exp = start();
    const channel = exp.getChannel('restart');
    const heard = [];
    const listener = await channel.listen('hi', (payload) => heard.push(payload));
    const told = record(listener);
    await channel.broadcast('hi', 'before');
    await eventually('the first is heard', () => heard.length === 1);
    await world.restart();
    await eventually('it is back', () => listener.state === 'CONFIRMED' && told.includes('reconnected'));
    await channel.broadcast('hi', 'after');
    await eventually('the second is heard', () => heard.length === 2);
    assert.deepEqual(heard, ['before', 'after']);
    const words = told.map((one) => one.reason ?? one);
    for (const word of ['RESTARTED', 'disconnected', 'reconnected']) assert.equal(words.filter((one) => one === word).length, 1, words.join());
  });

  it("comes back with an identity of the program's own after a restart of the daemon", async () => {
    const exp = start({ host: world.network, ...USER });
    const heard = [];
    const listener = await exp.getChannel('own').listen('hi', (payload) => heard.push(payload));
    const told = record(listener);
    await world.restart();
    await eventually('it is back', () => listener.state === 'CONFIRMED' && told.includes('reconnected'));
    await exp.getChannel('own').broadcast('hi', 1);
    await eventually('it hears', () => heard.length === 1);
    assert.ok(told.some(({ reason }) => reason === 'RESTARTED'), JSON.stringify(told));
    assert.equal(exp.isConnected, true);
  });

  it('goes on where it was after the connection broke: each once, and no gap', async () => {
    const wire = await Wire.to(world);
    const sender = start().getChannel('cut');
    const heard = [];
    const listener = await start({ socket: wire.socket }).getChannel('cut').listen('many', ({ n }) => heard.push(n));
    const told = record(listener);
    for (let n = 0; n < 3; n += 1) {
      const sending = sendMany({ broadcast: (name, i, timeout) => sender.broadcast(name, { n: n * 100 + i.n }, timeout) }, 100);
      await eventually('some are heard', () => heard.length > n * 100);
      wire.cut();
      await sending;
      await eventually('all are heard', () => heard.length >= 100 * (n + 1));
    }
    assert.deepEqual(heard.sort((a, b) => a - b), Array.from({ length: 300 }, (_, n) => n));
    assert.deepEqual([...new Set(told)].sort(), ['disconnected', 'reconnected']);
    listener.cancel();
    await wire.close();
  });

  it("leaves what waits for a slow callback in the daemon's log", async (test) => {
    const exp = start();
    const channel = exp.getChannel('slow');
    const heard = [];
    let release;
    const held = new Promise((resolve) => (release = resolve));
    const listener = await channel.listen('many', async ({ n }) => {
      heard.push(n);
      if (heard.length === 1) await held;
    });
    const told = record(listener);
    await sendMany(channel, 100);
    const before = memory();
    await sendMany(channel, MANY - 100, 100);
    const { behind } = await eventually('all have come to the daemon', () => {
      const one = listeners().find(({ channel }) => channel.name === 'slow');
      return Number(one.delivered) + Number(one.behind) + Number(one.missed) >= MANY && one;
    });
    assert.equal(heard.length, 1);
    test.diagnostic(`${behind} of ${MANY} broadcasts wait in the daemon`);
    assert.ok(Number(behind) > MANY - READ_AHEAD, `only ${behind} of ${MANY} wait in the daemon`);
    const growth = memory() - before;
    test.diagnostic(`the program has grown by ${growth} bytes`);
    assert.ok(growth < GROWTH, `the program has grown by ${growth} bytes`);
    release();
    await eventually('all are heard', () => heard.length === MANY);
    assert.deepEqual(heard.sort((a, b) => a - b), Array.from({ length: MANY }, (_, n) => n));
    assert.deepEqual(told, []);
  });

  it('goes on where an earlier one was', async () => {
    const channel = start().getChannel('resume');
    const first = await channel.listen('hi');
    await channel.broadcast('hi', 1, 0);
    await channel.broadcast('hi', 2, 0);
    assert.equal((await first.wait(5000)).payload, 1);
    const position = JSON.parse(JSON.stringify(first.position));
    first.cancel();
    const second = await channel.listen('hi', { resume: position });
    assert.equal((await second.wait(5000)).payload, 2);
  });

  it('tells a gap that comes before the program can have a callback for it', async () => {
    const channel = start().getChannel('early');
    const first = await channel.listen('hi');
    const { after } = first.position;
    const second = await channel.listen('hi', { resume: { logId: 'another log', after } });
    const [gap] = await new Promise((resolve) => second.on('gap', (...values) => resolve(values)));
    assert.equal(gap.reason, 'RESTARTED');
  });

  it('warns of a gap that nothing listens for', async () => {
    const warned = once(process, 'warning');
    await start().getChannel('warned').listen('hi', () => {}, { resume: { logId: 'another log', after: 1 } });
    const [warning] = await warned;
    assert.match(warning.message, /channel "warned": broadcasts may be missing \(RESTARTED\)/);
  });

  it('waits with a timeout, and for one', async () => {
    const channel = start().getChannel('wait');
    const listener = await channel.listen('hi');
    assert.equal(await listener.wait(), null);
    assert.equal(await listener.wait(50), null);
    const [heard] = await Promise.all([listener.wait(5000), channel.broadcast('hi', { n: 1 }, 0)]);
    assert.deepEqual(heard.payload, { n: 1 });
    assert.equal(heard.name, 'hi');
    assert.deepEqual(heard.channel, { name: 'wait', system: false, consumer: false });
    assert.ok(Math.abs(heard.receivedAt - Date.now()) < 60_000);
    listener.cancel();
    await assert.rejects(listener.wait(10), { code: 'CANCELLED' });
  });

  it('is a loop that ends where it is cancelled', async () => {
    const channel = start().getChannel('loop');
    const listener = await channel.listen('hi');
    for (const n of [1, 2, 3]) await channel.broadcast('hi', n, 0);
    const heard = [];
    for await (const { payload } of listener) {
      heard.push(payload);
      if (payload === 3) setTimeout(() => listener.cancel(), 50);
    }
    assert.deepEqual(heard, [1, 2, 3]);
    assert.equal(listener.state, 'ENDED');
  });

  it('ends with the signal that it was given', async () => {
    const ended = new AbortController();
    const channel = start().getChannel('signal');
    const listener = await channel.listen('hi', { signal: ended.signal });
    setTimeout(() => ended.abort(new Error('enough')), 50);
    await assert.rejects(
      (async () => {
        for await (const broadcast of listener) assert.fail(broadcast.json);
      })(),
      (error) => error.name === 'AbortError' && error.cause.message === 'enough',
    );
    await eventually('the daemon knows', () => !listeners().some((one) => one.channel.name === 'signal'));
    await assert.rejects(channel.listen('hi', { signal: AbortSignal.abort() }), { code: 'ABORT_ERR' });
    const other = await channel.listen('hi');
    await assert.rejects(other.wait(5000, { signal: AbortSignal.timeout(20) }), { code: 'ABORT_ERR' });
    await channel.broadcast('hi', 'still there', 0);
    assert.equal((await other.wait(5000)).payload, 'still there');
  });

  it('tells that its channel was not confirmed in time', async () => {
    await world.hub.stop();
    try {
      const listening = start().getChannel('unconfirmed').listen('hi', () => {}, { timeout: 100 });
      await assert.rejects(listening, (error) => error instanceof EXP.NetworkError && error.code === 'NOT_CONFIRMED');
    } finally {
      await world.startHub();
      await eventually('the daemon is back online', async () => {
        const exp = start();
        return exp.getChannel('x').broadcast('hi', null, 0).then(() => true, () => pause(100));
      });
    }
  });

  it('tells an outage of the network as a gap', async () => {
    const listener = await start().getChannel('outage').listen('hi', () => {});
    const told = record(listener);
    const states = [];
    listener.on('subscription', ({ state }) => states.push(state));
    await world.hub.stop();
    await eventually('it is pending', () => states.includes('PENDING'));
    await world.startHub();
    await eventually('it is confirmed again', () => states.at(-1) === 'CONFIRMED');
    assert.deepEqual(told.map(({ reason }) => reason), ['OFFLINE']);
    assert.ok(told[0].to >= told[0].from);
  });

  it('is ended by the daemon on demand, and says so', async () => {
    const exp = start().clone('ended');
    const listener = await exp.getChannel('ended').listen('hi', () => {});
    const error = new Promise((resolve) => listener.on('error', resolve));
    const { id } = listeners().find((one) => one.context === 'ended');
    const { Connection, methods } = await import(new URL('./support/raw.mjs', import.meta.url));
    await new Connection(world.socket).call(methods.cancelListener, { listenerId: id });
    assert.equal((await error).grpcStatus, 'CANCELLED');
    assert.equal(listener.state, 'ENDED');
  });
});

describe('a listener that is too slow', () => {
  it('is told what it missed', async () => {
    const small = await World.start({ EXPD__DAEMON__LIMITS__LOG_EVENTS: '8' });
    try {
      const channel = EXP.start({ socket: small.socket }).getChannel('overflow');
      const listener = await channel.listen('many');
      const told = record(listener);
      await sendMany(channel, SLOW);
      const heard = [];
      const missed = () => told.reduce((sum, gap) => sum + gap.missed, 0);
      await eventually('all are heard or told', async () => {
        const broadcast = await listener.wait(300);
        if (broadcast) heard.push(broadcast.payload.n);
        return heard.length + missed() >= SLOW;
      });
      assert.equal(await listener.wait(300), null);
      assert.ok(told.length > 0 && told.every(({ reason }) => reason === 'OVERFLOW'), JSON.stringify(told));
      assert.equal(heard.length + missed(), SLOW);
    } finally {
      EXP.stop();
      await small.stop();
    }
  });
});
