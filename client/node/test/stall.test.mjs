// A daemon that stalls: what else the process does goes on, and no call takes longer than its deadline.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { Client, Timeout } from '../index.mjs';
import { Daemon, silent, until } from './support.mjs';

const { Turns } = createRequire(import.meta.url)('../lib/turns.js');
const DEADLINE = 600;
/** Bytes of memory for one turn. */
const ONE = 8 * 3;
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
  const buffer = new SharedArrayBuffer(ONE);
  const [turns, other] = [new Turns(buffer, 1), new Turns(buffer, 2)];
  let busy = true;
  const asking = async () => {
    while (busy) await turns.run(() => new Promise(setImmediate), 60_000);
  };
  const loads = [asking(), asking(), asking()];
  for (let round = 0; round < 20; round++) await other.run(() => Promise.resolve(), 60_000);
  busy = false;
  await Promise.all(loads);
});

test('threads have their turns whatever their ids and number', async () => {
  for (const others of [[1], [64], [128], [64, 128, 192]]) {
    const buffer = new SharedArrayBuffer(ONE);
    const [turns, ...waiting] = [0, ...others].map((thread) => new Turns(buffer, thread));
    let busy = true;
    const asking = async () => {
      while (busy) await turns.run(() => new Promise(setImmediate), 60_000);
    };
    const loads = [asking(), asking(), asking()];
    const rounds = async (other) => {
      for (let round = 0; round < 20; round++) await other.run(() => Promise.resolve(), 5000);
    };
    const ended = await Promise.allSettled(waiting.map(rounds));
    busy = false;
    await Promise.all(loads);
    assert.ok(ended.every(({ status }) => status === 'fulfilled'), `threads ${others}: ${ended[0].reason}`);
  }
});

test('a thread that is alone never leaves a turn idle', async () => {
  const turns = new Turns(new SharedArrayBuffer(ONE), 1);
  let [ran, idle] = [0, 0];
  let last = performance.now();
  const call = async () => {
    idle = Math.max(idle, performance.now() - last);
    ran += 1;
    last = performance.now();
  };
  // A pause after each 16 turns would take 4 ms and more: 60 of them.
  const begun = performance.now();
  await Promise.all(Array.from({ length: 1000 }, () => turns.run(call, 60_000)));
  assert.equal(ran, 1000);
  assert.ok(performance.now() - begun < 200, `${performance.now() - begun} ms, a turn was idle for ${idle} ms`);
});

test('the turns of a thread that died are free again soon, and not those of one that lives', async () => {
  const buffer = new SharedArrayBuffer(ONE);
  const [dead, alive] = [new Turns(buffer, 1), new Turns(buffer, 2)];
  let end;
  const call = dead.run(() => new Promise((resolve) => (end = resolve)), 60_000);
  await assert.rejects(alive.run(() => Promise.resolve(), 1500), Timeout, 'it is renewed');
  end();
  await call;
  const worker = new Worker(
    `const { workerData } = require('node:worker_threads');
     const { Turns } = require(${JSON.stringify(fileURLToPath(new URL('../lib/turns.js', import.meta.url)))});
     new Turns(workerData, 3).run(() => new Promise(() => setInterval(() => {}, 1000)), 60_000);
     require('node:worker_threads').parentPort.postMessage('has it');`,
    { eval: true, workerData: buffer },
  );
  await once(worker, 'message');
  await worker.terminate();
  await alive.run(() => Promise.resolve(), 60_000);
});

test('a healthy daemon answers soon after workers were terminated during calls', async () => {
  const daemon = await Daemon.start();
  const busy = source.replace(/parentPort.once[^]*/, 'for (;;) await Promise.all(Array.from({ length: 20 }, () => client.ping()));');
  const script = busy.replace("parentPort.postMessage('ready');", "parentPort.postMessage('ready'); (async () => {") + '})();';
  const options = { eval: true, workerData: { socket: daemon.socket } };
  const started = Array.from({ length: 6 }, () => new Worker(script, options));
  await Promise.all(started.map((worker) => once(worker, 'message')));
  await Promise.all(started.map((worker) => worker.terminate()));
  await new Client({ socket: daemon.socket, deadline: 5000 }).ping();
  await daemon.stop();
});

test('a call that nobody waits for any more keeps its turn until it ends', async () => {
  const turns = new Turns(new SharedArrayBuffer(ONE));
  let end;
  const call = new Promise((resolve) => (end = resolve));
  await assert.rejects(turns.run(() => call, 50), Timeout);
  await assert.rejects(turns.run(() => assert.fail('two at once'), 50), Timeout);
  end();
  await until('it ends', () => turns.run(() => Promise.resolve(true), 50).catch(() => false));
});
