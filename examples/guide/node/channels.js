// Channels: the same name with other flags is another channel.
'use strict';

const exp = require('expd').start();

const channel = exp.getChannel('myChannel', { system: false, consumer: false });
const system = exp.getChannel('myChannel', { system: true });
const consumer = exp.getChannel('myChannel', { consumer: true });

// EXP alone sends on system channels.
system
  .broadcast('myEvent')
  .catch((error) => console.log(error.name, error.message))
  .then(() => Promise.all([channel.broadcast('myEvent'), consumer.broadcast('myEvent')]))
  .then(() => console.log('sent on the other two'))
  .finally(() => exp.stop());
