// The errors of the library, by the names of EXP's SDKs.
'use strict';

/** Base of all errors of this library. */
class ExpError extends Error {
  /**
   * @param {string} message the fault and the remedy, for people
   * @param {object} [facts] `code`, `fate`, `retryAfter`, `grpcStatus`, `cause`, …
   */
  constructor(message, { cause, ...facts } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = this.constructor.name;
    this.code = undefined;
    this.fate = 'refused';
    this.retryAfter = undefined;
    this.grpcStatus = undefined;
    Object.assign(this, facts);
  }
}

/**
 * The program asks for something that cannot be: wrong options, a stopped instance, a broken rule.
 */
class RuntimeError extends ExpError {}

/** This daemon is older than the library and does not know the call. */
class UnsupportedError extends RuntimeError {}

/** The daemon or the network is not there, or did not answer in time. */
class NetworkError extends ExpError {}

/** The network refuses the credentials. */
class AuthenticationError extends ExpError {}

/**
 * EXP's own error for a call. `status` is the HTTP status, `code` EXP's name of the error,
 * `payload` its answer.
 */
class ApiError extends ExpError {}

/** An answer that cannot be understood. */
class UnexpectedError extends ExpError {}

/** The program's AbortSignal ended the wait; `cause` is the signal's reason. */
class AbortError extends ExpError {
  constructor(signal, fate) {
    super('the program gave up the wait (AbortSignal)', { cause: signal.reason, code: 'ABORT_ERR', fate });
  }
}

/** The error of everything on an instance that was stopped. */
function stopped() {
  return new RuntimeError('this instance was stopped; EXP.start() gives another', { code: 'STOPPED' });
}

module.exports = {
  AbortError,
  ApiError,
  AuthenticationError,
  ExpError,
  NetworkError,
  RuntimeError,
  UnexpectedError,
  UnsupportedError,
  stopped,
};
