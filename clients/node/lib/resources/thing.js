// A thing: something that does not log in, such as a tag.
'use strict';

const { LocatedResource } = require('./located');

class Thing extends LocatedResource {
  static collection = '/api/things';
}

module.exports = { Thing };
