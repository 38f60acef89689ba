// Payloads: JSON, as a value or to the letter.
'use strict';

const { RuntimeError, UnexpectedError } = require('./errors');

/**
 * JSON text that goes out as it is, with its digits and its order of keys:
 * `EXP.rawJson('{"price": 3.50}')`.
 */
class RawJson {
  constructor(text) {
    if (typeof text !== 'string') throw new RuntimeError('rawJson: give the JSON as a text');
    this.text = text;
  }
}

/** The payload of a request: JSON `null` for undefined. `what` names it in a refusal. */
function payloadOf(value, what) {
  if (value === undefined || value === null) return undefined;
  if (value instanceof RawJson) return { json: value.text };
  let json;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw new RuntimeError(`${what} is not JSON: ${error.message}`, { cause: error });
  }
  if (json === undefined) throw new RuntimeError(`${what} is not JSON: it is a ${typeof value}`);
  return { json };
}

/** JSON text of an answer's payload. */
function textOf(payload) {
  if (payload?.value) throw new UnexpectedError('the daemon answered with a structured payload, which nobody asked for');
  return payload?.json ?? 'null';
}

/** The value of an answer's payload: a new one at each call. */
function valueOf(payload) {
  return JSON.parse(textOf(payload));
}

module.exports = { RawJson, payloadOf, textOf, valueOf };
