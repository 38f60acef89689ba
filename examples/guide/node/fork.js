// Two instances, each with options of its own: node fork.js
'use strict';

const exp = require('expd');
const exp2 = exp.fork();

exp.start();
exp2.start({ host: process.env.EXP_HOST, uuid: process.env.DEVICE_UUID, secret: process.env.DEVICE_SECRET });

exp2
  .getChannel('myChannel')
  .listen('myEvent', (payload, respond) => respond(`heard ${payload}`))
  .then(() => exp.getChannel('myChannel').broadcast('myEvent', 'hello from the other', 500))
  .then((responses) => console.log(responses))
  .finally(() => {
    exp.stop();
    exp2.stop();
  });
