// An instance's link to EXP, as the daemon tells it: its states, its identity, and for an identity
// that the program brings along (RunInstance) the stream that keeps it alive.
'use strict';

const { v1 } = require('./contract').expd;
const { Backoff } = require('./backoff');
const { Callbacks } = require('./callbacks');
const { methods } = require('./connection');
const { AbortError, AuthenticationError, stopped } = require('./errors');
const { authOf } = require('./identity');
const { isTransient } = require('./status');

const { State } = v1.LinkEvent;

/** The longest time that a timer of Node can hold, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Pause after the token's end before the identity is asked for again, in milliseconds. */
const AFTER_EXPIRY = 1000;

/** Codes of errors that tell that no daemon answers. */
const AWAY = new Set(['NOT_REACHABLE', 'CONNECTION_LOST']);

class Link {
  /** The instance's name in calls; empty for the default one. */
  instance;
  callbacks = new Callbacks(['update', 'online', 'offline', 'error']);
  #connection;
  /** The request of RunInstance; undefined for an instance that the daemon has configured. */
  #run;
  #stream;
  #retry;
  #renewal;
  #backoff = new Backoff();
  #isStopped = false;
  /** True from the first state on, while the daemon tells states. */
  #isKnown = false;
  #state = State.STATE_UNSPECIFIED;
  #isOnline = false;
  #auth;
  /** The error that ends waits: refused credentials, or a daemon that does not run the instance. */
  #fault;
  /** Functions that look again at what they wait for, called at each change. */
  #waiting = new Set();

  constructor(connection, { instance, run }) {
    this.#connection = connection;
    this.#run = run;
    this.instance = run ? run.name : instance;
    this.#open(false);
  }

  get isConnected() {
    return this.#isOnline;
  }

  /** The newest authentication payload; undefined before the first login. */
  get auth() {
    return this.#auth;
  }

  /** True while an identity of the program's own is not run, so that calls on it cannot succeed. */
  get isPending() {
    return this.#run !== undefined && !this.#isKnown;
  }

  /** Resolves once the instance can be called: at once for a configured one. */
  ready(signal) {
    if (!this.isPending) return Promise.resolve();
    return this.#until(() => this.#isKnown, signal);
  }

  /** True for an identity that the program brings along. */
  get isOwn() {
    return this.#run !== undefined;
  }

  /** Resolves with the authentication payload, after the login. */
  async getAuth(signal) {
    await this.ready(signal);
    if (this.#auth === undefined) {
      const error = await this.#askIdentity();
      const comes = error === undefined || (isTransient(error) && !AWAY.has(error.code));
      if (!comes) throw error;
    }
    await this.#until(() => this.#auth !== undefined, signal);
    return this.#auth;
  }

  /**
   * Calls back once the credentials are refused or the instance cannot be run; returns a function
   * that ends it.
   */
  onFault(callback) {
    const look = () => {
      if (this.#fault !== undefined) callback(this.#fault);
    };
    this.#waiting.add(look);
    look();
    return () => this.#waiting.delete(look);
  }

  stop() {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#renewal);
    this.#stream?.cancel();
    this.#wake();
    this.#setOnline(false);
    this.callbacks.clear();
  }

  /** Waits for a condition; rejects at a fault, at `stop`, and when the signal is aborted. */
  #until(holds, signal) {
    return new Promise((resolve, reject) => {
      const end = (settle, value) => {
        this.#waiting.delete(look);
        signal?.removeEventListener('abort', look);
        settle(value);
        return true;
      };
      const look = () => {
        if (signal?.aborted) return end(reject, new AbortError(signal, 'refused'));
        if (this.#isStopped) return end(reject, stopped());
        if (holds()) return end(resolve);
        return this.#fault !== undefined && end(reject, this.#fault);
      };
      if (look()) return;
      this.#waiting.add(look);
      signal?.addEventListener('abort', look, { once: true });
    });
  }

  #wake() {
    for (const look of [...this.#waiting]) look();
  }

  /** Opens the stream of states. With `waits`, it waits for a daemon that is not there. */
  #open(waits) {
    if (this.#isStopped) return;
    const [called, request] = this.#run ? [methods.runInstance, this.#run] : [methods.watchStatus, {}];
    const stream = this.#connection.stream(called, request, { waits });
    this.#stream = stream;
    stream.on('data', (event) => this.#follow(event));
    stream.on('error', (error) => {
      this.#connection.explain(error, called.name).then((explained) => this.#lost(explained));
    });
    // A stream that ends without an error has been ended by the daemon.
    stream.on('end', () => {});
  }

  #lost(error) {
    if (this.#isStopped) return;
    this.#isKnown = false;
    this.#state = State.STATE_UNSPECIFIED;
    this.#setOnline(false);
    // The instance of the broken connection may still be ending in the daemon.
    const isEnding = error.grpcStatus === 'ALREADY_EXISTS' && this.#auth !== undefined;
    if (isTransient(error) || isEnding) {
      // A program that has just started learns that the daemon is away; later, waits go on.
      if (this.#run && this.#auth === undefined) this.#fail(error);
      this.#retry = setTimeout(() => this.#open(true), this.#backoff.next(error.retryAfter));
      return;
    }
    if (this.#run) this.#fail(error);
    this.callbacks.emit('error', error);
    // Without the states, the identity is still to be had.
    if (!this.#run) this.#askIdentity();
  }

  #follow(event) {
    if (this.#isStopped || event.instance !== (this.instance || 'default')) return;
    this.#backoff.reset();
    this.#isKnown = true;
    this.#state = event.state;
    this.#fault = undefined;
    if (event.state === State.REFUSED) this.#refused(event.reason);
    else if (event.state === State.ONLINE || event.state === State.PAIRING) this.#loggedIn(event);
    else this.#setOnline(false);
    this.#wake();
  }

  #refused(reason) {
    this.#setOnline(false);
    const error = new AuthenticationError(`EXP refuses the credentials: ${reason}`, { code: 'CREDENTIALS_REFUSED' });
    this.#fail(error);
    this.callbacks.emit('error', error);
  }

  async #loggedIn({ reason, state }) {
    await this.#askIdentity();
    if (this.#isStopped || this.#state !== state) return;
    // An ONLINE with a reason may be that of an instance without a live socket.
    if (reason && !(await this.#hasSocket())) return;
    if (!this.#isStopped && this.#state === state) this.#setOnline(true);
  }

  /** True unless the daemon says that the instance has no live socket. */
  async #hasSocket() {
    if (this.#run?.network === false) return false;
    try {
      const { instances } = await this.#connection.ask(methods.getStatus, { pageSize: 1 });
      return instances.find(({ instance }) => instance === (this.instance || 'default'))?.link?.protocol !== 0;
    } catch {
      // Not told: the state alone counts.
      return true;
    }
  }

  /** Asks for the identity, and tells `update` where it has changed. Returns the error, if any. */
  async #askIdentity() {
    try {
      const auth = authOf(await this.#connection.ask(methods.getIdentity, { instance: this.instance }));
      if (this.#isStopped) return undefined;
      const isNew = JSON.stringify(auth) !== JSON.stringify(this.#auth);
      this.#auth = auth;
      this.#renewAfter(auth.expiration);
      if (isNew) this.callbacks.emit('update', auth);
      this.#wake();
      return undefined;
    } catch (error) {
      // Not logged in: the next state tells, and asks again.
      return error;
    }
  }

  /** Asks for the identity again after the token's end: the daemon has another token by then. */
  #renewAfter(expiration) {
    clearTimeout(this.#renewal);
    if (expiration === undefined) return;
    const wait = Math.min(Math.max(expiration - Date.now(), 0) + AFTER_EXPIRY, LONGEST_TIMER);
    this.#renewal = setTimeout(() => this.#askIdentity(), wait);
    this.#renewal.unref();
  }

  #setOnline(isOnline) {
    if (this.#isOnline === isOnline) return;
    this.#isOnline = isOnline;
    this.callbacks.emit(isOnline ? 'online' : 'offline');
  }

  /** Ends all waits with an error, until the next state. */
  #fail(error) {
    this.#fault = error;
    this.#wake();
  }
}

module.exports = { Link };
