// The real daemon for a test, with its embedded network or with a hub of its own, in a temporary
// folder.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const EXPD = process.env.EXPD_BIN;
if (!EXPD) throw new Error('EXPD_BIN names the expd binary to test against');

const PATIENCE = 20_000;

export const USER = { username: 'somebody@example.com', password: 'development-password', organization: 'demo' };
export const APP = { uuid: '5b2a1c9e-0d4f-4a57-9a39-2f6d1a7c0002', apiKey: 'development-api-key' };
export const DEVICE = { uuid: '5b2a1c9e-0d4f-4a57-9a39-2f6d1a7c0001', secret: 'development-device-secret' };

const HUB = {
  EXPD__HUB__ORGANIZATION: 'demo',
  EXPD__HUB__USERS__0__USERNAME: USER.username,
  EXPD__HUB__USERS__0__PASSWORD: USER.password,
  EXPD__HUB__CONSUMER_APPS__0__UUID: APP.uuid,
  EXPD__HUB__CONSUMER_APPS__0__API_KEY: APP.apiKey,
};

/** Waits until a condition holds, and returns what it gave; fails with what was seen. */
export async function eventually(what, holds, patience = PATIENCE) {
  const until = Date.now() + patience;
  for (;;) {
    const seen = await holds();
    if (seen) return seen;
    if (Date.now() > until) throw new Error(`in vain: ${what}`);
    await pause(10);
  }
}

/** A process whose standard error is kept; `ready` resolves once it says `words`. */
class Running {
  said = '';

  constructor(args, env, words) {
    this.process = spawn(EXPD, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] });
    this.process.stderr.on('data', (text) => (this.said += text));
    this.ended = new Promise((resolve) => this.process.once('exit', (code, signal) => resolve(code ?? signal)));
    this.ready = eventually(`${args.join(' ')} says ${words}`, () => {
      if (this.process.exitCode !== null) throw new Error(`expd ended: ${this.said}`);
      return this.said.includes(words);
    });
    this.ready.catch(() => {});
  }

  async stop(signal = 'SIGTERM') {
    this.process.kill(signal);
    return this.ended;
  }
}

export class World {
  /** Starts a daemon with its embedded network. `env` adds settings. */
  static async start(env = {}) {
    const world = new World();
    world.settings = { ...HUB, EXPD__HUB__LISTEN: '127.0.0.1:0', ...env };
    world.args = ['serve', '--embedded', '--socket', world.socket];
    world.words = 'Ctrl-C ends it';
    return world.#whole(async () => {
      await world.serve();
      world.network = /EXP network\s+(http\S+)/.exec(world.daemon.said)[1];
    });
  }

  /** Starts a daemon and a hub of its own, which both can be restarted. */
  static async apart(env = {}) {
    const world = new World();
    const device = { EXPD__HUB__DEVICES__0__UUID: DEVICE.uuid, EXPD__HUB__DEVICES__0__SECRET: DEVICE.secret };
    world.hubSettings = { ...HUB, ...device };
    world.args = ['serve', '--socket', world.socket];
    world.words = 'logged in as';
    return world.#whole(async () => {
      await world.startHub('127.0.0.1:0');
      world.network = /http:\/\/127\.0\.0\.1:\d+/.exec(world.hub.said)[0];
      world.settings = {
        EXPD__INSTANCES__DEFAULT__HOST: world.network,
        EXPD__INSTANCES__DEFAULT__CREDENTIALS__TYPE: 'device',
        EXPD__INSTANCES__DEFAULT__CREDENTIALS__UUID: DEVICE.uuid,
        EXPD__INSTANCES__DEFAULT__CREDENTIALS__SECRET: DEVICE.secret,
        ...env,
      };
      await world.serve();
    });
  }

  /** All of it or nothing: a process that is left would keep the test's own from ending. */
  async #whole(start) {
    try {
      await start();
    } catch (error) {
      await this.stop();
      throw error;
    }
    return this;
  }

  constructor() {
    this.room = mkdtempSync(path.join(tmpdir(), 'expd-node-'));
    this.socket = path.join(this.room, 'expd.sock');
  }

  async serve() {
    this.daemon = new Running(this.args, this.settings, this.words);
    await this.daemon.ready;
  }

  async startHub(listen = new URL(this.network).host) {
    this.hub = new Running(['hub', '--listen', listen], this.hubSettings, 'http://127.0.0.1:');
    await this.hub.ready;
  }

  async restart() {
    await this.daemon.stop();
    await this.serve();
  }

  async stop() {
    await this.daemon?.stop();
    await this.hub?.stop();
    rmSync(this.room, { recursive: true, force: true });
  }
}
