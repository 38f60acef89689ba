// Spans in which a listener may have missed broadcasts.
'use strict';

const { Reason } = require('./contract').expd.v1.Gap;
const { dateOf } = require('./times');

const WORDS = Object.fromEntries(Object.entries(Reason).map(([word, number]) => [number, word]));

/** A gap of the contract, as programs have it. An unknown reason keeps its number. */
function gapOf(wire) {
  return {
    reason: WORDS[wire.reason] ?? `REASON_${wire.reason}`,
    missed: Number(wire.missed),
    from: dateOf(wire.from),
    to: dateOf(wire.to),
  };
}

/** One gap for two in a row: 0 is an unknown number, and a missing `from` an unknown start. */
function joined(first, second) {
  return {
    reason: first.reason,
    missed: first.missed && second.missed ? first.missed + second.missed : 0,
    from: first.from,
    to: second.to ?? first.to,
  };
}

/** A sentence for people. */
function gapText({ reason, missed, from, to }) {
  const count = missed ? `${missed} broadcasts are missing` : 'broadcasts may be missing';
  const span = to ? `, from ${from?.toISOString() ?? 'an unknown time'} to ${to.toISOString()}` : '';
  return `${count} (${reason})${span}`;
}

module.exports = { gapOf, gapText, joined };
