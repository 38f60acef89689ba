// Starts identities that the program brings along, and prints who each is.
//
//   EXP_HOST, and any of: EXP_USERNAME, EXP_PASSWORD, EXP_ORGANIZATION; DEVICE_UUID, DEVICE_SECRET;
//   APP_UUID, APP_KEY
'use strict';

const EXP = require('expd');

const { env } = process;
const host = env.EXP_HOST;
const identities = [];

// A person.
if (env.EXP_USERNAME) {
  identities.push(
    EXP.start({ host, username: env.EXP_USERNAME, password: env.EXP_PASSWORD, organization: env.EXP_ORGANIZATION }),
  );
}
// A device.
if (env.DEVICE_UUID) identities.push(EXP.start({ host, uuid: env.DEVICE_UUID, secret: env.DEVICE_SECRET }));
// A consumer app.
if (env.APP_UUID) identities.push(EXP.start({ host, uuid: env.APP_UUID, apiKey: env.APP_KEY }));

Promise.all(identities.map((exp) => exp.getAuth()))
  .then((auths) => auths.forEach(({ identity }) => console.log(identity.type, identity.username ?? identity.uuid)))
  .finally(() => EXP.stop());
