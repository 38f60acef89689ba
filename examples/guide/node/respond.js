// Answers broadcasts, until Ctrl-C.
'use strict';

const exp = require('expd').start();

exp
  .getChannel('myChannel')
  .listen('myEvent', (payload, respond) => {
    if (payload === 'hello!') respond('hi there!');
  })
  .then(() => console.log('listening'));

process.once('SIGINT', () => exp.stop());
