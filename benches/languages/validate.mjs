// A load of validates, one at a time, in Node: reads a token from stdin, validates it for --seconds (2 unless told
// otherwise), and prints what that came to as one line of JSON. With --begin it prints `begun` after the first answer;
// with --sync the event loop stands still meanwhile.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Client, version } from '../../client/node/index.mjs';

const { values: options } = parseArgs({
  options: { seconds: { type: 'string', default: '2' }, begin: { type: 'boolean' }, sync: { type: 'boolean' } },
});
const token = readFileSync(0, 'utf8').trim();
const client = new Client();

let start = performance.now();
for (let i = 0; i < 100_000; i++) version();
const ffi = (performance.now() - start) * 10;

const times = [];
let errors = 0;
const end = (start = performance.now()) + Number(options.seconds) * 1000;
for (let before = start; before < end; before = performance.now()) {
  try {
    const { valid } = options.sync ? client.validateSync(token) : await client.validate(token);
    errors += valid ? 0 : 1;
  } catch {
    errors += 1;
  }
  times.push((performance.now() - before) * 1000);
  if (options.begin && times.length === 1) console.log('begun');
}
const taken = (performance.now() - start) / 1000;
times.sort((a, b) => a - b);
const at = (share) => times[Math.floor((times.length - 1) * share)];
console.log(
  JSON.stringify({
    calls: times.length,
    errors,
    seconds: taken,
    p50_us: at(0.5),
    p99_us: at(0.99),
    max_us: at(1),
    ffi_ns: ffi,
  }),
);
