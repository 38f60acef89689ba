// Broadcasts that grew older than `maxAge` between the daemon and the program, told as one gap.
// The daemon skips what is too old when it sends; this looks at the few that gRPC read ahead.
'use strict';

class ExpiredEvents {
  #tell;
  #missed = 0;
  #from;
  #to;

  /** @param {(gap: object) => void} tell */
  constructor(tell) {
    this.#tell = tell;
  }

  /** True for a broadcast that is too old, which is counted. Any other tells of those before it. */
  has(receivedAt, maxAge) {
    if (receivedAt === undefined || Date.now() - receivedAt <= maxAge) {
      if (this.#missed > 0) this.#flush();
      return false;
    }
    if (this.#missed === 0) {
      this.#from = receivedAt;
      setImmediate(() => this.#flush());
    }
    this.#missed += 1;
    this.#to = receivedAt;
    return true;
  }

  #flush() {
    if (this.#missed === 0) return;
    const gap = { reason: 'EXPIRED', missed: this.#missed, from: new Date(this.#from), to: new Date(this.#to) };
    this.#missed = 0;
    this.#tell(gap);
  }
}

module.exports = { ExpiredEvents };
