// A feed of data from elsewhere.
'use strict';

const { NamedResource } = require('./resource');

class Feed extends NamedResource {
  static collection = '/api/connectors/feeds';

  getData(params, options) {
    return this.exp.get(`${this.path}/data`, params, options);
  }
}

module.exports = { Feed };
