// Times of the contract, as JavaScript counts them: in milliseconds.
'use strict';

const MS = 1000;
const NANOS_PER_MS = 1e6;

/** A protobuf Duration in milliseconds; undefined where there is none. */
function millisecondsOf(duration) {
  if (!duration) return undefined;
  return Number(duration.seconds) * MS + duration.nanos / NANOS_PER_MS;
}

/** A protobuf Timestamp as a Date; undefined where there is none. */
function dateOf(timestamp) {
  return timestamp ? new Date(millisecondsOf(timestamp)) : undefined;
}

/** Milliseconds as a protobuf Duration. */
function durationOf(milliseconds) {
  const seconds = Math.floor(milliseconds / MS);
  const nanos = Math.round((milliseconds - seconds * MS) * NANOS_PER_MS);
  return { seconds, nanos: Math.min(nanos, MS * NANOS_PER_MS - 1) };
}

module.exports = { dateOf, durationOf, millisecondsOf };
