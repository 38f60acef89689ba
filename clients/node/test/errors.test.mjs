// Errors name the reason and the remedy, and carry the fate of the call.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import EXP from 'expd';
import { USER, World, eventually } from './support/world.mjs';

const require = createRequire(import.meta.url);
const { checkFolder, defaultSocket } = require(path.join(path.dirname(require.resolve('expd')), 'lib/socket-path.js'));

let world;
let room;
before(async () => {
  world = await World.apart();
  room = mkdtempSync(path.join(tmpdir(), 'expd-node-'));
});
after(async () => {
  rmSync(room, { recursive: true });
  await world.stop();
});
afterEach(() => EXP.stop());

const start = (options = {}) => EXP.start({ socket: world.socket, ...options });

/** The error of a promise. */
const errorOf = (promise) => promise.then(() => assert.fail('it succeeded'), (error) => error);

describe('options', () => {
  const refused = {
    'a user without a password': [{ username: 'u', organization: 'o' }, /user credentials need .*; missing: password/],
    'a device without a secret': [{ type: 'device', uuid: 'u' }, /missing: secret/],
    'a uuid alone': [{ uuid: 'u' }, /uuid needs secret .* or apiKey/],
    'an authentication payload': [{ auth: { token: 't' } }, /the daemon holds the token/],
    'an option that is none': [{ apikey: 'k' }, /unknown options: apikey; there are .*apiKey/],
    'an unknown type': [{ type: 'robot' }, /the type "robot" is unknown/],
    'an instance and credentials': [{ instance: 'x', ...USER }, /either instance .* or credentials/],
    'a host without credentials': [{ host: 'http://localhost' }, /host goes with credentials/],
    'no object': ['http://localhost', /give the options as an object/],
  };
  for (const [what, [options, words]] of Object.entries(refused)) {
    it(`refuse ${what}`, () => {
      assert.throws(() => EXP.start(options), (error) => error instanceof EXP.RuntimeError && words.test(error.message));
    });
  }

  it('are not given twice', () => {
    assert.throws(() => start().start(), /started already/);
  });

  it('are needed before a call', () => {
    assert.throws(() => EXP.fork().getChannel('x'), { code: 'NOT_STARTED' });
  });
});

describe('the socket', () => {
  it('is found as the command line finds it', () => {
    const at = (env, uid, system) => defaultSocket({ env, uid, exists: () => system }).path;
    assert.equal(at({}, 1000, false), '/tmp/expd-1000/expd.sock');
    assert.equal(at({ XDG_RUNTIME_DIR: '/run/user/1000' }, 1000, false), '/run/user/1000/expd/expd.sock');
    assert.equal(at({ XDG_RUNTIME_DIR: '/run/user/1000' }, 1000, true), '/run/expd/expd.sock');
    assert.equal(at({ XDG_RUNTIME_DIR: '/run/user/1000' }, 0, false), '/run/expd/expd.sock');
    assert.equal(at({ EXPD_SOCKET: '/x.sock' }, 0, true), '/x.sock');
  });

  it('is refused in a private folder that others may enter', () => {
    const folder = path.join(room, 'expd');
    const socket = { path: path.join(folder, 'expd.sock'), isPrivate: true };
    checkFolder(socket);
    mkdirSync(folder, { mode: 0o700 });
    checkFolder(socket);
    assert.throws(() => checkFolder(socket, process.geteuid() + 1), /it belongs to another user/);
    chmodSync(folder, 0o755);
    assert.throws(() => checkFolder(socket), /other users may enter it; correct its owner and mode/);
    symlinkSync(folder, path.join(room, 'link'));
    assert.throws(() => checkFolder({ path: path.join(room, 'link/expd.sock'), isPrivate: true }), /it is not a folder/);
  });

  it('is named with the remedy where no daemon answers', async () => {
    const missing = await errorOf(start({ socket: path.join(room, 'none') }).getChannel('x').broadcast('hi'));
    assert.ok(missing instanceof EXP.NetworkError);
    assert.match(missing.message, /no daemon answers at .*none: there is no socket; start a daemon with `expd serve`/);
    assert.deepEqual([missing.code, missing.fate], ['NOT_REACHABLE', 'refused']);

    const silent = path.join(room, 'silent');
    const server = net.createServer().listen(silent);
    await new Promise((resolve) => server.once('listening', resolve));
    chmodSync(silent, 0o700);
    server.close();
    const gone = await errorOf(start({ socket: silent }).getAuth());
    assert.match(gone.message, /no daemon answers at .*silent: (nobody listens on it|there is no socket)/);
    const listening = await errorOf(start({ socket: silent }).getChannel('x').listen('hi', () => {}));
    assert.equal(listening.code, 'NOT_REACHABLE');
    const own = await errorOf(start({ socket: silent, ...USER }).getChannel('x').broadcast('hi'));
    assert.equal(own.code, 'NOT_REACHABLE');
  });
});

describe('listening', () => {
  it('is refused with options that cannot be', async () => {
    const channel = start().getChannel('x');
    const refused = {
      'the callback is no function': channel.listen('hi', 'callback', {}),
      'resume is no position': channel.listen('hi', () => {}, { resume: { logId: 7 } }),
      "overflow is 'SKIP' or 'CANCEL'": channel.listen('hi', () => {}, { overflow: 'DROP' }),
      'the timeout is a number of milliseconds': channel.listen('hi', () => {}, { timeout: NaN }),
      'maxAge is a number of milliseconds': channel.listen('hi', () => {}, { maxAge: '60s' }),
    };
    await Promise.all(
      Object.entries(refused).map(([words, promise]) =>
        assert.rejects(promise, (error) => error instanceof EXP.RuntimeError && error.message.includes(words), words),
      ),
    );
    const listener = await channel.listen('hi', () => {});
    assert.throws(() => listener.on('gape', () => {}), /there is no event "gape"; there are gap,/);
    await assert.rejects(listener.wait(), /this listener has a callback/);
  });
});

describe('a daemon that refuses connections', () => {
  it('is quoted', async () => {
    const full = await World.start({ EXPD__DAEMON__LIMITS__MAX_CONNECTIONS: '1' });
    const first = net.connect(full.socket);
    try {
      // One that the daemon has taken: it sends the first frame, and is not closed.
      first.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0');
      await new Promise((resolve) => first.once('data', resolve));
      const error = await errorOf(start({ socket: full.socket }).getChannel('x').broadcast('hi', null, 0));
      assert.ok(error instanceof EXP.NetworkError, error.stack);
      assert.match(error.message, /has closed the connection: it refuses connections: .*connection/);
    } finally {
      first.destroy();
      await full.stop();
    }
  });
});

describe('a broadcast', () => {
  it('is refused on a system channel, without a name, and with what is no JSON', async () => {
    const channel = start().getChannel('x');
    const circle = {};
    circle.itself = circle;
    const refused = [
      start().getChannel('x', { system: true }).broadcast('hi'),
      channel.broadcast(''),
      channel.broadcast('hi', circle),
      channel.broadcast('hi', () => {}),
      channel.broadcast('hi', 1n),
      channel.broadcast('hi', null, -1),
      channel.broadcast('hi', null, '500'),
      channel.broadcast('hi', EXP.rawJson('{')),
    ].map(errorOf);
    for (const error of await Promise.all(refused)) {
      assert.ok(error instanceof EXP.RuntimeError, error.stack);
      assert.equal(error.fate, 'refused', error.message);
    }
  });

  it('goes to the letter as raw JSON', async () => {
    const channel = start().getChannel('letter');
    const listener = await channel.listen('hi');
    const text = '{"price": 3.50, "n": 123456789012345678901234567890}';
    await channel.broadcast('hi', EXP.rawJson(text), 0);
    assert.equal((await listener.wait(5000)).json, text);
  });

  /** Broadcasts with a long wait for responses; resolves once it was heard and is under way. */
  async function underWay(channel, options) {
    const listener = await channel.listen('hi');
    const sending = errorOf(channel.broadcast('hi', null, 60_000, options));
    assert.ok(await listener.wait(20_000), 'it is not heard');
    // In an object: by itself, it would be awaited.
    return { error: sending };
  }

  it('has an unknown fate where the daemon is killed meanwhile', async () => {
    const sent = await underWay(start().getChannel('killed'));
    await world.daemon.stop('SIGKILL');
    const error = await sent.error;
    assert.ok(error instanceof EXP.NetworkError, error.stack);
    assert.deepEqual([error.code, error.fate], ['CONNECTION_LOST', 'unknown'], error.message);
    await world.serve();
  });

  it('has an unknown fate where its signal gives it up', async () => {
    const [channel, aborting] = [start().getChannel('given up'), new AbortController()];
    const sent = await underWay(channel, { signal: aborting.signal });
    aborting.abort();
    const error = await sent.error;
    assert.deepEqual([error.name, error.code, error.fate], ['AbortError', 'ABORT_ERR', 'unknown']);
    const before = await errorOf(channel.broadcast('hi', null, 10_000, { signal: AbortSignal.abort() }));
    assert.equal(before.fate, 'refused');
  });

  it('is refused while offline with the time of the next try, or waits for the connection', async () => {
    const exp = start();
    await eventually('it is online', () => exp.isConnected);
    await world.hub.stop();
    await eventually('it is offline', () => !exp.isConnected);
    const error = await errorOf(exp.getChannel('x').broadcast('hi'));
    assert.ok(error instanceof EXP.NetworkError, error.stack);
    assert.deepEqual([error.code, error.fate, error.grpcStatus], ['OFFLINE', 'refused', 'UNAVAILABLE']);
    assert.ok(error.retryAfter > 0);
    const waiting = exp.getChannel('x').broadcast('hi', null, 0, { waitForConnection: true });
    await world.startHub();
    assert.deepEqual(await waiting, []);
  });

  it('answers a response that is too late with its reason', async () => {
    const channel = start().getChannel('late');
    const listener = await channel.listen('hi');
    await channel.broadcast('hi', null, 0);
    const heard = await listener.wait(5000);
    await pause(200);
    const error = await errorOf(heard.respond('late'));
    assert.ok(error instanceof EXP.ExpError, error.stack);
    assert.ok(['FAILED_PRECONDITION', 'NOT_FOUND'].includes(error.grpcStatus), error.stack);
  });
});

describe("EXP's API", () => {
  it('answers with its own error', async () => {
    const error = await errorOf(start().get('/api/devices/no-such'));
    assert.ok(error instanceof EXP.ApiError, error.stack);
    assert.equal(error.status, 404);
    assert.equal(error.code, error.payload.code);
    assert.match(error.message, /^GET \/api\/devices\/no-such: .*HTTP 404/);
  });

  it('is not asked for tokens', async () => {
    const error = await errorOf(start().post('/api/auth/token'));
    assert.ok(error instanceof EXP.RuntimeError && error.grpcStatus === 'INVALID_ARGUMENT', error.stack);
  });

  it('is not asked as an instance that is none', async () => {
    const error = await errorOf(start({ instance: 'nobody' }).getAuth());
    assert.match(error.message, /no instance is named "nobody"/);
  });
});
