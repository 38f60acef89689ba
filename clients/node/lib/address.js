// The daemon's address: the path of its socket, or `http://127.0.0.1:9100` for loopback TCP, where
// every call brings a token.
'use strict';

const fs = require('node:fs');
const net = require('node:net');
const { RuntimeError } = require('./errors');

const SCHEME = 'http://';

/** True for an address that is no path. */
function isTcp(address) {
  return address.startsWith(SCHEME);
}

function parsed(address) {
  try {
    return new URL(address);
  } catch {
    return undefined;
  }
}

/** Host and port of a TCP address. The token goes to no other machine. */
function hostAndPort(address) {
  const url = parsed(address);
  const host = url?.hostname.replace(/^\[|\]$/g, '');
  const isLoopback = host === 'localhost' || host === '::1' || (net.isIPv4(host ?? '') && host.startsWith('127.'));
  if (!isLoopback) {
    throw new RuntimeError(
      `${address} is not a loopback address, and the token is sent to no other; write it as in http://127.0.0.1:9100`,
    );
  }
  return { host, port: Number(url.port || 80) };
}

/** The address as gRPC takes it. */
function targetOf(address) {
  if (!isTcp(address)) return `unix:${address}`;
  const { host, port } = hostAndPort(address);
  return net.isIPv6(host) ? `ipv6:[${host}]:${port}` : `${host}:${port}`;
}

/** The address as `net.connect` takes it. */
function connectOptions(address) {
  return isTcp(address) ? hostAndPort(address) : { path: address };
}

/** The token of calls over TCP: the content of the file `EXPD_TOKEN_FILE`, else `EXPD_TOKEN`. */
function tokenFor(address, env = process.env) {
  if (!isTcp(address)) return undefined;
  if (!env.EXPD_TOKEN_FILE) return env.EXPD_TOKEN || undefined;
  try {
    return fs.readFileSync(env.EXPD_TOKEN_FILE, 'utf8').trim();
  } catch (error) {
    throw new RuntimeError(
      `cannot read the token in ${env.EXPD_TOKEN_FILE} (EXPD_TOKEN_FILE): ${error.message}; let this user read it, or correct the path`,
    );
  }
}

module.exports = { connectOptions, isTcp, targetOf, tokenFor };
