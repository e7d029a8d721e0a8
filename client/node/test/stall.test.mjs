// A daemon that stalls: what else the process does goes on, and no call takes longer than its deadline.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { Client, Timeout } from '../index.mjs';
import { silent, until } from './support.mjs';

const { Turns } = createRequire(import.meta.url)('../lib/turns.js');
const DEADLINE = 600;
let stalled;
let close;
before(async () => {
  const server = await silent();
  close = server.close;
  stalled = { socket: server.socket, deadline: DEADLINE, connectTimeout: DEADLINE };
});
after(() => close());

/** How long it takes to read some files, one after the other. */
async function reading() {
  const begun = performance.now();
  for (let filed = 0; filed < 20; filed++) {
    await readFile(new URL(import.meta.url));
  }
  return performance.now() - begun;
}

test('a stalled daemon holds up neither files nor calls beyond their deadline', async () => {
  const one = new Client(stalled);
  const clients = [one, one.forRealm('a'), one.forRealm('b')];
  const begun = performance.now();
  const ended = [];
  const ask = async (client) => {
    const error = await client.ping().catch((error) => error);
    assert.ok(error instanceof Timeout, `${error}`);
    ended.push(performance.now() - begun);
  };
  const asked = clients.flatMap((client) => Array.from({ length: 100 }, () => ask(client)));
  assert.ok((await reading()) < DEADLINE / 2);
  assert.equal(ended.length, 0, 'the files were read while calls waited');
  await Promise.all(asked);
  assert.ok(Math.max(...ended) < 1.5 * DEADLINE, `${Math.max(...ended)} ms`);
});

/** Each asks many times at once, and tells how long the longest took. */
const source = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { Client } = require(${JSON.stringify(fileURLToPath(new URL('../index.js', import.meta.url)))});
  const client = new Client(workerData);
  parentPort.postMessage('ready');
  parentPort.once('message', async () => {
    const begun = performance.now();
    const asked = Array.from({ length: 20 }, () => client.ping().catch((error) => error.name));
    const names = new Set(await Promise.all(asked));
    parentPort.postMessage({ names: [...names], longest: performance.now() - begun });
  });`;

async function workers(count) {
  const started = Array.from({ length: count }, () => new Worker(source, { eval: true, workerData: stalled }));
  await Promise.all(started.map((worker) => once(worker, 'message')));
  return started;
}

test('worker threads share the turns, and leave a thread of the pool to files', async () => {
  const started = await workers(6);
  const told = started.map((worker) => once(worker, 'message').then(([told]) => told));
  started.forEach((worker) => worker.postMessage('go'));
  const read = await reading();
  assert.ok(read < DEADLINE / 2, `the files took ${read} ms`);
  for (const { names, longest } of await Promise.all(told)) {
    assert.deepEqual(names, ['Timeout']);
    assert.ok(longest < 1.5 * DEADLINE, `a call took ${longest} ms`);
  }
  await Promise.all(started.map((worker) => worker.terminate()));
});

test('each thread has its turn while others ask all the time', async () => {
  const buffer = new SharedArrayBuffer(8);
  const [turns, other] = [new Turns(buffer), new Turns(buffer)];
  let busy = true;
  const asking = async () => {
    while (busy) await turns.run(() => new Promise(setImmediate), 60_000);
  };
  const loads = [asking(), asking(), asking()];
  for (let round = 0; round < 20; round++) await other.run(() => Promise.resolve(), 60_000);
  busy = false;
  await Promise.all(loads);
});

test('the turn of a worker that died comes back', async () => {
  const buffer = new SharedArrayBuffer(8);
  const turns = new Turns(buffer);
  const lease = (milliseconds) => process.hrtime.bigint() / 1_000_000n + BigInt(milliseconds);
  const leases = new BigInt64Array(buffer);
  leases[0] = lease(100);
  await turns.run(() => Promise.resolve(), 60_000);
  leases[0] = lease(60_000);
  await assert.rejects(turns.run(() => Promise.resolve(), 100), Timeout);
});

test('a call that nobody waits for any more keeps its turn until it ends', async () => {
  const turns = new Turns(new SharedArrayBuffer(8));
  let end;
  const call = new Promise((resolve) => (end = resolve));
  await assert.rejects(turns.run(() => call, 50), Timeout);
  await assert.rejects(turns.run(() => assert.fail('two at once'), 50), Timeout);
  end();
  await until('it ends', () => turns.run(() => Promise.resolve(true), 50).catch(() => false));
});
