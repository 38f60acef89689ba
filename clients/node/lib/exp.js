// An instance of the SDK: what programs call.
'use strict';

const { randomUUID } = require('node:crypto');
const { Channel } = require('./channel');
const contexts = require('./contexts');
const { Core } = require('./core');
const { RuntimeError, stopped } = require('./errors');
const { readOptions } = require('./start-options');
const { Content } = require('./resources/content');
const { Data } = require('./resources/data');
const { Device } = require('./resources/device');
const { Experience } = require('./resources/experience');
const { Feed } = require('./resources/feed');
const { Location } = require('./resources/location');
const { Thing } = require('./resources/thing');
const { User } = require('./resources/user');

class Exp {
  /** The running parts of this instance and its clones; undefined before `start`. */
  #core;
  #context;

  constructor(core, context = randomUUID()) {
    this.#core = core;
    this.#context = context;
  }

  /* Runtime */

  start(options) {
    if (this.#core) throw new RuntimeError('this instance was started already; EXP.start() and exp.fork() give others');
    this.#core = new Core(readOptions(options));
    return this;
  }

  stop() {
    this.#core?.stop();
  }

  fork() {
    return new Exp();
  }

  clone(context) {
    return new Exp(this.#running(), context);
  }

  clear(context = this.#context) {
    contexts.clear(context);
  }

  on(name, callback) {
    return this.#running().link.callbacks.on(name, callback, this.#context);
  }

  get auth() {
    return this.#running().link.auth;
  }

  getAuth({ signal } = {}) {
    return this.#running().link.getAuth(signal);
  }

  get isConnected() {
    return this.#core !== undefined && this.#core.link.isConnected;
  }

  /* Network */

  getChannel(name, options) {
    this.#running();
    return new Channel(() => this.#running(), this.#context, name, options);
  }

  /* EXP's HTTP API */

  get(path, params, options) {
    return this.#running().request('GET', path, { params, ...options });
  }

  post(path, body, params, options) {
    return this.#running().request('POST', path, { body, params, ...options });
  }

  patch(path, body, params, options) {
    return this.#running().request('PATCH', path, { body, params, ...options });
  }

  put(path, body, params, options) {
    return this.#running().request('PUT', path, { body, params, ...options });
  }

  delete(path, params, options) {
    return this.#running().request('DELETE', path, { params, ...options });
  }

  getContentUrl(path, { variant = '', signal } = {}) {
    return this.#running().contentUrl(path, variant, { signal });
  }

  /* Data */

  getData(group, key, options) {
    this.#running();
    return Data.get(this, group, key, options);
  }

  createData(group, key, value, options) {
    this.#running();
    return Data.create(this, group, key, value, options);
  }

  findData(params, options) {
    this.#running();
    return Data.find(this, params, options);
  }

  deleteData(group, key, options) {
    this.#running();
    return Data.delete(this, group, key, options);
  }

  /* Content */

  getContent(uuid, options) {
    this.#running();
    return Content.get(this, uuid, options);
  }

  findContent(params, options) {
    this.#running();
    return Content.find(this, params, options);
  }

  /* What the identity is, and where it stands */

  async #currentDevice(options) {
    const { identity } = await this.getAuth(options);
    return identity.type === 'device' ? Device.get(this, identity.uuid, options) : null;
  }

  getCurrentDevice(options) {
    this.#running();
    return this.#currentDevice(options);
  }

  getCurrentExperience(options) {
    return this.getCurrentDevice(options).then((device) => device?.getExperience(options) ?? null);
  }

  getCurrentLocation(options) {
    return this.getCurrentDevice(options).then((device) => device?.getLocation(options) ?? null);
  }

  getCurrentZones(options) {
    return this.getCurrentDevice(options).then((device) => device?.getZones(options) ?? []);
  }

  getCurrentUser(options) {
    return this.getAuth(options).then(({ identity }) => (identity.type === 'user' ? User.getCurrent(this, options) : null));
  }

  /** The running parts; throws where there are none. */
  #running() {
    if (!this.#core) throw new RuntimeError('this instance was not started; call start() first', { code: 'NOT_STARTED' });
    if (this.#core.isStopped) throw stopped();
    return this.#core;
  }

  /** Defines get, find, create and delete of resources that have a uuid. */
  static define(Resource, plural) {
    const singular = Resource.name;
    const calls = {
      [`get${singular}`]: (exp, uuid, options) => Resource.get(exp, uuid, options),
      [`find${plural}`]: (exp, params, options) => Resource.find(exp, params, options),
      [`create${singular}`]: (exp, document, options) => Resource.create(exp, document, options),
      [`delete${singular}`]: (exp, uuid, options) => Resource.delete(exp, uuid, options),
    };
    for (const [name, call] of Object.entries(calls)) {
      const value = function (...values) {
        this.#running();
        return call(this, ...values);
      };
      Object.defineProperty(Exp.prototype, name, { value, writable: true, configurable: true });
    }
  }
}

Exp.define(Device, 'Devices');
Exp.define(Thing, 'Things');
Exp.define(Experience, 'Experiences');
Exp.define(Location, 'Locations');
Exp.define(Feed, 'Feeds');
delete Exp.define;

module.exports = { Exp };
