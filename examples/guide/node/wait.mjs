// Besides the guide's callbacks: a wait with a timeout, and a loop over the broadcasts.
import { start } from 'expd';

const exp = start();
const channel = exp.getChannel('myChannel');
const listener = await channel.listen('myEvent');

console.log('nothing yet:', await listener.wait(200));
await channel.broadcast('myEvent', 'hello!', 0);
for await (const broadcast of listener) {
  console.log('heard:', broadcast.payload);
  break; // ends the listener
}
exp.stop();
