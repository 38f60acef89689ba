// An experience: what devices show.
'use strict';

const { NamedResource } = require('./resource');

class Experience extends NamedResource {
  static collection = '/api/experiences';

  getDevices(params, options) {
    return this.exp.findDevices({ ...params, 'experience.uuid': this.uuid }, options);
  }
}

module.exports = { Experience };
