// Broadcasts `hi` on the channel `menu` and prints what is responded within a second, one JSON
// document a line.
'use strict';

const { network } = require('./connection');

const request = {
  channel: { name: 'menu' },
  name: 'hi',
  payload: { json: '{"soup":"tomato"}' },
  timeout: { seconds: 1 },
};
network.Broadcast(request, (error, answer) => {
  if (error) {
    console.error(error.details);
    process.exit(1);
  }
  for (const { json } of answer.responses) console.log(json);
  network.close();
});
