// Result of a find: an array of resources, with EXP's own `total` and `results`.
'use strict';

const { UnexpectedError } = require('../errors');

function collectionOf(answer, make) {
  if (!Array.isArray(answer?.results)) throw new UnexpectedError('EXP answered a find without `results`');
  return withTotals(answer.results.map(make), answer);
}

/** An array with further members that are no elements: comparing and printing skip them. */
function withTotals(array, members) {
  for (const [name, value] of Object.entries(members)) Object.defineProperty(array, name, { value, writable: true });
  return array;
}

module.exports = { collectionOf, withTotals };
