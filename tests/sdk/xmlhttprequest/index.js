'use strict';

module.exports = require('xhr-impl').XMLHttpRequest;
