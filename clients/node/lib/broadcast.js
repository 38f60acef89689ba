// A received broadcast.
'use strict';

const { methods } = require('./connection');
const { payloadOf, textOf } = require('./payload');
const { dateOf } = require('./times');

class Broadcast {
  #wire;
  #connection;
  #instance;
  #payload;
  #isParsed = false;

  constructor(wire, connection, instance) {
    this.#wire = wire;
    this.#connection = connection;
    this.#instance = instance;
  }

  get id() {
    return this.#wire.id;
  }

  get name() {
    return this.#wire.name;
  }

  get channel() {
    const { name = '', system = false, consumer = false } = this.#wire.channel ?? {};
    return { name, system, consumer };
  }

  get channelId() {
    return this.#wire.channelId;
  }

  get receivedAt() {
    return dateOf(this.#wire.receivedAt);
  }

  /** The payload's text as the sender wrote it. */
  get json() {
    return textOf(this.#wire.payload);
  }

  /** The payload: a value that belongs to this broadcast object alone. */
  get payload() {
    if (!this.#isParsed) {
      this.#payload = JSON.parse(textOf(this.#wire.payload));
      this.#isParsed = true;
    }
    return this.#payload;
  }

  /** Answers the broadcast. A promise as the value is waited for. */
  respond(value, { signal } = {}) {
    const sent = this.#respond(value, signal);
    // The guide's programs do not wait for it: its failure, such as a late response, must not end
    // them.
    sent.catch(() => {});
    return sent;
  }

  async #respond(value, signal) {
    const settled = typeof value?.then === 'function' ? await value : value;
    const request = {
      instance: this.#instance,
      broadcastId: this.#wire.id,
      channelId: this.#wire.channelId,
      payload: payloadOf(settled, 'the response'),
    };
    await this.#connection.call(methods.respond, request, { signal });
  }

  toJSON() {
    const { id, name, channel, channelId, payload, receivedAt } = this;
    return { id, name, channel, channelId, payload, receivedAt };
  }
}

module.exports = { Broadcast };
