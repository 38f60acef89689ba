// The library's cost beside the bare gRPC client (@grpc/grpc-js with @grpc/proto-loader) that does
// the same, in one run:
//
//   EXPD_BIN=target/release/expd node clients/node/benchmarks/cost.mjs [ROUNDS]
//
// CPU of the program for each broadcast heard and each call made, and the median latency of both.
// Rounds alternate; of CPU the sum counts, of latencies the median of the rounds' medians. Exits
// with 1 where a ratio is above the bound.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { World } from '../test/support/world.mjs';

const BOUNDS = { cpu: 1.25, p50: 1.15 };
const rounds = Number(process.argv[2] ?? 6);
const program = fileURLToPath(new URL('program.mjs', import.meta.url));
const world = await World.start();

/**
 * Runs a program of `kind` (`bare`, `library`) that does `task` (`hear`, `call`), and returns what
 * it measured.
 */
async function run(kind, task, channel) {
  const child = fork(program, [kind, task, world.socket, channel]);
  const [first] = await once(child, 'message');
  if (first !== 'ready') return first;
  const sender = fork(program, ['bare', 'send', world.socket, channel]);
  const [[measured]] = await Promise.all([once(child, 'message'), once(sender, 'exit')]);
  return measured;
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const sum = (values) => values.reduce((total, value) => total + value, 0);

let isWithin = true;
for (const task of ['hear', 'call']) {
  const measured = { bare: [], library: [] };
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? ['bare', 'library'] : ['library', 'bare'];
    for (const kind of order) measured[kind].push(await run(kind, task, `${task} ${kind} ${round}`));
  }
  for (const figure of ['cpu', 'p50']) {
    const [bare, library] = ['bare', 'library'].map((kind) => {
      const values = measured[kind].map((one) => one[figure]);
      return figure === 'cpu' ? sum(values) / rounds : median(values);
    });
    const ratio = library / bare;
    isWithin &&= ratio <= BOUNDS[figure];
    const words = { task, figure, bare: Math.round(bare), library: Math.round(library), unit: 'µs', ratio: Number(ratio.toFixed(3)), bound: BOUNDS[figure] };
    console.log(JSON.stringify(words));
  }
}
await world.stop();
process.exitCode = isWithin ? 0 : 1;
