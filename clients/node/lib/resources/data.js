// A data item: a JSON value under a group and a key.
'use strict';

const { RuntimeError } = require('../errors');
const { Resource } = require('./resource');

const DEFAULT_GROUP = 'default';

class Data extends Resource {
  static collection = '/api/data';

  get group() {
    return this.document.group;
  }

  get key() {
    return this.document.key;
  }

  get value() {
    return this.document.value;
  }

  set value(value) {
    this.document.value = value;
  }

  get path() {
    return Data.pathOf(this.group, this.key);
  }

  get channelName() {
    return `data:${this.key}:${this.group}`;
  }

  async save(options) {
    await this.exp.put(this.path, this.value, undefined, options);
  }

  async delete(options) {
    await this.exp.delete(this.path, undefined, options);
  }

  static pathOf(group, key) {
    return `${this.collection}/${encodeURIComponent(group || DEFAULT_GROUP)}/${encodeURIComponent(key)}`;
  }

  static async get(exp, group, key, options) {
    return key ? this.at(exp, this.pathOf(group, key), options) : null;
  }

  static create(exp, group, key, value, options) {
    needKey('createData', key);
    return exp.put(this.pathOf(group, key), value, undefined, options).then((document) => new this(exp, document));
  }

  static delete(exp, group, key, options) {
    needKey('deleteData', key);
    return exp.delete(this.pathOf(group, key), undefined, options).then(() => null);
  }
}

function needKey(call, key) {
  if (!key) throw new RuntimeError(`${call}: give group and key`);
}

module.exports = { Data };
