// The package: `EXP`, which starts instances and stands for the one that it started last, as in the
// vendor's guide, where the module itself is an instance.
'use strict';

const contexts = require('./lib/contexts');
const { Core } = require('./lib/core');
const { stopped, ...errors } = require('./lib/errors');
const { Exp } = require('./lib/exp');
const { RawJson } = require('./lib/payload');
const { version } = require('./package.json');

/** The instance that `EXP.start` started last. */
let latest;

function current() {
  if (latest) return latest;
  throw new errors.RuntimeError('no instance was started; call EXP.start() first', { code: 'NOT_STARTED' });
}

const EXP = {
  start: (options) => (latest = new Exp().start(options)),
  stop: () => Core.stopAll(),
  fork: () => new Exp(),
  clear: (context) => (context === undefined ? current().clear() : contexts.clear(context)),
  rawJson: (text) => new RawJson(text),
  version,
  Exp,
  ...errors,
};

for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(Exp.prototype))) {
  if (name in EXP || name === 'constructor') continue;
  if (get) Object.defineProperty(EXP, name, { get: () => current()[name], enumerable: true });
  else EXP[name] = (...values) => current()[name](...values);
}

EXP.EXP = EXP;
EXP.default = EXP;
module.exports = EXP;
