// Creates a device, and hears of its changes: EXP tells them on the system side of the device's
// channel.
'use strict';

const exp = require('expd').start();

exp
  .createDevice({ name: 'my_sweet_device' })
  .then((device) =>
    device
      .getChannel({ system: true })
      .listen('update', (payload) => {
        console.log('The device was updated:', payload.name);
        exp.stop();
      })
      .then(() => {
        device.name = 'my_sweeter_device';
        return device.save();
      }),
  );
