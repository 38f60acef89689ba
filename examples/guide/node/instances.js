// Contexts are global: clearing one ends its listeners in every instance.
'use strict';

const exp = require('expd');

const sdk1 = exp.start();
const sdk2 = exp.start();
const clones = { sdk1A: sdk1.clone('A'), sdk1B: sdk1.clone('B'), sdk2A: sdk2.clone('A') };

const listening = Object.entries(clones).map(([name, clone]) =>
  clone.getChannel('myChannel').listen('myEvent', () => console.log(name, 'hears it')),
);

Promise.all(listening)
  .then(() => {
    sdk2.clear('A'); // also clears sdk1A!
    return sdk1.getChannel('myChannel').broadcast('myEvent');
  })
  .finally(() => exp.stop());
