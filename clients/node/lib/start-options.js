// Options of `start`, checked before anything is sent.
'use strict';

const { randomBytes } = require('node:crypto');
const { RuntimeError } = require('./errors');

const KNOWN = new Set([
  'allowPairing',
  'apiKey',
  'auth',
  'enableNetwork',
  'host',
  'instance',
  'organization',
  'password',
  'secret',
  'socket',
  'type',
  'username',
  'uuid',
]);

/** Kinds of credentials: the options that tell each, and those that it needs. */
const KINDS = [
  { type: 'user', tell: ['username', 'password', 'organization'], need: ['username', 'password', 'organization'] },
  { type: 'device', tell: ['secret', 'allowPairing'], need: ['uuid', 'secret'] },
  { type: 'consumerApp', tell: ['apiKey'], need: ['uuid', 'apiKey'] },
];

function refuse(words) {
  throw new RuntimeError(`start: ${words}`, { code: 'OPTIONS' });
}

function kindOf(options) {
  const { type } = options;
  const named = type !== undefined && KINDS.find((kind) => kind.type === type);
  if (type !== undefined && !named) refuse(`the type ${JSON.stringify(type)} is unknown; there are user, device, consumerApp`);
  const told = named || KINDS.find(({ tell }) => tell.some((name) => options[name]));
  if (!told && options.uuid !== undefined) refuse('uuid needs secret (a device) or apiKey (a consumer app)');
  return told;
}

function credentialsOf(kind, options) {
  const pairing = kind.type === 'device' && options.allowPairing === true;
  const missing = pairing ? [] : kind.need.filter((name) => !options[name]);
  if (missing.length > 0) refuse(`${kind.type} credentials need ${kind.need.join(', ')}; missing: ${missing.join(', ')}`);
  for (const name of kind.need) {
    if (options[name] !== undefined && typeof options[name] !== 'string') refuse(`${name} is no text`);
  }
  const { uuid, secret, username, password, organization, apiKey } = options;
  if (kind.type === 'user') return { user: { username, password, organization } };
  if (kind.type === 'consumerApp') return { consumerApp: { uuid, apiKey } };
  return { device: { uuid, secret, allowPairing: pairing } };
}

/**
 * Reads the options: `socket`, and either the name of one of the daemon's instances (`instance`) or
 * an identity of the program's own (`run`, the contract's RunInstanceRequest).
 */
function readOptions(options = {}) {
  if (options === null || typeof options !== 'object') refuse('give the options as an object');
  const unknown = Object.keys(options).filter((name) => !KNOWN.has(name));
  if (unknown.length > 0) refuse(`unknown options: ${unknown.join(', ')}; there are ${[...KNOWN].join(', ')}`);
  if (options.auth !== undefined) {
    refuse(
      'an authentication payload (auth) cannot be used: the daemon holds the token and logs in by itself; ' +
        'give credentials, or none for the identity of the daemon',
    );
  }
  const { enableNetwork = true, host, instance, socket } = options;
  for (const name of ['host', 'instance', 'socket']) {
    if (options[name] !== undefined && typeof options[name] !== 'string') refuse(`${name} is no text`);
  }
  const kind = kindOf(options);
  if (!kind) {
    if (host !== undefined) refuse('host goes with credentials; an identity of the daemon has the host of its settings');
    if (!enableNetwork) refuse('enableNetwork goes with credentials; an identity of the daemon has the setting `network`');
    return { socket, instance: instance ?? '' };
  }
  if (instance !== undefined) refuse('give either instance (an identity of the daemon) or credentials (one of your own)');
  const name = `node-${process.pid}-${randomBytes(4).toString('hex')}`;
  return { socket, run: { name, host: host ?? '', credentials: credentialsOf(kind, options), network: Boolean(enableNetwork) } };
}

module.exports = { readOptions };
