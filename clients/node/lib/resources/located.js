// The common part of devices and things: a place.
'use strict';

const { withTotals } = require('./collection');
const { NamedResource } = require('./resource');

class LocatedResource extends NamedResource {
  getLocation(options) {
    return this.exp.getLocation(this.document.location?.uuid, options);
  }

  /** The zones of its location in which it stands; an empty list without one. */
  async getZones(options) {
    const keys = new Set((this.document.location?.zones ?? []).map(({ key }) => key));
    const zones = (await (await this.getLocation(options))?.getZones()) ?? [];
    const own = zones.filter(({ key }) => keys.has(key));
    return withTotals(own, { total: own.length });
  }

  getExperience(options) {
    return this.exp.getExperience(this.document.experience?.uuid, options);
  }
}

module.exports = { LocatedResource };
