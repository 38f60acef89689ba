// The person as whom an instance is logged in.
'use strict';

const { NamedResource } = require('./resource');

const CURRENT = '/api/users/current';

class User extends NamedResource {
  static collection = '/api/users';

  get path() {
    return CURRENT;
  }

  static getCurrent(exp, options) {
    return this.at(exp, CURRENT, options);
  }
}

module.exports = { User };
