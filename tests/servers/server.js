// A Socket.IO server that speaks EXP's socket events, for tests/wire.rs.
//
//   node server.js GENERATION PORT PING_INTERVAL_MS PING_TIMEOUT_MS [TRANSPORT,TRANSPORT]
//
// Standard output, a JSON document a line: {"listening":PORT}, then what clients do:
// {"connected":ID}, {"disconnected":ID,"reason":…}, {"subscribed":[…]},
// {"handshakes":{"polling":N,"websocket":N}} when asked. Standard input, a command a line:
//   broadcast JSON       emits `broadcast` with exactly this argument to everybody
//   emit NAME JSON       emits another event
//   raw TEXT             sends a Socket.IO packet's text as it stands (no codec in between)
//   binary               emits an event with bytes in it
//   disconnect           disconnects everybody from the namespace
//   kick                 closes everybody's connection
//   count                prints how many clients are there, how many handshakes were made, and how
//                        many pings of the client that had fewest went there and back
// The token `refused` is turned away by a middleware, `forbidden` by the HTTP handshake. The server
// ends with its standard input.

'use strict';

const http = require('http');
const readline = require('readline');

const [, , generation, port, pingInterval, pingTimeout, transports] = process.argv;

// Socket.IO 1 was written for a Node that still had these quietly.
process.removeAllListeners('warning');
process.on('warning', () => {});

const say = (document) => process.stdout.write(JSON.stringify(document) + '\n');
const handshakes = { polling: 0, websocket: 0 };

const options = {
  pingInterval: Number(pingInterval),
  pingTimeout: Number(pingTimeout),
  allowRequest: (request, answer) => {
    const query = new URL(request.url, 'http://host').searchParams;
    handshakes[query.get('transport')] += 1;
    if (query.get('token') === 'forbidden') {
      answer(generation === '1' ? 'stranger' : 'the token is forbidden', false);
    } else {
      answer(null, true);
    }
  },
};
if (transports) options.transports = transports.split(',');

const server = http.createServer();
// While it is busy with megabytes, its clients' connections are idle for longer than the 5 s after
// which it would close them, and what they have sent meanwhile with them.
server.keepAliveTimeout = Math.max(server.keepAliveTimeout, Number(pingTimeout));
const library = require(`socket.io-${generation}`);
const io = generation <= 2 ? library(server, options) : new library.Server(server, options);

io.use((socket, next) => {
  const token = socket.handshake.query.token;
  next(token === 'refused' ? new Error('the token is refused') : undefined);
});

const sockets = new Set();
const beats = new WeakMap();
io.on('connection', (socket) => {
  sockets.add(socket);
  beats.set(socket, 0);
  socket.conn.on('heartbeat', () => beats.set(socket, beats.get(socket) + 1));
  say({ connected: socket.id, token: socket.handshake.query.token });
  socket.on('disconnect', (reason) => {
    sockets.delete(socket);
    say({ disconnected: socket.id, reason });
  });
  socket.on('subscribe', (channels) => {
    say({ subscribed: channels });
    socket.emit('subscribed', channels);
  });
});

// Sends text that JSON.stringify would not write: long numbers, spaces, escapes.
function raw(text) {
  for (const socket of sockets) {
    const connection = socket.conn;
    connection.write(text);
  }
}

const commands = {
  broadcast: (rest) => raw(`2["broadcast",${rest}]`),
  emit: (rest) => {
    const [name, ...json] = rest.split(' ');
    for (const socket of sockets) socket.emit(name, JSON.parse(json.join(' ')));
  },
  raw,
  binary: () => {
    for (const socket of sockets) socket.emit('broadcast', Buffer.from([1, 2, 3]));
  },
  disconnect: () => {
    for (const socket of [...sockets]) socket.disconnect(false);
  },
  kick: () => {
    for (const socket of [...sockets]) socket.disconnect(true);
  },
  count: () => {
    const fewest = Math.min(...[...sockets].map((socket) => beats.get(socket)));
    say({ clients: sockets.size, handshakes, beats: sockets.size ? fewest : 0 });
  },
};

readline
  .createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [name] = line.split(' ', 1);
    commands[name](line.slice(name.length + 1));
  })
  .on('close', () => process.exit(0));

server.listen(Number(port), '127.0.0.1', () => say({ listening: server.address().port }));
