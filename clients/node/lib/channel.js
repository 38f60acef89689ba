// A channel of an instance's organization: broadcast, listen.
'use strict';

const { methods } = require('./connection');
const { RuntimeError } = require('./errors');
const { Listener } = require('./listener');
const { payloadOf, valueOf } = require('./payload');
const { durationOf } = require('./times');

/** The longest wait of the contract, in milliseconds. */
const HOUR = 3_600_000;

class Channel {
  #core;
  #channel;
  #context;

  /**
   * @param {() => object} core gives the running parts; throws once the instance was stopped
   * @param {string} context the context of listeners
   */
  constructor(core, context, name = 'default', { system = false, consumer = false } = {}) {
    if (typeof name !== 'string') throw new RuntimeError("getChannel: the channel's name is no text");
    this.#core = core;
    this.#context = context;
    this.#channel = { name, system: Boolean(system), consumer: Boolean(consumer) };
  }

  get name() {
    return this.#channel.name;
  }

  get system() {
    return this.#channel.system;
  }

  get consumer() {
    return this.#channel.consumer;
  }

  broadcast(name, payload, timeout, { signal, waitForConnection = false } = {}) {
    return this.#broadcast(this.#core(), name, payload, timeout, signal, waitForConnection);
  }

  fling(payload, timeout, options) {
    return this.broadcast('fling', payload, timeout, options);
  }

  identify(options) {
    return this.broadcast('identify', undefined, undefined, options);
  }

  listen(name, callback, options) {
    // `listen(callback, options)` and `listen(options)` hear all.
    if (typeof name !== 'string') return this.listen('', ...(typeof name === 'function' ? [name, callback] : [undefined, name]));
    if (typeof callback !== 'function' && options === undefined) return this.#listen(this.#core(), name, undefined, callback);
    return this.#listen(this.#core(), name, callback, options);
  }

  async #broadcast(core, name, payload, timeout, signal, waitForConnection) {
    if (typeof name !== 'string' || name === '') throw new RuntimeError('broadcast: give the name of the event, a text');
    const sent = payloadOf(payload, 'the payload');
    const bounded = durationIn('broadcast: the timeout', timeout);
    const build = (instance) => ({ instance, channel: this.#channel, name, payload: sent, timeout: bounded, waitForConnection });
    const { responses } = await core.call(methods.broadcast, build, { signal });
    return responses.map(valueOf);
  }

  async #listen(core, name, callback, options) {
    const { overflow = 'SKIP', resume, signal, timeout } = options ?? {};
    // 0 is no limit, as in the contract.
    const maxAge = options?.maxAge || undefined;
    if (callback !== undefined && callback !== null && typeof callback !== 'function') {
      throw new RuntimeError('listen: the callback is no function');
    }
    if (overflow !== 'SKIP' && overflow !== 'CANCEL') throw new RuntimeError("listen: overflow is 'SKIP' or 'CANCEL'");
    if (resume && (typeof resume.logId !== 'string' || !(Number.isSafeInteger(resume.after) && resume.after >= 0))) {
      throw new RuntimeError("listen: resume is no position; give an earlier listener's `position`");
    }
    durationIn('listen: the timeout', timeout);
    const request = {
      instance: core.link.instance,
      channel: this.#channel,
      name,
      context: this.#context,
      options: { maxAge: durationIn('listen: maxAge', maxAge), overflow: overflow === 'CANCEL' ? 1 : 0 },
    };
    return Listener.open(core, request, { callback, context: this.#context, maxAge, resume: resume ?? undefined, signal, timeout });
  }
}

/** Milliseconds as a Duration; undefined stays so. */
function durationIn(what, milliseconds) {
  if (milliseconds === undefined || milliseconds === null) return undefined;
  if (typeof milliseconds !== 'number' || !(milliseconds >= 0 && milliseconds <= HOUR)) {
    throw new RuntimeError(`${what} is a number of milliseconds from 0 to ${HOUR}`);
  }
  return durationOf(milliseconds);
}

module.exports = { Channel };
