// Chromium as a kiosk has it, and free ports.
'use strict';

const net = require('node:net');
const path = require('node:path');
const { chromium } = require('playwright-core');
const world = require('./world');

const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const chromiumPath = process.env.CHROMIUM || '/usr/bin/chromium';

// A browser with a new profile in the room of the checks. Options of the launch may come before its
// flags.
let profiles = 0;
const chromiumContext = (...given) => {
  profiles += 1;
  const [options, flags] = typeof given[0] === 'object' ? [given[0], given.slice(1)] : [{}, given];
  return chromium.launchPersistentContext(path.join(world.room, `profile-${profiles}`), {
    executablePath: chromiumPath,
    headless: true,
    ...options,
    args: [...QUIET, ...flags],
  });
};

// A port that was free a moment ago, for what must come back at its address after a restart.
async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

module.exports = { chromiumContext, chromiumPath, freePort };
