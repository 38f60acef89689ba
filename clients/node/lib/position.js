// The place of a listener in its channel's log, with which a new stream goes on after an old one.
'use strict';

class Position {
  #logId;
  /** Sequence of the last event taken, as the contract's reader has it. */
  #after;
  /**
   * ID of the log that the running stream named in place of the one to resume. The position moves
   * there once the stream has reported the gap: a stream that breaks before must report it again.
   */
  #newLog;

  constructor({ logId, after } = {}) {
    this.#logId = logId;
    this.#after = after;
  }

  /** The place to give as `resume`; undefined before the first event. */
  get resume() {
    return this.#logId === undefined ? undefined : { logId: this.#logId, after: Number(this.#after) };
  }

  /** A new stream begins. */
  reopen() {
    this.#newLog = undefined;
  }

  /** Moves to an event that was taken. */
  advance({ sequence, subscription }) {
    const logId = subscription?.logId;
    if (logId !== undefined && this.#logId !== undefined && logId !== this.#logId) {
      this.#newLog = logId;
      return;
    }
    if (logId !== undefined) this.#logId = logId;
    if (this.#newLog !== undefined) {
      this.#logId = this.#newLog;
      this.#newLog = undefined;
    }
    this.#after = sequence;
  }
}

module.exports = { Position };
