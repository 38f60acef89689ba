// Callbacks of `on`, each under the context of the instance that registered it.
'use strict';

const contexts = require('./contexts');
const { RuntimeError } = require('./errors');

class Callbacks {
  /** Event name to the set of its registrations. */
  #byName;

  /** @param {string[]} names the events that there are */
  constructor(names) {
    this.#byName = new Map(names.map((name) => [name, new Set()]));
  }

  /** Registers a callback under a context; the answer's `cancel()` ends it. */
  on(name, callback, context) {
    const registered = this.#byName.get(name);
    if (!registered) {
      throw new RuntimeError(`on: there is no event ${JSON.stringify(name)}; there are ${[...this.#byName.keys()].join(', ')}`);
    }
    if (typeof callback !== 'function') throw new RuntimeError('on: give a callback as the second argument');
    const registration = {
      callback,
      cancel() {
        registered.delete(registration);
        forget();
      },
    };
    const forget = context === undefined ? () => {} : contexts.register(context, registration);
    registered.add(registration);
    return registration;
  }

  /** Calls the callbacks of an event; false where there are none. */
  emit(name, ...values) {
    const registered = this.#byName.get(name);
    const called = [...registered];
    // One that an earlier callback has cancelled is not called any more.
    for (const one of called) if (registered.has(one)) callSafely(one.callback, values);
    return called.length > 0;
  }

  /** Takes all callbacks out. */
  clear() {
    for (const registered of this.#byName.values()) for (const registration of [...registered]) registration.cancel();
  }
}

/** Calls a program's function. An exception of it reaches the program as an uncaught one. */
function callSafely(callback, values) {
  try {
    callback(...values);
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}

module.exports = { Callbacks };
