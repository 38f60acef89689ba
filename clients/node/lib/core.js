// An instance's running parts, shared by its clones: connection, link, listeners, calls of EXP's
// API.
'use strict';

const { Connection, methods } = require('./connection');
const { ApiError, UnexpectedError } = require('./errors');
const { Link } = require('./link');
const { payloadOf } = require('./payload');
const { socketPath } = require('./socket-path');

/** All that run in this process. */
const running = new Set();

/** Statuses of HTTP from here on are EXP's errors. */
const FIRST_ERROR = 400;

class Core {
  listeners = new Set();
  isStopped = false;

  constructor({ socket, instance, run }) {
    this.connection = new Connection(socketPath(socket));
    this.link = new Link(this.connection, { instance, run });
    running.add(this);
  }

  /** Makes a call once the instance can be called. `build` makes its request. */
  async call(method, build, options) {
    if (this.link.isPending) await this.link.ready(options?.signal);
    return this.connection.call(method, build(this.link.instance), options);
  }

  /**
   * Sends a request to EXP's API. Resolves with the parsed answer, with bytes where it is not JSON,
   * or with null.
   */
  async request(method, path, { body, params, signal } = {}) {
    const query = queryOf(params);
    const payload = payloadOf(body, 'the body');
    const build = (instance) => ({ instance, method, path, query, body: payload });
    const answer = await this.call(methods.request, build, { signal });
    const value = answerOf(answer);
    if (answer.status < FIRST_ERROR) return value;
    const { code, message } = value && typeof value === 'object' && !Buffer.isBuffer(value) ? value : {};
    throw new ApiError(`${method} ${path}: ${message ?? 'EXP refuses it'} (HTTP ${answer.status})`, {
      code,
      status: answer.status,
      payload: value,
    });
  }

  /** A URL that loads content by itself; it carries a token that reads content. */
  async contentUrl(path, variant, options) {
    const build = (instance) => ({ instance, path, variant });
    const { url } = await this.call(methods.getContentUrl, build, options);
    return url;
  }

  stop() {
    if (this.isStopped) return;
    this.isStopped = true;
    running.delete(this);
    for (const listener of [...this.listeners]) listener.cancel();
    this.link.stop();
    this.connection.close();
  }

  static stopAll() {
    for (const core of [...running]) core.stop();
  }
}

function queryOf(params) {
  const query = {};
  for (const [name, value] of Object.entries(params ?? {})) {
    if (value !== undefined && value !== null) query[name] = typeof value === 'object' ? JSON.stringify(value) : String(value);
  }
  return query;
}

function answerOf({ body, raw }) {
  if (raw.length > 0) return Buffer.from(raw);
  if (!body) return null;
  try {
    return JSON.parse(body.json);
  } catch (error) {
    throw new UnexpectedError(`EXP's answer is no JSON: ${error.message}`, { cause: error, fate: 'sent' });
  }
}

module.exports = { Core };
