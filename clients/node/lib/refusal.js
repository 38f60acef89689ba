// The daemon's reason to refuse connections, which the gRPC library reads and does not hand on: the
// daemon writes SETTINGS and GOAWAY with the reason at once, and closes.
'use strict';

const net = require('node:net');
const { connectOptions } = require('./address');

/** Length of a frame's head, and of a GOAWAY's fields before its reason (RFC 9113, 4.1, 6.8). */
const HEAD = 9;
const FIXED = 8;

const SETTINGS = 0x4;
const GOAWAY = 0x7;

/** The most that is read, and the longest wait for it in milliseconds. */
const LONGEST = 1024;
const PATIENCE = 500;

/**
 * The kind and payload of the first frame, and what follows it; undefined where it is not whole.
 */
function frame(bytes) {
  if (bytes.length < HEAD) return undefined;
  const end = HEAD + bytes.readUIntBE(0, 3);
  if (bytes.length < end) return undefined;
  return { kind: bytes[3], payload: bytes.subarray(HEAD, end), rest: bytes.subarray(end) };
}

/** The refusal in a daemon's first words; undefined where it takes the connection. */
function refusalIn(bytes) {
  const first = frame(bytes);
  const second = first && frame(first.rest);
  if (second === undefined || first.kind !== SETTINGS || second.kind !== GOAWAY) return undefined;
  return second.payload.subarray(FIXED).toString('utf8') || undefined;
}

/** Resolves with the reason why the daemon at a socket refuses connections now, or undefined. */
function refusalAt(path) {
  return new Promise((resolve) => {
    const socket = net.connect(connectOptions(path));
    let came = Buffer.alloc(0);
    const end = () => {
      socket.destroy();
      resolve(refusalIn(came));
    };
    socket.setTimeout(PATIENCE, end);
    socket.on('error', end);
    socket.on('end', end);
    socket.on('data', (bytes) => {
      came = Buffer.concat([came, bytes]).subarray(0, LONGEST);
      if (refusalIn(came) !== undefined) end();
    });
  });
}

module.exports = { refusalAt };
