// The authentication payload, as far as programs may have it: the tokens stay in the daemon.
'use strict';

const { millisecondsOf } = require('./times');

/** Builds the payload from the daemon's answer to GetIdentity. */
function authOf(identity) {
  const rest = identity.rest ? JSON.parse(identity.rest) : {};
  const known = {
    type: identity.type,
    uuid: identity.uuid || undefined,
    organization: identity.organization || undefined,
    username: identity.username || undefined,
    role: identity.role || rest.role,
    isPairing: identity.paired ? undefined : true,
    pairingCode: identity.pairingCode || undefined,
  };
  const merged = { ...rest, ...known };
  for (const name of Object.keys(merged)) if (merged[name] === undefined) delete merged[name];
  return { identity: merged, expiration: Math.floor(millisecondsOf(identity.expiresAt)) || undefined };
}

module.exports = { authOf };
