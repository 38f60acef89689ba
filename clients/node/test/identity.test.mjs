// Identities that programs bring along, and what changes of them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import EXP from 'expd';
import { APP, USER, World, eventually } from './support/world.mjs';

/** The daemon looks every 5 s for instances that nobody holds any more; in milliseconds. */
const PAST_THE_SWEEP = 6000;

let world;
before(async () => {
  world = await World.start({ EXPD__HUB__TOKEN_TTL: '4s' });
});
after(() => world.stop());
afterEach(() => EXP.stop());

const own = (options) => EXP.start({ socket: world.socket, host: world.network, ...options });
const expd = (...args) => execFileSync(process.env.EXPD_BIN, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const instances = () => JSON.parse(expd('--socket', world.socket, 'status', '--json')).instances.map(({ instance }) => instance);

describe('an identity of a program', () => {
  it('is paired by an operator', async () => {
    const exp = own({ allowPairing: true });
    const { identity } = await exp.getAuth();
    assert.equal(identity.isPairing, true);
    assert.equal(identity.uuid, undefined);
    assert.equal(await exp.getCurrentDevice(), null);
    const uuid = expd('hub', 'pair', identity.pairingCode, '--network', world.network).trim();
    await eventually('it is paired', () => exp.auth.identity.uuid === uuid);
    assert.equal(exp.auth.identity.isPairing, undefined);
    await exp.getChannel('paired').listen('hi', () => {});
    assert.equal((await exp.getCurrentDevice()).uuid, uuid);
  });

  it('ends with the program, and not before', async () => {
    const exp = own(USER);
    await exp.getAuth();
    assert.equal(instances().length, 2);
    exp.stop();
    await eventually('it has ended', () => instances().length === 1);
  });

  it("goes on listening after the daemon's sweep of what was dropped", async () => {
    const channel = own(USER).getChannel('long');
    const heard = [];
    const listener = await channel.listen('hi', (payload) => heard.push(payload));
    const lost = [];
    listener.on('disconnected', (error) => lost.push(error.message));
    await pause(PAST_THE_SWEEP);
    await channel.broadcast('hi', 1, 0);
    await eventually('it hears', () => heard.length === 1);
    assert.deepEqual(lost, []);
  });

  it('may be run many times', async () => {
    const [one, other] = [own(USER), own(USER)];
    const heard = [];
    await one.getChannel('twice').listen('hi', (payload) => heard.push(payload));
    await other.getChannel('twice').listen('hi', (payload) => heard.push(payload));
    await other.getChannel('twice').broadcast('hi', 1, 0);
    await eventually('both hear', () => heard.length === 2);
  });

  it('that is a consumer app keeps to consumer channels', async () => {
    const exp = own(APP);
    await assert.rejects(exp.getChannel('x').broadcast('hi'), EXP.RuntimeError);
    await assert.rejects(exp.getChannel('x').listen('hi', () => {}), EXP.RuntimeError);
    const channel = exp.getChannel('x', { consumer: true });
    await channel.listen('hi', (payload, respond) => respond(payload + 1));
    assert.deepEqual(await channel.broadcast('hi', 1, 1000), [2]);
  });

  it('tells an update when its token is renewed', async () => {
    const exp = own(USER);
    const told = [];
    exp.on('update', ({ expiration }) => told.push(expiration));
    await eventually('it is renewed', () => told.length >= 2);
    assert.ok(told[1] > told[0], told.join());
  });
});
