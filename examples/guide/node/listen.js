// Listens, and cancels the listener after five seconds, or the time that is given:
// node listen.js [MILLISECONDS]
'use strict';

const exp = require('expd').start();

exp
  .getChannel('myChannel')
  .listen('myEvent', (payload) => {
    console.log('An event was heard!');
    console.log(payload);
  })
  .then((listener) => {
    console.log('listening');
    setTimeout(() => {
      listener.cancel();
      exp.stop();
    }, Number(process.argv[2] ?? 5000));
  });
