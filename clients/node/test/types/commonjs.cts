// The types that `require` gives; checked, never run.
import EXP = require('expd');

const exp: EXP.Exp = EXP.start({ uuid: 'uuid', secret: 'secret', host: 'http://localhost' });
EXP.start();
EXP.start({ instance: 'app' });
EXP.start({ allowPairing: true });
// @ts-expect-error: a password is missing
EXP.start({ username: 'somebody', organization: 'demo' });
// @ts-expect-error: the daemon holds the token
EXP.start({ auth: {} });

const gap: EXP.Gap | undefined = undefined;
const found: Promise<EXP.Found<EXP.Device>> = exp.findDevices({ limit: 1 });
void [gap, found, EXP.rawJson('1'), new EXP.NetworkError('x').fate];
