// Answers every `hi` on the channel `menu`, through restarts of the daemon and outages of the
// network.
'use strict';

const { network, UNAVAILABLE } = require('./connection');

function listen(resume) {
  let position = resume;
  const stream = network.Listen({ channel: { name: 'menu' }, name: 'hi', resume });
  stream.on('data', ({ sequence, subscription, broadcast, gap }) => {
    if (subscription) {
      position = { logId: subscription.logId };
      if (subscription.state === 'CONFIRMED') console.log('ready');
    }
    if (gap) console.error('may have missed something:', gap);
    if (broadcast) {
      const answer = { from: 'Node', got: JSON.parse(broadcast.payload.json) };
      network.Respond(
        { broadcastId: broadcast.id, channelId: broadcast.channelId, payload: { json: JSON.stringify(answer) } },
        (error) => error && console.error('too late or not possible:', error.details),
      );
    }
    position.after = sequence;
  });
  stream.on('error', (error) => {
    if (error.code !== UNAVAILABLE) throw error;
    console.error('the daemon is away:', error.details);
    setTimeout(() => listen(position), 200);
  });
}

listen();
