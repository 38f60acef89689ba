// The one place where a gRPC status becomes an error of this library.
'use strict';

const { status } = require('@grpc/grpc-js');
const { rpc } = require('./contract').google;
const errors = require('./errors');
const { millisecondsOf } = require('./times');

const DETAILS = 'grpc-status-details-bin';
const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo';
const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';

/**
 * After these, also where the daemon or the library could not tell more, nobody knows whether the
 * call was carried out.
 */
const OUTCOME_UNKNOWN = new Set([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.UNKNOWN,
]);

const START_ONE = 'start a daemon with `expd serve`, or name its socket with EXPD_SOCKET or start({ socket })';

/** Faults of connecting, in words, with the remedy. */
const CONNECT_FAULTS = {
  ENOENT: ['there is no socket', START_ONE],
  ECONNREFUSED: ['nobody listens on it', START_ONE],
  EACCES: [
    `this user (uid ${process.geteuid?.()}) may not open it`,
    'join the group that owns the socket (the setting daemon.socket_group), or run this as its owner',
  ],
};

/** Reads the details of a status; empty where it has none or they cannot be read. */
function readDetails(error) {
  const found = { info: undefined, retryAfter: undefined };
  const [bytes] = error.metadata?.get(DETAILS) ?? [];
  if (!bytes) return found;
  try {
    for (const any of rpc.Status.decode(bytes).details) {
      if (any.type_url === ERROR_INFO) found.info = rpc.ErrorInfo.decode(any.value);
      if (any.type_url === RETRY_INFO) found.retryAfter = millisecondsOf(rpc.RetryInfo.decode(any.value).retryDelay);
    }
  } catch {
    // A newer daemon's details: the status's own code and message stand.
  }
  return found;
}

/** True for a failure to connect: gRPC's own, after which the daemon cannot have seen the call. */
function neverLeft(error) {
  return error.code === status.UNAVAILABLE && /^(No connection established|Name resolution failed)/.test(error.details);
}

/** grpc-js's words where the daemon refuses the connection, or ends it, with its own reason. */
const REFUSED = 'Bandwidth exhausted or memory limit exceeded';

/** True where the daemon closed the connection with a reason, which the error does not tell. */
function wasRefused(error) {
  return error.code === status.RESOURCE_EXHAUSTED && error.details === REFUSED;
}

/**
 * The error for a connection that the daemon closed with a reason. A call on it may have been
 * carried out before.
 */
function refused(path, reason) {
  const why = reason === undefined ? 'it asks for calm (ENHANCE_YOUR_CALM); its log tells why' : `it refuses connections: ${reason}`;
  return new errors.NetworkError(`the daemon at ${path} has closed the connection: ${why}`, {
    code: 'REFUSED',
    fate: 'unknown',
    grpcStatus: 'UNAVAILABLE',
  });
}

/** grpc-js's words for a connection that broke during a call. */
const CONNECTION_LOST = /^(Connection dropped|Stream refused by server|Received RST_STREAM)|\b(ECONNRESET|EPIPE)\b/;

function connectionLost(path, error) {
  return new errors.NetworkError(
    `the connection to the daemon at ${path} broke (${error.details}); the call may have been carried out`,
    { code: 'CONNECTION_LOST', fate: 'unknown', grpcStatus: 'UNAVAILABLE' },
  );
}

function notReachable(path, error) {
  const [, name] = /connect (E[A-Z]+)/.exec(error.details) ?? [];
  const [reason, remedy] = CONNECT_FAULTS[name] ?? [
    error.details.replace(/ Resolution note: $/, ''),
    'is it a daemon that listens there? Name the right socket with EXPD_SOCKET or start({ socket })',
  ];
  return new errors.NetworkError(`no daemon answers at ${path}: ${reason}; ${remedy}`, {
    code: 'NOT_REACHABLE',
    grpcStatus: 'UNAVAILABLE',
  });
}

/** The daemon's message, and what EXP says where the message does not quote it. */
function sentence(error, info, retryAfter) {
  let text = error.details || status[error.code] || `status ${error.code}`;
  const exp = info?.metadata.message;
  if (exp && info.reason && !text.includes(info.reason)) text += ` [${info.reason}]`;
  if (exp && !text.includes(exp)) text += ` (EXP says: ${exp})`;
  if (retryAfter !== undefined) text += `; try again in ${Math.round(retryAfter)} ms`;
  return text;
}

const CLASSES = {
  [status.INVALID_ARGUMENT]: errors.RuntimeError,
  [status.NOT_FOUND]: errors.RuntimeError,
  [status.ALREADY_EXISTS]: errors.RuntimeError,
  [status.PERMISSION_DENIED]: errors.RuntimeError,
  [status.RESOURCE_EXHAUSTED]: errors.RuntimeError,
  [status.FAILED_PRECONDITION]: errors.RuntimeError,
  [status.OUT_OF_RANGE]: errors.RuntimeError,
  [status.UNIMPLEMENTED]: errors.UnsupportedError,
  [status.UNAUTHENTICATED]: errors.AuthenticationError,
  [status.UNAVAILABLE]: errors.NetworkError,
  [status.UNKNOWN]: errors.NetworkError,
  [status.CANCELLED]: errors.NetworkError,
  [status.DEADLINE_EXCEEDED]: errors.NetworkError,
};

/** Converts the error of a call to the daemon at `path`. */
function errorOf(path, error) {
  if (neverLeft(error)) return notReachable(path, error);
  if (CONNECTION_LOST.test(error.details)) return connectionLost(path, error);
  const { info, retryAfter } = readDetails(error);
  const exp = info?.metadata.message;
  const facts = {
    code: info?.reason,
    fate: info?.metadata.fate ?? (OUTCOME_UNKNOWN.has(error.code) ? 'unknown' : 'refused'),
    retryAfter,
    grpcStatus: status[error.code] ?? String(error.code),
  };
  const text = sentence(error, info, retryAfter);
  if (error.code === status.UNAUTHENTICATED) return new errors.AuthenticationError(text, facts);
  if (exp !== undefined) {
    return new errors.ApiError(text, {
      ...facts,
      status: Number(info.metadata.status) || undefined,
      payload: { code: info.reason, message: exp },
    });
  }
  return new (CLASSES[error.code] ?? errors.UnexpectedError)(text, facts);
}

/** True where the daemon is stopping, gone or cut off, and may come back. */
function isTransient(error) {
  return error instanceof errors.ExpError && error.grpcStatus === 'UNAVAILABLE';
}

module.exports = { errorOf, isTransient, refused, wasRefused };
