// Programs as processes: both module systems, clean ends, and what the README prints.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import EXP, * as named from 'expd';
import { World, eventually } from './support/world.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));

/** Time in which a program that has nothing left to do has ended, in milliseconds. */
const ENDS_WITHIN = 5000;

let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

/** Starts node with arguments or with a script; `said` is what it printed. */
function program(...args) {
  const child = spawn(process.execPath, args, { cwd: HERE, env: { ...process.env, EXPD_SOCKET: world.socket } });
  const running = { child, said: '', errors: '' };
  child.stdout.on('data', (text) => (running.said += text));
  child.stderr.on('data', (text) => (running.errors += text));
  running.ended = Promise.race([
    once(child, 'close').then(([code, signal]) => signal ?? code),
    new Promise((resolve) => setTimeout(resolve, 30_000, 'still there').unref()),
  ]);
  return running;
}

/** Output of the command line. */
const expd = (...args) => spawnSync(process.env.EXPD_BIN, args, { encoding: 'utf8' }).stdout;

const script = (text) => program('--input-type=module', '--eval', `import EXP from 'expd';\n${text}`);

describe('the package', () => {
  it('is one for both module systems', () => {
    const required = createRequire(import.meta.url)('expd');
    assert.equal(required, EXP);
    assert.equal(required.default, EXP);
    assert.equal(required.EXP, named.EXP);
    assert.equal(required.NetworkError, named.NetworkError);
    assert.equal(named.start, required.start);
    assert.match(EXP.version, /^\d+\.\d+\.\d+/);
  });

  it("has the daemon's version", () => {
    assert.equal(expd('--version').trim().split(' ').at(-1), EXP.version);
  });

  it('has what its users need, the texts of its licences too, and nothing else', () => {
    const folder = path.dirname(createRequire(import.meta.url).resolve('expd/package.json'));
    const files = ['CHANGELOG.md', 'LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'index.d.mts', 'index.d.ts', 'index.js', 'index.mjs', 'lib', 'package.json', 'types.d.ts'];
    assert.deepEqual(readdirSync(folder).filter((name) => name !== 'node_modules').sort(), files.sort());
    for (const name of files.filter((name) => name.startsWith('LICENSE'))) {
      assert.equal(readFileSync(path.join(folder, name), 'utf8'), readFileSync(`${HERE}support/${name}`, 'utf8'), name);
    }
  });

  it('documents every public name', () => {
    const folder = path.dirname(createRequire(import.meta.url).resolve('expd/package.json'));
    const lines = readFileSync(path.join(folder, 'types.d.ts'), 'utf8').split('\n');
    const isName = (line) => /^(export |  (readonly )?[\w[][\w.\]]*[?(:<])/.test(line);
    const names = lines.filter(isName);
    assert.ok(names.length > 150, `only ${names.length} names were found`);
    assert.deepEqual(lines.filter((line, n) => isName(line) && !lines[n - 1].trim().endsWith('*/')), []);
  });

  it('exports for `import` what it has for `require`', () => {
    const classes = Object.keys(EXP).filter((name) => /Error$/.test(name));
    assert.deepEqual(Object.keys(named).filter((name) => /Error$/.test(name)).sort(), classes.sort());
  });
});

describe('a program', () => {
  it('ends by itself after stop, with listeners, waits and calls under way', async () => {
    const running = script(`
      const exp = EXP.start();
      const channel = exp.getChannel('end');
      await channel.listen('hi', () => new Promise(() => {}));
      const pulled = await channel.listen('hi');
      pulled.wait(3_600_000).catch(() => {});
      channel.broadcast('hi', null, 100).catch(() => {});
      exp.getChannel('other').listen('hi', () => {}).catch(() => {});
      setTimeout(() => exp.stop(), 50);
    `);
    assert.equal(await running.ended, 0, running.errors);
    assert.equal(running.errors, '');
  });

  it('ends within seconds of stop', async () => {
    const running = script(`
      const exp = EXP.start();
      await exp.getChannel('end').listen('hi', () => {});
      exp.stop();
      console.log(Date.now());
    `);
    assert.equal(await running.ended, 0, running.errors);
    assert.ok(Date.now() - Number(running.said) < ENDS_WITHIN, running.said);
  });

  it('ends within seconds of stop where a call is under way that would take longer', async () => {
    const running = script(`
      const exp = EXP.start();
      await exp.getAuth();
      const sending = exp.getChannel('long').broadcast('hi', null, 60_000);
      setTimeout(() => exp.stop(), 100);
      await sending.catch((error) => console.log(error.code, error.fate));
      await exp.getChannel('x');
    `);
    assert.equal(await running.ended, 1);
    assert.equal(running.said, 'STOPPED unknown\n');
    assert.match(running.errors, /this instance was stopped/);
  });

  it('ends after stop where the daemon is away', async () => {
    const running = script(`
      const exp = EXP.start({ socket: '/nonexistent/expd.sock' });
      await exp.getAuth().catch((error) => console.log(error.code));
      exp.stop();
    `);
    assert.equal(await running.ended, 0, running.errors);
    assert.equal(running.said, 'NOT_REACHABLE\n');
  });

  it('ends on Ctrl-C, and the daemon knows', async () => {
    const running = script(`
      const exp = EXP.start().clone('of a program');
      await exp.getChannel('interrupted').listen('hi', () => {});
      console.log('listening');
    `);
    await eventually('it listens', () => running.said.includes('listening'));
    running.child.kill('SIGINT');
    assert.equal(await running.ended, 'SIGINT');
    const status = () => expd('--socket', world.socket, 'status', '--json');
    await eventually('its listener is gone', () => !status().includes('of a program'));
  });

  it('meets what its callbacks throw as its own uncaught exceptions', async () => {
    for (const thrown of ["() => { throw new Error('mine') }", "async () => { throw new Error('mine') }"]) {
      const running = script(`
        const channel = EXP.start().getChannel('thrown');
        await channel.listen('hi', ${thrown});
        await channel.broadcast('hi');
      `);
      assert.equal(await running.ended, 1);
      assert.match(running.errors, /Error: mine/);
    }
  });

  it('does not end where nobody catches a response that comes too late', async () => {
    const running = script(`
      const exp = EXP.start();
      const channel = exp.getChannel('uncaught');
      const listener = await channel.listen('hi');
      await channel.broadcast('hi', null, 0);
      const heard = await listener.wait(5000);
      await new Promise((resolve) => setTimeout(resolve, 200));
      heard.respond('late');
      await new Promise((resolve) => setTimeout(resolve, 200));
      console.log('still there');
      exp.stop();
    `);
    assert.equal(await running.ended, 0, running.errors);
    assert.equal(running.said, 'still there\n');
  });
});

describe('the README', () => {
  const blocks = [...readFileSync(`${HERE}support/README.md`, 'utf8').matchAll(/^```(js|mjs)\n(.*?)^```$/gms)];

  it('has a first example that runs as it is pasted', async () => {
    const running = program('--input-type=module', '--eval', blocks[0][2]);
    assert.equal(await running.ended, 0, running.errors);
    assert.equal(running.said, "heard { soup: 'tomato' }\n[ 'on it' ]\n");
  });

});

describe("the soak's program", () => {
  it('prints what it hears, and ends on SIGTERM', async () => {
    const running = program('support/listen.mjs', world.socket, 'soak');
    const lines = () => running.said.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
    await eventually('it is ready', () => lines().some(({ ready }) => ready));
    const channel = EXP.start({ socket: world.socket }).getChannel('soak');
    await channel.broadcast('n', { n: 1 }, 0);
    await eventually('it has heard', () => lines().some(({ heard }) => heard?.n === 1));
    EXP.stop();
    await world.restart();
    await eventually('it is ready again', () => lines().filter(({ ready }) => ready).length === 2);
    assert.ok(lines().some(({ gap }) => gap?.reason === 'RESTARTED'), running.said);
    running.child.kill('SIGTERM');
    assert.equal(await running.ended, 0, running.errors);
  });
});
