// Events of a listener that came before the program had it: kept until then.
'use strict';

const { joined } = require('./gap');

/** Gaps that are kept apart; further ones are joined to the last. */
const MOST_GAPS = 16;

class EarlyEvents {
  #gaps = [];
  #subscription;

  add(name, value) {
    if (name !== 'gap') this.#subscription = value;
    else if (this.#gaps.length < MOST_GAPS) this.#gaps.push(value);
    else this.#gaps.push(joined(this.#gaps.pop(), value));
  }

  /** Takes everything: the gaps, and the newest state of the subscription. */
  take() {
    const taken = this.#gaps.map((gap) => ['gap', gap]);
    if (this.#subscription) taken.push(['subscription', this.#subscription]);
    this.#gaps = [];
    this.#subscription = undefined;
    return taken;
  }
}

module.exports = { EarlyEvents };
