// The types that `import` gives; checked, never run.
import EXP, { NetworkError, fork, start } from 'expd';
import type { Broadcast, Exp, Gap, Listener, Position } from 'expd';

const exp: Exp = start();
const listener: Listener = await exp.getChannel('menu', { system: false }).listen('hi', async (payload, respond, message) => {
  const text: string = message.json;
  await respond({ text, soup: payload.soup });
});
listener.on('gap', (gap: Gap) => gap.missed.toFixed());
// @ts-expect-error: there is no such event
listener.on('gape', () => {});
const position: Position | undefined = listener.position;
const pulled = await exp.getChannel().listen({ maxAge: 5000, ...(position && { resume: position }) });
for await (const broadcast of pulled) {
  const heard: Broadcast = broadcast;
  await heard.respond();
}
const next: Broadcast | null = await pulled.wait(500, { signal: AbortSignal.timeout(100) });
// @ts-expect-error: a number of milliseconds
await exp.getChannel().broadcast('hi', null, '500');
const responses: any[] = await exp.getChannel().broadcast('hi', { soup: 'leek' }, 500);
const device = await exp.getDevice('uuid');
if (device) {
  device.name = 'new name';
  await device.save();
  const zones = await device.getZones();
  zones[0]?.getChannel({ consumer: true }).identify();
}
const error: unknown = await exp.get('/api/devices').catch((reason: unknown) => reason);
if (error instanceof NetworkError && error.fate === 'refused') fork().start().stop();
exp.clone('context').clear();
exp.on('update', ({ identity }) => identity.uuid?.length);
void [next, responses, EXP.version, EXP.isConnected];
