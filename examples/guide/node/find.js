// Finds devices: an array, which also has EXP's `total`.
'use strict';

const exp = require('expd').start();

exp
  .findDevices({ limit: 10, sort: 'name' })
  .then((devices) => console.log(`${devices.length} of ${devices.total}:`, devices.map(({ name }) => name)))
  .finally(() => exp.stop());
