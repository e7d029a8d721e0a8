// The client against a real daemon: every operation, errors, the event loop, threads, processes, and what is shown.

import assert from 'node:assert/strict';
import cluster from 'node:cluster';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { Worker } from 'node:worker_threads';
import { after, before, test } from 'node:test';
import * as jwtkeeper from '../index.mjs';
import { Daemon, silent } from './support.mjs';

const { Client } = jwtkeeper;
let daemon;
let client;

before(async () => {
  daemon = await Daemon.start();
  client = new Client({ socket: daemon.socket });
});
after(() => daemon.stop());

test('issue, validate, rotate, revoke', async () => {
  const minted = await client.issue({ sub: '42' }, { ttl: 3600 });
  const { cookie } = minted;
  const verdict = await client.validate(minted.token, cookie.value);
  assert.deepEqual([verdict.valid, verdict.reason, verdict.rotation], [true, null, null]);
  assert.equal(verdict.claims.sub, '42');
  assert.equal(verdict.claimsText, minted.claimsText);
  assert.equal(client.validateSync(minted.token, cookie.value).valid, true);
  await client.flagJti(minted.jti);
  assert.equal((await client.validate(minted.token, cookie.value)).rotation, 'flagged');
  const successor = await client.rotate(minted.token, cookie.value, { claims: { role: 'editor' } });
  assert.equal(successor.valid, true);
  assert.equal(successor.claims.role, 'editor');
  assert.equal((await client.status(minted.jti)).state, 'rotated');
  assert.deepEqual(await client.revokeToken(successor.token, successor.cookie.value), { valid: true });
  const dead = await client.validate(successor.token, successor.cookie.value);
  assert.deepEqual([dead.valid, dead.reason, dead.claims], [false, 'revoked', null]);
  const none = { valid: false, reason: 'revoked' };
  assert.deepEqual(await client.rotate(successor.token, successor.cookie.value), none);
  assert.deepEqual(await client.revokeToken('a.b.c'), { valid: false, reason: 'malformed' });
});

test('claims keep their digits as text', async () => {
  const text = '{"big":123456789012345678901234567890}';
  const minted = await client.issue(text);
  assert.match(minted.claimsText, /123456789012345678901234567890/);
});

test('the whole cookie', async () => {
  const { cookie } = await client.issue();
  const { name, path, domain, secure, httpOnly, sameSite } = cookie;
  assert.deepEqual([name, path, domain, secure, httpOnly, sameSite], ['jwt_keeper', '/', null, true, true, 'lax']);
  assert.ok(cookie.setCookie.startsWith(`jwt_keeper=${cookie.value};`));
  assert.equal(client.findCookie(`a=b; jwt_keeper=${cookie.value}; c=\xff`), cookie.value);
  assert.equal(client.findCookie('a=b'), null);
  assert.equal(client.findCookie(undefined), null);
  assert.match(await client.clearCookie(), /^jwt_keeper=;.*Max-Age=0/);
});

test('by id and by time', async () => {
  const minted = await client.issue({ sub: '7' });
  const state = () => client.validate(minted.token, minted.cookie.value);
  await client.flagSubject('7');
  assert.equal((await state()).rotation, 'flagged');
  await client.revokeSubject('7', new Date(Date.now() - 86_400_000));
  assert.equal((await state()).valid, true);
  await client.revokeSubject('7');
  assert.equal((await state()).valid, false);
  await client.revokeSession('a-session');
  await client.revokeJti('a-jti');
  const status = await client.status('a-jti');
  assert.equal(status.state, 'hard');
  assert.ok(status.until > Date.now() / 1000);
  assert.deepEqual(await client.status('another'), { state: 'none', until: null });
});

test('realms, JWKS, health, reload, import', async () => {
  const shop = client.forRealm('shop');
  const minted = await shop.issue();
  assert.equal(minted.cookie, null);
  assert.equal((await shop.validate(minted.token)).valid, true);
  await shop.revokeIssuedBefore();
  assert.equal((await shop.validate(minted.token)).valid, false);
  const { keys } = await client.forRealm('keys').jwks();
  assert.equal(keys[0].kty, 'EC');
  const health = await client.health();
  assert.deepEqual([health.ready, health.document.faults], [true, []]);
  assert.equal(await client.reload(), health.generation);
  assert.ok((await client.importStore()).entries >= 0);
});

test('nothing secret is shown', async () => {
  const minted = await client.issue({ sub: 's3cret' });
  const verdict = await client.validate(minted.token, minted.cookie.value);
  for (const answer of [minted, minted.cookie, verdict, client]) {
    const shown = inspect(answer, { showHidden: true, depth: 5 }) + JSON.stringify(answer);
    for (const secret of [minted.token, minted.cookie.value, 's3cret']) assert.ok(!shown.includes(secret), shown);
  }
});

test('what is odd is judged as what it is', async () => {
  const odd = ['', '\0', 'a'.repeat(100_000), '\ud800', Buffer.from([0xff, 0xfe]), 42, 4n, null, undefined, {}];
  for (const token of odd) {
    assert.equal((await client.validate(token)).reason, 'malformed');
    assert.equal(client.validateSync(token, 7).reason, 'malformed');
    assert.equal((await client.rotate(token)).reason, 'malformed');
    assert.equal((await client.revokeToken(token)).reason, 'malformed');
  }
});

test('faults of the caller', async () => {
  await assert.rejects(client.issue({ jti: 'x' }), (error) => {
    assert.ok(error instanceof jwtkeeper.BadRequest && error instanceof jwtkeeper.JwtKeeperError);
    assert.deepEqual([error.name, error.code, error.codeName], ['BadRequest', 202, 'reserved_claim']);
    assert.equal(error.temporary, false);
    return true;
  });
  await assert.rejects(client.forRealm('nowhere').issue(), jwtkeeper.BadRequest);
  for (const wrong of [
    () => client.issue({}, { ttl: -1 }),
    () => client.issue({}, { ttl: 1.5 }),
    () => client.revokeSubject('7', -2),
    () => client.revokeSubject('7', new Date(NaN)),
  ]) {
    assert.throws(wrong, RangeError);
  }
});

test('nobody there', async () => {
  const away = new Client({ socket: '/nowhere/jwtkeeper.sock', deadline: 1000 });
  await assert.rejects(away.ping(), (error) => error instanceof jwtkeeper.Unreachable && error.temporary);
});

test('the event loop turns while a call waits', async () => {
  const { socket, close } = await silent();
  const stalled = new Client({ socket, deadline: 500, connectTimeout: 500 });
  let turns = 0;
  let over = false;
  const asked = stalled.ping().catch((error) => error).finally(() => (over = true));
  while (!over) {
    turns += 1;
    await new Promise(setImmediate);
  }
  assert.ok((await asked) instanceof jwtkeeper.Timeout);
  assert.ok(turns > 100, `${turns} turns`);
  await close();
});

test('more calls at once than koffi takes', async () => {
  const tokens = await Promise.all(Array.from({ length: 600 }, (_, user) => client.issue({ sub: `${user}` })));
  const verdicts = await Promise.all(tokens.map(({ token, cookie }) => client.validate(token, cookie.value)));
  assert.deepEqual(
    verdicts.map(({ claims }) => claims.sub),
    tokens.map((_, user) => `${user}`),
  );
});

test('hooks that ask the daemon themselves, more at once than have a turn', async () => {
  const due = await Promise.all(
    Array.from({ length: 300 }, async (_, user) => {
      const minted = await client.issue({ sub: `${user}` });
      await client.flagJti(minted.jti);
      return minted;
    }),
  );
  const judged = await Promise.all(
    due.map(({ token, cookie, jti }) =>
      client.authenticate(
        { authorization: `Bearer ${token}`, cookie: `jwt_keeper=${cookie.value}` },
        { regenerateClaims: async () => void (await client.status(jti)) },
      ),
    ),
  );
  assert.deepEqual([...new Set(judged.map(({ status }) => status))], [200]);
  assert.deepEqual(
    judged.map(({ claims }) => claims.sub),
    due.map((_, user) => `${user}`),
  );
});

/** What threads and processes of a cluster do: tokens of their own; how many answers were not theirs. */
async function work(name) {
  const own = new Client({ socket: process.env.JWTKEEPER_SOCKET });
  const { token, cookie } = await own.issue({ sub: name });
  let wrong = 0;
  for (let i = 0; i < 300; i++) {
    const { claims } = await own.validate(token, cookie.value);
    wrong += claims.sub === name ? 0 : 1;
  }
  return wrong;
}

const workSource = `
  const { Client } = require(${JSON.stringify(fileURLToPath(new URL('../index.js', import.meta.url)))});
  ${work}`;

test('worker threads, each with a client', async () => {
  const source = `${workSource}
    const { parentPort, workerData } = require('node:worker_threads');
    work(workerData).then((wrong) => parentPort.postMessage(wrong));`;
  const env = { ...process.env, JWTKEEPER_SOCKET: daemon.socket };
  const threads = ['a', 'b', 'c'].map((workerData) => new Worker(source, { eval: true, workerData, env }));
  const wrong = await Promise.all(threads.map((thread) => once(thread, 'message').then(([count]) => count)));
  assert.deepEqual(wrong, [0, 0, 0]);
});

test('the processes of a cluster, each with a client', async () => {
  const source = `${workSource}
    work('' + process.pid).then((wrong) => process.send(wrong)).then(() => process.disconnect());`;
  cluster.setupPrimary({ exec: '/dev/null', execArgv: ['-e', source, '--'] });
  const env = { JWTKEEPER_SOCKET: daemon.socket };
  const children = Array.from({ length: 3 }, () => cluster.fork(env));
  const wrong = await Promise.all(children.map((child) => once(child, 'message').then(([count]) => count)));
  assert.deepEqual(wrong, [0, 0, 0]);
});

test('CommonJS and ESM are one module', () => {
  assert.equal(createRequire(import.meta.url)('../index.js').Client, Client);
  assert.match(jwtkeeper.version(), /^\d+\.\d+\.\d+$/);
});
