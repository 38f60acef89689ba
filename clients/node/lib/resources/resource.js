// Base of all resources of EXP: a document, its place in the API, and a channel.
'use strict';

const { inspect } = require('node:util');
const { collectionOf } = require('./collection');

/** EXP's status for what is not there, or not any more. */
const NOT_FOUND = 404;

class Resource {
  #exp;
  #document;

  /** @param {object} exp the instance, under whose context the resource's listeners go */
  constructor(exp, document) {
    this.#exp = exp;
    this.#document = document ?? {};
  }

  /** Path under which EXP keeps resources of this kind; each kind names its own. */
  static collection = '/api';

  get exp() {
    return this.#exp;
  }

  get document() {
    return this.#document;
  }

  set document(document) {
    this.#document = document ?? {};
  }

  async save(options) {
    this.#document = await this.#exp.patch(this.path, this.#document, undefined, options);
  }

  async refresh(options) {
    this.#document = await this.#exp.get(this.path, undefined, options);
  }

  getChannel(options) {
    return this.#exp.getChannel(this.channelName, options);
  }

  clone(context) {
    return new this.constructor(this.#exp.clone(context), this.#document);
  }

  toJSON() {
    return this.#document;
  }

  /** Shown by `console.log` as its document. */
  [inspect.custom](depth, options) {
    return `${this.constructor.name} ${inspect(this.#document, options)}`;
  }

  static async find(exp, params, options) {
    const answer = await exp.get(this.collection, params, options);
    return collectionOf(answer, (document) => new this(exp, document));
  }

  /** The resource at a path; null where there is none. */
  static async at(exp, path, options) {
    try {
      return new this(exp, await exp.get(path, undefined, options));
    } catch (error) {
      if (error.status === NOT_FOUND) return null;
      throw error;
    }
  }
}

/** A resource that its uuid names. */
class NamedResource extends Resource {
  get uuid() {
    return this.document.uuid;
  }

  get name() {
    return this.document.name;
  }

  set name(name) {
    this.document.name = name;
  }

  get path() {
    return this.constructor.pathOf(this.uuid);
  }

  get channelName() {
    return this.uuid;
  }

  async delete(options) {
    await this.exp.delete(this.path, undefined, options);
  }

  static pathOf(uuid) {
    return `${this.collection}/${encodeURIComponent(uuid)}`;
  }

  static async get(exp, uuid, options) {
    return uuid ? this.at(exp, this.pathOf(uuid), options) : null;
  }

  static async create(exp, document, options) {
    return new this(exp, await exp.post(this.collection, document, undefined, options));
  }

  static async delete(exp, uuid, options) {
    if (uuid) await exp.delete(this.pathOf(uuid), undefined, options);
    return null;
  }
}

module.exports = { NamedResource, Resource };
