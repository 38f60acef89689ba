// A location, and its zones, which are parts of its document.
'use strict';

const { withTotals } = require('./collection');
const { NamedResource, Resource } = require('./resource');

class Location extends NamedResource {
  static collection = '/api/locations';

  getDevices(params, options) {
    return this.exp.findDevices({ ...params, 'location.uuid': this.uuid }, options);
  }

  getThings(params, options) {
    return this.exp.findThings({ ...params, 'location.uuid': this.uuid }, options);
  }

  async getZones() {
    const zones = (this.document.zones ?? []).map((document) => new Zone(this.exp, document, this));
    return withTotals(zones, { total: zones.length });
  }

  getLayoutUrl(options) {
    return this.exp.getContentUrl(`${this.path}/layout`, options);
  }
}

class Zone extends Resource {
  #location;

  constructor(exp, document, location) {
    super(exp, document);
    this.#location = location;
  }

  get key() {
    return this.document.key;
  }

  get name() {
    return this.document.name;
  }

  set name(name) {
    this.document.name = name;
  }

  get channelName() {
    return `${this.#location.uuid}:zone:${this.key}`;
  }

  async getLocation() {
    return this.#location;
  }

  getDevices(params, options) {
    return this.#location.getDevices({ ...params, 'location.zones.key': this.key }, options);
  }

  getThings(params, options) {
    return this.#location.getThings({ ...params, 'location.zones.key': this.key }, options);
  }

  async save(options) {
    // Its document is one of the location's, also where that was refreshed meanwhile.
    const zones = this.#location.document.zones ?? [];
    this.#location.document.zones = zones.map((zone) => (zone.key === this.key ? this.document : zone));
    await this.#location.save(options);
    this.#findAgain();
  }

  async refresh(options) {
    await this.#location.refresh(options);
    this.#findAgain();
  }

  clone(context) {
    return new Zone(this.exp.clone(context), this.document, this.#location);
  }

  #findAgain() {
    this.document = (this.#location.document.zones ?? []).find(({ key }) => key === this.key) ?? this.document;
  }
}

module.exports = { Location, Zone };
