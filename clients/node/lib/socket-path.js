// Location of the daemon's socket: the rules of the command line and of the Rust client.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { isTcp } = require('./address');
const { RuntimeError } = require('./errors');

const SYSTEM_SOCKET = '/run/expd/expd.sock';
const SOCKET_NAME = 'expd.sock';

/** Permission bits of group and others. A private folder has none of them. */
const GROUP_AND_OTHERS = 0o077;

/**
 * The default path: `EXPD_SOCKET`, else the system's for root or where it exists, else the one in
 * `XDG_RUNTIME_DIR`, else the one in `/tmp`. `isPrivate`: nobody else may enter its folder.
 */
function defaultSocket({ env = process.env, uid = process.geteuid(), exists = fs.existsSync } = {}) {
  if (env.EXPD_SOCKET) return { path: env.EXPD_SOCKET, isPrivate: false };
  if (uid === 0 || exists(SYSTEM_SOCKET)) return { path: SYSTEM_SOCKET, isPrivate: false };
  const folder = env.XDG_RUNTIME_DIR ? path.join(env.XDG_RUNTIME_DIR, 'expd') : `/tmp/expd-${uid}`;
  return { path: path.join(folder, SOCKET_NAME), isPrivate: true };
}

/**
 * Refuses a private folder in which somebody else could pose as the daemon. One that does not exist
 * passes: nobody is there to be mistaken for the daemon.
 */
function checkFolder(socket, uid = process.geteuid()) {
  if (!socket.isPrivate) return;
  const folder = path.dirname(socket.path);
  let fault;
  try {
    const stat = fs.lstatSync(folder);
    if (!stat.isDirectory()) fault = 'it is not a folder';
    else if (stat.uid !== uid) fault = 'it belongs to another user';
    else if (stat.mode & GROUP_AND_OTHERS) fault = 'other users may enter it';
  } catch (error) {
    if (error.code === 'ENOENT') return;
    fault = `it cannot be looked at (${error.message})`;
  }
  if (fault) {
    throw new RuntimeError(
      `the socket's folder ${folder} is not safe: ${fault}; correct its owner and mode, remove it, or name another ` +
        'socket with EXPD_SOCKET or start({ socket })',
    );
  }
}

/** The socket of a program that names `named`, or none; checked. */
function socketPath(named) {
  const socket = named === undefined ? defaultSocket() : { path: named, isPrivate: false };
  checkFolder(socket);
  return isTcp(socket.path) ? socket.path : path.resolve(socket.path);
}

module.exports = { checkFolder, defaultSocket, socketPath };
