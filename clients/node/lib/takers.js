// Those who wait for a listener's next broadcast: calls of `wait`, and loops of `for await`.
'use strict';

const { AbortError } = require('./errors');

class Takers {
  /** Oldest first. One for each call that the program has not awaited yet. */
  #waiting = new Set();

  get isWaiting() {
    return this.#waiting.size > 0;
  }

  /** Resolves with the next broadcast; undefined after `timeout` ms and at the listener's end. */
  wait(timeout, signal) {
    return new Promise((resolve, reject) => {
      const taker = {
        settle: (error, broadcast) => {
          this.#waiting.delete(taker);
          clearTimeout(timer);
          signal?.removeEventListener('abort', abort);
          if (error) reject(error);
          else resolve(broadcast);
        },
      };
      const abort = () => taker.settle(new AbortError(signal, 'refused'));
      const timer = timeout === undefined ? undefined : setTimeout(() => taker.settle(), timeout);
      this.#waiting.add(taker);
      if (signal?.aborted) abort();
      else signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Gives a broadcast to the one that has waited the longest. */
  give(broadcast) {
    const [first] = this.#waiting;
    first.settle(undefined, broadcast);
  }

  /** Ends all waits, with the listener's error if there is one. */
  end(error) {
    for (const taker of [...this.#waiting]) taker.settle(error);
  }
}

module.exports = { Takers };
