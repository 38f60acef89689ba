// A daemon one version older does not know some calls; one that is newer says what this library
// does not know.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import EXP from 'expd';
import { OtherDaemon } from './support/other-daemon.mjs';
import { v1 } from './support/raw.mjs';
import { USER, World, eventually } from './support/world.mjs';

let world;
let other;
before(async () => {
  world = await World.start();
});
after(() => world.stop());
afterEach(() => {
  EXP.stop();
  other.stop();
});

/** Starts an instance on a daemon that differs. */
async function startOn(differences, options = {}) {
  other = await OtherDaemon.start(world, differences);
  return EXP.start({ socket: other.socket, ...options });
}

/** True for the error of a call that an older daemon does not know. */
const says = (call) => (error) =>
  error instanceof EXP.UnsupportedError && error.fate === 'refused' && new RegExp(`^this daemon \\(\\d+\\.\\d+\\.\\d+.*\\) does not know ${call}`).test(error.message);

describe('an older daemon', () => {
  it('is named with its version where it does not know a call', async () => {
    const exp = await startOn({ without: ['Api.GetContentUrl'] });
    await assert.rejects(exp.getContentUrl('/menus/lunch.png'), says('Api.GetContentUrl'));
    assert.deepEqual(await exp.getChannel('older').broadcast('hi', null, 0), []);
  });

  it('tells at once that it runs no identities of programs', async () => {
    const exp = await startOn({ without: ['Daemon.RunInstance'] }, { host: world.network, ...USER });
    const told = new Promise((resolve) => exp.on('error', resolve));
    await assert.rejects(exp.getAuth(), says('Daemon.RunInstance'));
    await assert.rejects(exp.getChannel('older').listen('hi', () => {}), says('Daemon.RunInstance'));
    await assert.rejects(exp.findDevices(), says('Daemon.RunInstance'));
    assert.ok(says('Daemon.RunInstance')(await told));
  });

  it('works without the states of links, and says that they are missing', async () => {
    const exp = await startOn({ without: ['Daemon.WatchStatus'] });
    const told = new Promise((resolve) => exp.on('error', resolve));
    const channel = exp.getChannel('older');
    const heard = [];
    await channel.listen('hi', (payload) => heard.push(payload));
    await channel.broadcast('hi', 1, 0);
    await eventually('it hears', () => heard.length === 1);
    assert.ok(says('Daemon.WatchStatus')(await told));
    assert.equal((await exp.getAuth()).identity.type, 'device');
  });

  it('is named without a version where it does not tell it', async () => {
    const exp = await startOn({ without: ['Api.GetContentUrl', 'Daemon.GetStatus'] });
    await assert.rejects(exp.getContentUrl('/menus/lunch.png'), /this daemon \(of unknown version\) does not know Api.GetContentUrl/);
  });
});

describe('a newer daemon', () => {
  /** A field of number 999, which no message has. */
  const UNKNOWN_FIELD = Buffer.from([0xb8, 0x3e, 0x01]);
  /** An event of a kind that is none yet: field 15 of ListenEvent, beside its sequence. */
  const unknownEvent = (sequence) => Buffer.concat([v1.ListenEvent.encode({ sequence }).finish(), Buffer.from([0x7a, 0x01, 0x00])]);

  it('may say more than this library knows', async () => {
    const change = (name, answer) => {
      const more = [Buffer.concat([answer, UNKNOWN_FIELD])];
      if (name === 'Daemon.WatchStatus') more.unshift(v1.LinkEvent.encode({ instance: 'default', state: 42, reason: 'new' }).finish());
      if (name === 'Network.Listen') {
        const { sequence, subscription } = v1.ListenEvent.decode(answer);
        more.push(unknownEvent(sequence));
        if (subscription) more.push(v1.ListenEvent.encode({ sequence, gap: { reason: 99, missed: 3 } }).finish());
      }
      return more;
    };
    const exp = await startOn({ change });
    const channel = exp.getChannel('newer');
    const heard = [];
    const listener = await channel.listen('hi', (payload, respond) => {
      heard.push(payload);
      respond('yes');
    });
    const gaps = [];
    listener.on('gap', (gap) => gaps.push(gap));
    assert.deepEqual(await channel.broadcast('hi', 1, 1000), ['yes']);
    assert.deepEqual(heard, [1]);
    await eventually('gaps are told', () => gaps.length > 0);
    assert.deepEqual(gaps[0], { reason: 'REASON_99', missed: 3, from: undefined, to: undefined });
    assert.equal((await exp.getCurrentDevice()).uuid, (await exp.getAuth()).identity.uuid);
    await eventually('it is online', () => exp.isConnected);
  });
});
