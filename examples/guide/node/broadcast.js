// Broadcasts, and prints every response that comes within five seconds, or the time that is given:
// node broadcast.js [MILLISECONDS]
'use strict';

const exp = require('expd').start();

exp
  .getChannel('myChannel')
  .broadcast('myEvent', 'hello!', Number(process.argv[2] ?? 5000))
  .then((responses) => responses.forEach((response) => console.log(response)))
  .finally(() => exp.stop());
