// The examples of the vendor's guide, in examples/guide/node, each as a program against the
// embedded network.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import EXP from 'expd';
import { APP, USER, World, eventually } from './support/world.mjs';

const FOLDER = fileURLToPath(new URL('../node/', import.meta.url));
const ran = new Set();

let world;
let exp;
let identity;

before(async () => {
  world = await World.start();
  exp = EXP.start({ socket: world.socket });
  const device = await exp.createDevice({ name: 'of the guide' });
  identity = {
    EXPD_SOCKET: world.socket,
    EXP_HOST: world.network,
    EXP_USERNAME: USER.username,
    EXP_PASSWORD: USER.password,
    EXP_ORGANIZATION: USER.organization,
    DEVICE_UUID: device.uuid,
    DEVICE_SECRET: device.document.secret,
    APP_UUID: APP.uuid,
    APP_KEY: APP.apiKey,
  };
});
after(async () => {
  EXP.stop();
  await world.stop();
});

/** Starts an example; `said` is what it has printed. */
function example(name, ...args) {
  ran.add(name);
  const child = spawn(process.execPath, [FOLDER + name, ...args], { env: { ...process.env, ...identity } });
  const program = { child, said: '', errors: '' };
  child.stdout.on('data', (text) => (program.said += text));
  child.stderr.on('data', (text) => (program.errors += text));
  program.ended = once(child, 'close').then(([code]) => code);
  return program;
}

/** Runs an example to its end, and returns what it printed. */
async function output(name, ...args) {
  const program = example(name, ...args);
  assert.equal(await program.ended, 0, program.errors);
  assert.equal(program.errors, '');
  return program.said;
}

const listening = (program) => eventually('it listens', () => program.said.includes('listening'));

describe("the guide's examples", () => {
  it('creates a device and hears its update', async () => {
    assert.equal(await output('device.js'), 'The device was updated: my_sweeter_device\n');
  });

  it('changes an experience in place', async () => {
    const { uuid } = await exp.createExperience({ name: 'old name' });
    await output('experience.js', uuid);
    assert.equal((await exp.getExperience(uuid)).name, 'new name');
  });

  it('tells channels by their flags', async () => {
    const said = await output('channels.js');
    assert.match(said, /^RuntimeError .*system/);
    assert.match(said, /sent on the other two\n$/);
  });

  it('broadcasts, listens and responds', async () => {
    const responder = example('respond.js');
    await listening(responder);
    const listener = example('listen.js', '3000');
    await listening(listener);
    assert.equal(await output('broadcast.js', '1000'), 'hi there!\n');
    assert.equal(await listener.ended, 0);
    assert.match(listener.said, /An event was heard!\nhello!\n$/);
    responder.child.kill('SIGINT');
    assert.equal(await responder.ended, 0, responder.errors);
  });

  it('broadcasts by a plain call', async () => {
    const channel = exp.getChannel('myChannelName', { consumer: true });
    const listener = await channel.listen('myEventName', (payload, respond) => respond(payload.anything2[0]));
    assert.equal(await output('post.js'), "responses: [ 'hi!' ]\n");
    listener.cancel();
  });

  it('starts users, devices and consumer apps', async () => {
    const { DEVICE_UUID, APP_UUID, EXP_USERNAME } = identity;
    assert.equal(await output('start.js'), `user ${EXP_USERNAME}\ndevice ${DEVICE_UUID}\nconsumerApp ${APP_UUID}\n`);
  });

  it('clears a context', async () => {
    assert.equal(await output('contexts.js'), 'context 1 hears it\n');
  });

  it('forks', async () => {
    assert.equal(await output('fork.js'), "[ 'heard hello from the other' ]\n");
  });

  it('clears a context in every instance', async () => {
    assert.equal(await output('instances.js'), 'sdk1B hears it\n');
  });

  it('waits with a timeout', async () => {
    assert.equal(await output('wait.mjs'), 'nothing yet: null\nheard: hello!\n');
  });

  it('finds devices', async () => {
    assert.match(await output('find.js'), /^\d of \d: \[.*'of the guide'/s);
  });

  it('has no example that was not run', () => {
    assert.deepEqual(readdirSync(FOLDER).filter((name) => !ran.has(name)), []);
  });
});
