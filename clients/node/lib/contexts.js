// The contexts of this process: what was registered under each, over all instances, so that `clear`
// can end it.
'use strict';

/**
 * Things with a `cancel()`, by context. An entry lives as long as something is registered under it.
 */
const pool = new Map();

/** Registers something under a context; returns a function that takes it out again. */
function register(context, cancellable) {
  let members = pool.get(context);
  if (!members) pool.set(context, (members = new Set()));
  members.add(cancellable);
  return () => {
    members.delete(cancellable);
    if (members.size === 0 && pool.get(context) === members) pool.delete(context);
  };
}

/** Ends everything that is registered under a context. */
function clear(context) {
  for (const cancellable of [...(pool.get(context) ?? [])]) cancellable.cancel();
}

module.exports = { clear, register };
