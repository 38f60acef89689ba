// Broadcasts by a plain call of EXP's HTTP API; the parameter `timeout` is the time for responses,
// in milliseconds.
'use strict';

const exp = require('expd').start();

const broadcast = {
  name: 'myEventName',
  payload: { anything: 2, anything2: ['hi!'] },
  channel: { name: 'myChannelName', consumer: true },
};

exp
  .post('/api/networks/current/broadcasts', broadcast, { timeout: 500 })
  .then((responses) => console.log('responses:', responses))
  .finally(() => exp.stop());
