// A device: a player, a server, or another one that logs in.
'use strict';

const { LocatedResource } = require('./located');

class Device extends LocatedResource {
  static collection = '/api/devices';
}

module.exports = { Device };
