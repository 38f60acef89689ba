// Pauses between attempts: doubled at each failure, random within their upper half, so that the
// programs of a host do not come back in step.
'use strict';

const { FIRST_PAUSE, LONGEST_PAUSE } = require('./connection');

class Backoff {
  #failures = 0;

  /**
   * The next pause in milliseconds; at least `hint` where the daemon names one, up to the longest.
   */
  next(hint = 0) {
    const longest = Math.min(Math.max(FIRST_PAUSE * 2 ** Math.min(this.#failures, 10), hint), LONGEST_PAUSE);
    this.#failures += 1;
    return longest / 2 + (Math.random() * longest) / 2;
  }

  /** Starts over after a success. */
  reset() {
    this.#failures = 0;
  }
}

module.exports = { Backoff };
