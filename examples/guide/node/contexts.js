// Contexts: clones of an instance, whose listeners are ended together.
'use strict';

const exp = require('expd');

exp.start();
const exp1 = exp.clone('context 1');
const exp2 = exp.clone('context 2');

const listen = (instance, name) => instance.getChannel('myChannelName').listen('myEventName', () => console.log(name, 'hears it'));

Promise.all([listen(exp1, 'context 1'), listen(exp2, 'context 2')])
  .then(() => {
    exp2.clear(); // ends what exp2 has registered
    return exp.getChannel('myChannelName').broadcast('myEventName');
  })
  // A clone's stop stops the original as well.
  .finally(() => exp1.stop());
