// A listener: a stream of one channel's events that comes back by itself.
//
// Memory: the library holds one broadcast (`#held`) and what gRPC reads ahead (16 messages and the
// 64 KiB window of HTTP/2). While the program is busy, the stream is paused: what follows waits in
// the daemon's log.
'use strict';

const { v1 } = require('./contract').expd;
const { Backoff } = require('./backoff');
const { Broadcast } = require('./broadcast');
const { Callbacks } = require('./callbacks');
const { methods } = require('./connection');
const contexts = require('./contexts');
const { AbortError, NetworkError, RuntimeError } = require('./errors');
const { gapOf, gapText } = require('./gap');
const { EarlyEvents } = require('./early-events');
const { ExpiredEvents } = require('./expired-events');
const { Position } = require('./position');
const { isTransient } = require('./status');
const { Takers } = require('./takers');
const { dateOf, millisecondsOf } = require('./times');

const { State } = v1.Subscription;
const STATE_WORDS = Object.fromEntries(Object.entries(State).map(([word, number]) => [number, word]));

class Listener {
  #instance;
  #request;
  #callback;
  #maxAge;
  #signal;
  #callbacks = new Callbacks(['gap', 'subscription', 'disconnected', 'reconnected', 'error', 'end']);
  #backoff = new Backoff();
  #position;
  /** The position before the broadcast that is held. */
  #beforeHeld;
  #state = 'PENDING';
  #stream;
  #retry;
  /** True while reconnecting has been told and its end has not. */
  #isAway = false;
  /** Settles the promise of `listen`; undefined once it is settled. */
  #opening;
  /** True once the program has the listener and has had the time to register its callbacks. */
  #isOpen = false;
  #early = new EarlyEvents();
  #expired;
  /** The broadcast that waits for the program. */
  #held;
  /** True while the program's callback has not settled. */
  #isBusy = false;
  #takers = new Takers();
  #error;
  #cleanUp = [];

  /**
   * Opens a listener; resolves once it listens.
   * @param {object} instance `link`, `connection` and `listeners` of the instance
   * @param {object} request the contract's ListenRequest, without `resume`
   * @param {object} options `callback`, `context`, `maxAge`, `resume`, `signal`, `timeout`
   */
  static open(instance, request, options) {
    return new Promise((resolve, reject) => {
      if (options.signal?.aborted) {
        reject(new AbortError(options.signal, 'refused'));
        return;
      }
      new Listener(instance, request, options, { resolve, reject });
    });
  }

  constructor(instance, request, { callback, context, maxAge, resume, signal, timeout }, opening) {
    this.#instance = instance;
    this.#request = request;
    this.#callback = callback;
    this.#maxAge = maxAge;
    this.#signal = signal;
    this.#position = new Position(resume);
    this.#opening = opening;
    this.#expired = new ExpiredEvents((gap) => this.#tellGap(gap));
    this.#cleanUp.push(contexts.register(context, this));
    instance.listeners.add(this);
    this.#cleanUp.push(() => instance.listeners.delete(this));
    this.#bound(signal, timeout);
    this.#connect(false);
  }

  /** `PENDING`, `CONFIRMED`, `DISCONNECTED` (from the daemon) or `ENDED`. */
  get state() {
    return this.#state;
  }

  /** The place after the last event that the program was given, for the option `resume`. */
  get position() {
    return this.#held ? this.#beforeHeld : this.#position.resume;
  }

  on(name, callback) {
    return this.#callbacks.on(name, callback);
  }

  /** Ends the listener: from here on the program hears nothing of it. */
  cancel() {
    this.#end(undefined);
  }

  /** Takes the oldest broadcast, or waits up to `timeout` milliseconds for one; null for none. */
  async wait(timeout = 0, { signal } = {}) {
    this.#pullForm('wait');
    const taken = this.#take();
    if (taken) return taken;
    if (this.#state === 'ENDED') {
      if (this.#error) throw this.#error;
      throw new RuntimeError('wait: this listener was cancelled', { code: 'CANCELLED' });
    }
    return (await this.#takers.wait(timeout, signal)) ?? null;
  }

  /** The broadcasts, until the listener is cancelled. Leaving the loop cancels it. */
  [Symbol.asyncIterator]() {
    this.#pullForm('for await');
    return {
      next: async () => {
        const value = this.#take() ?? (this.#state === 'ENDED' ? undefined : await this.#takers.wait(undefined));
        if (!value && this.#error) throw this.#error;
        return { value, done: value === undefined };
      },
      return: async () => {
        this.cancel();
        return { value: undefined, done: true };
      },
    };
  }

  #pullForm(what) {
    if (!this.#callback) return;
    throw new RuntimeError(`${what}: this listener has a callback, which gets the broadcasts; listen without one`);
  }

  /**
   * Bounds the listener by the program's signal, and its opening by time and by the credentials.
   */
  #bound(signal, timeout) {
    if (signal) {
      const abort = () => this.#end(new AbortError(signal, 'refused'));
      signal.addEventListener('abort', abort, { once: true });
      this.#cleanUp.push(() => signal.removeEventListener('abort', abort));
    }
    const { reject, resolve } = this.#opening;
    const bounds = [];
    this.#opening = {
      resolve: () => resolve(this),
      reject,
      done: () => bounds.splice(0).forEach((end) => end()),
    };
    const { done } = this.#opening;
    if (timeout !== undefined) {
      const timer = setTimeout(() => this.#end(this.#tooLate(timeout)), timeout);
      bounds.push(() => clearTimeout(timer));
    }
    bounds.push(this.#instance.link.onFault((error) => this.#opening && this.#end(error)));
    // Refused already: it has ended while it was being bound.
    if (!this.#opening) done();
  }

  #tooLate(timeout) {
    return new NetworkError(
      `the channel ${JSON.stringify(this.#request.channel.name)} was not confirmed within ${timeout} ms: ` +
        `${this.#state === 'DISCONNECTED' ? 'the daemon is away' : 'EXP has not confirmed it'}; \`expd status\` may tell why`,
      { code: 'NOT_CONFIRMED' },
    );
  }

  async #connect(waits) {
    const { connection, link } = this.#instance;
    try {
      if (link.isPending) await link.ready();
    } catch (error) {
      this.#lost(error);
      return;
    }
    if (this.#state === 'ENDED') return;
    this.#position.reopen();
    const { resume } = this.#position;
    const stream = connection.stream(methods.listen, { ...this.#request, resume }, { waits });
    this.#stream = stream;
    let failure;
    stream.on('data', (event) => this.#receive(event));
    // What gRPC read ahead is still to be had: the stream is lost at its end.
    stream.on('error', (error) => (failure = error));
    stream.on('end', async () => {
      if (this.#state === 'ENDED') return;
      const gone = { code: 14, details: 'Connection dropped', metadata: undefined };
      this.#lost(await connection.explain(failure ?? gone, methods.listen.name));
    });
    if (this.#held || this.#isBusy) stream.pause();
  }

  #lost(error) {
    if (this.#state === 'ENDED') return;
    this.#stream = undefined;
    // The daemon has ended the program's own instance with its stream; both come back.
    const isBack = this.#instance.link.isOwn && error.grpcStatus === 'NOT_FOUND';
    if (!isBack && (this.#opening || !isTransient(error))) {
      this.#end(error);
      return;
    }
    const pause = this.#backoff.next(error.retryAfter);
    this.#state = 'DISCONNECTED';
    this.#retry = setTimeout(() => this.#connect(true), pause);
    if (this.#isAway) return;
    this.#isAway = true;
    this.#callbacks.emit('disconnected', error);
  }

  #receive(event) {
    if (this.#state === 'ENDED') return;
    const isHeld = event.broadcast && !(this.#isOpen && this.#callback);
    if (isHeld) this.#beforeHeld = this.#position.resume;
    this.#position.advance(event);
    if (this.#isAway) {
      this.#isAway = false;
      this.#callbacks.emit('reconnected');
    }
    if (isHeld) this.#hold(event);
    else if (event.broadcast) this.#handOver(event);
    else if (event.gap) this.#tellGap(gapOf(event.gap));
    // Anything else is an event of a newer daemon.
    else if (event.subscription) this.#subscribed(event.subscription);
  }

  #subscribed({ state, channelId, logId, since }) {
    this.#backoff.reset();
    this.#state = STATE_WORDS[state] ?? `STATE_${state}`;
    this.#tell('subscription', { state: this.#state, channelId, logId, since: dateOf(since) });
    if (state === State.CONFIRMED) this.#openUp();
  }

  /** Resolves `listen`, and lets the program register callbacks before anything else comes. */
  #openUp() {
    if (!this.#opening) return;
    const { resolve, done } = this.#opening;
    this.#opening = undefined;
    done();
    resolve();
    this.#stream.pause();
    setImmediate(() => {
      this.#isOpen = true;
      if (this.#state === 'ENDED') return;
      for (const [name, value] of this.#early.take()) this.#tell(name, value);
      if (this.#callback && this.#held) this.#handOverHeld();
      this.#flow();
    });
  }

  #hold(event) {
    this.#held = event;
    this.#stream.pause();
    this.#openUp();
    if (this.#isOpen && this.#takers.isWaiting) {
      const taken = this.#take();
      if (taken) this.#takers.give(taken);
    }
  }

  #handOverHeld() {
    const event = this.#held;
    this.#held = undefined;
    this.#handOver(event);
  }

  /** Calls the program's callback; where it returns a promise, the stream waits for it. */
  #handOver(event) {
    const broadcast = this.#fresh(event);
    if (!broadcast) return;
    let result;
    try {
      result = this.#callback(broadcast.payload, (value, options) => broadcast.respond(value, options), broadcast);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
    if (typeof result?.then !== 'function') return;
    this.#isBusy = true;
    this.#stream?.pause();
    const settled = () => {
      this.#isBusy = false;
      this.#flow();
    };
    // A rejection stays the program's: it surfaces as an unhandled one.
    result.then(settled, (error) => {
      settled();
      throw error;
    });
  }

  /**
   * The broadcast of an event; undefined where it is older than `maxAge`, which is told as a gap.
   */
  #fresh(event) {
    const { connection, link } = this.#instance;
    const { broadcast } = event;
    if (this.#maxAge !== undefined && this.#expired.has(millisecondsOf(broadcast.receivedAt), this.#maxAge)) return undefined;
    return new Broadcast(broadcast, connection, link.instance);
  }

  /** Takes the held broadcast, and lets the next one come. */
  #take() {
    if (!this.#held || !this.#isOpen) return undefined;
    const event = this.#held;
    this.#held = undefined;
    const broadcast = this.#fresh(event);
    this.#flow();
    return broadcast;
  }

  #flow() {
    if (!this.#held && !this.#isBusy && this.#state !== 'ENDED') this.#stream?.resume();
  }

  #tellGap(gap) {
    if (this.#isOpen && this.#state !== 'ENDED' && !this.#callbacks.emit('gap', gap)) {
      process.emitWarning(`${this.#describe()}: ${gapText(gap)}; listener.on('gap', …) hears of it`, 'ExpdGapWarning');
    } else if (!this.#isOpen) {
      this.#early.add('gap', gap);
    }
  }

  #tell(name, value) {
    if (name === 'gap') this.#tellGap(value);
    else if (this.#isOpen) this.#callbacks.emit(name, value);
    else this.#early.add(name, value);
  }

  #describe() {
    return `listener of channel ${JSON.stringify(this.#request.channel.name)}`;
  }

  /** Ends the listener for good, with the error that ended it, if any. */
  #end(error) {
    if (this.#state === 'ENDED') return;
    this.#state = 'ENDED';
    this.#error = error;
    this.#held = undefined;
    clearTimeout(this.#retry);
    this.#stream?.cancel();
    // A paused stream keeps what it read ahead, and never ends.
    this.#stream?.resume();
    for (const clean of this.#cleanUp) clean();
    this.#takers.end(error);
    if (this.#opening) {
      const { reject, done } = this.#opening;
      this.#opening = undefined;
      done();
      reject(error ?? new RuntimeError('listen: the listener was cancelled before it listened', { code: 'CANCELLED' }));
      return;
    }
    this.#tellEnd(error);
  }

  /** Tells of an unasked end: to the listener, the instance, or on standard error. */
  #tellEnd(error) {
    if (error && !this.#signal?.aborted && this.#callback) {
      const isTold = this.#callbacks.emit('error', error) || this.#instance.link.callbacks.emit('error', error);
      if (!isTold) process.emitWarning(`${this.#describe()} has ended: ${error.message}`, 'ExpdListenerWarning');
    }
    this.#callbacks.emit('end', error);
    this.#callbacks.clear();
  }
}

module.exports = { Listener };
