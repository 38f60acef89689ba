// The place of a listener in its channel's log, with which a new stream goes on after an old one.
'use strict';

class Position {
  /** What to give as `resume`: the log, and the last event taken; undefined before the first event. */
  #resume;
  /**
   * ID of the log that the running stream named in place of the one to resume. The position moves
   * there once the stream has reported the gap: a stream that breaks before must report it again.
   */
  #newLog;

  constructor(resume) {
    this.#resume = resume;
  }

  get resume() {
    return this.#resume;
  }

  /** A new stream begins. */
  reopen() {
    this.#newLog = undefined;
  }

  /** Moves to an event that was taken. */
  advance(event) {
    const after = Number(event.sequence);
    const logId = event.subscription?.logId;
    if (logId === undefined) {
      if (this.#resume) this.#resume = { logId: this.#newLog ?? this.#resume.logId, after };
      this.#newLog = undefined;
    } else if (!this.#resume || this.#resume.logId === logId) {
      this.#resume = { logId, after };
    } else {
      this.#newLog = logId;
    }
  }
}

module.exports = { Position };
