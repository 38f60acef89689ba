// The connection to the daemon: one file descriptor, shared by all instances of a process on the
// same socket. Knows gRPC, and hands out promises and streams.
'use strict';

const grpc = require('@grpc/grpc-js');
const { targetOf, tokenFor } = require('./address');
const { v1 } = require('./contract').expd;
const { AbortError, NetworkError, UnsupportedError, stopped } = require('./errors');
const { refusalAt } = require('./refusal');
const { errorOf, refused, wasRefused } = require('./status');

/** Size of the largest answer: 64 MiB of EXP's, with its envelope. */
const MAX_ANSWER_BYTES = 65 << 20;

/** Pauses between attempts to connect (ms). A daemon that restarts is back within a few. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 2000;

/** Limit for calls that the daemon answers from memory, in milliseconds. */
const ANSWER_TIMEOUT = 10_000;

/** Time for calls that are under way when the connection is closed, in milliseconds. */
const GRACE = 5000;

const OPTIONS = {
  'grpc.max_receive_message_length': MAX_ANSWER_BYTES,
  'grpc.initial_reconnect_backoff_ms': FIRST_PAUSE,
  'grpc.max_reconnect_backoff_ms': LONGEST_PAUSE,
};

function method(service, name, Request, Response) {
  return {
    name: `${service}.${name}`,
    path: `/expd.v1.${service}/${name}`,
    encode: (message) => Request.encode(message).finish(),
    decode: (bytes) => Response.decode(bytes),
  };
}

const methods = {
  broadcast: method('Network', 'Broadcast', v1.BroadcastRequest, v1.BroadcastResponse),
  listen: method('Network', 'Listen', v1.ListenRequest, v1.ListenEvent),
  respond: method('Network', 'Respond', v1.RespondRequest, v1.RespondResponse),
  request: method('Api', 'Request', v1.ApiRequest, v1.ApiResponse),
  getContentUrl: method('Api', 'GetContentUrl', v1.GetContentUrlRequest, v1.GetContentUrlResponse),
  getIdentity: method('Api', 'GetIdentity', v1.GetIdentityRequest, v1.Identity),
  getStatus: method('Daemon', 'GetStatus', v1.GetStatusRequest, v1.Status),
  watchStatus: method('Daemon', 'WatchStatus', v1.WatchStatusRequest, v1.LinkEvent),
  runInstance: method('Daemon', 'RunInstance', v1.RunInstanceRequest, v1.LinkEvent),
};

/** The metadata of calls: the token, over TCP. The library adds to a copy, never to this. */
function metadata(token, options) {
  const headers = new grpc.Metadata(options);
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
  return headers;
}

class Connection {
  #client;
  #metadata;
  /** Metadata of a stream that waits for the daemon in place of failing while it is away. */
  #waiting;
  /** Calls under way. */
  #calls = new Set();
  #isClosed = false;

  /** @param {string} path the daemon's socket */
  constructor(path) {
    this.path = path;
    const token = tokenFor(path);
    this.#metadata = metadata(token);
    this.#waiting = metadata(token, { waitForReady: true });
    this.#client = new grpc.Client(targetOf(path), grpc.credentials.createInsecure(), OPTIONS);
  }

  /** Makes a call. `signal` gives it up: what has left may have been carried out. */
  call({ path, encode, decode, name }, request, { signal, timeout } = {}) {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw stopped();
      if (signal?.aborted) throw new AbortError(signal, 'refused');
      const options = timeout === undefined ? {} : { deadline: Date.now() + timeout };
      const running = this.#client.makeUnaryRequest(path, encode, decode, request, this.#metadata, options, (error, answer) => {
        this.#calls.delete(running);
        signal?.removeEventListener('abort', giveUp);
        if (!error) resolve(answer);
        else if (signal?.aborted) reject(new AbortError(signal, 'unknown'));
        else if (this.#isClosed && STOPPED.has(error.code)) reject(stoppedMeanwhile(name, error));
        else this.explain(error, name).then(reject);
      });
      const giveUp = () => running.cancel();
      this.#calls.add(running);
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  /** Makes a call that the daemon answers from memory. */
  ask(called, request, options) {
    return this.call(called, request, { timeout: ANSWER_TIMEOUT, ...options });
  }

  /** Opens a stream. With `waits`, it waits for a daemon that is not there. */
  stream({ path, encode, decode }, request, { waits = false } = {}) {
    if (this.#isClosed) throw stopped();
    return this.#client.makeServerStreamRequest(path, encode, decode, request, waits ? this.#waiting : this.#metadata);
  }

  /** Converts the error of a call; asks the daemon for what the error does not tell. */
  async explain(error, name) {
    if (wasRefused(error)) return refused(this.path, await refusalAt(this.path));
    if (error.code !== grpc.status.UNIMPLEMENTED) return errorOf(this.path, error);
    const version = name === methods.getStatus.name ? undefined : await this.#version();
    return new UnsupportedError(
      `this daemon (${version ?? 'of unknown version'}) does not know ${name}, which this library (${require('../package.json').version}) calls; ` +
        'a newer expd on this host has it',
      { code: 'UNSUPPORTED', grpcStatus: 'UNIMPLEMENTED', cause: error },
    );
  }

  /** The daemon's version; undefined where it does not tell it. */
  async #version() {
    try {
      return (await this.ask(methods.getStatus, { pageSize: 1 })).version;
    } catch {
      return undefined;
    }
  }

  /** Lets the connection go once the calls under way have ended, or at the end of their grace. */
  close() {
    this.#isClosed = true;
    this.#client.close();
    const over = setTimeout(() => this.#calls.forEach((call) => call.cancel()), GRACE);
    over.unref();
  }
}

/** Codes of a call that the library's own end of the connection has ended. */
const STOPPED = new Set([grpc.status.CANCELLED, grpc.status.UNAVAILABLE]);

/** The error of a call that was under way when the instance was stopped. */
function stoppedMeanwhile(name, { details }) {
  const neverLeft = /before call started/.test(details);
  const what = neverLeft ? 'it was not carried out' : 'it may have been carried out';
  return new NetworkError(`${name}: the instance was stopped before the answer came; ${what}`, {
    code: 'STOPPED',
    fate: neverLeft ? 'refused' : 'unknown',
  });
}

module.exports = { Connection, FIRST_PAUSE, LONGEST_PAUSE, methods };
