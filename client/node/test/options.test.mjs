// Wrong values are refused by name; an older library says so.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, sessions } from '../index.mjs';
import { sessions as hook } from '../fastify.mjs';

const socket = '/nowhere/jwtkeeper.sock';

test('unknown options are a TypeError that names them', () => {
  const client = new Client({ socket });
  for (const wrong of [
    () => new Client({ deadlineMs: 5 }),
    () => new Client({ cookie: { deadlineMs: 5 } }),
    () => client.issue({}, { deadlineMs: 5 }),
    () => client.rotate('a.b.c', null, { deadlineMs: 5 }),
    () => sessions(client, { deadlineMs: 5 }),
    () => hook(client, { deadlineMs: 5 }),
  ]) {
    assert.throws(wrong, (error) => error instanceof TypeError && error.message.includes('deadlineMs'));
  }
});

test('numbers out of range are a RangeError that names the option', () => {
  const client = new Client({ socket });
  const numbers = {
    deadline: [0, -1, NaN, Infinity, 0.5, 2 ** 31],
    connectTimeout: [0, -1, NaN],
    serverUid: [-1, 2 ** 32, 1.5, NaN],
    maxIdle: [-1, 2 ** 40],
  };
  for (const [name, values] of Object.entries(numbers)) {
    for (const value of values) {
      const named = (error) => error instanceof RangeError && error.message.includes(name);
      assert.throws(() => new Client({ [name]: value }), named, `${name} ${value}`);
    }
    assert.throws(() => new Client({ [name]: '5' }), TypeError);
  }
  for (const ttl of [-1, 1.5, NaN, 2 ** 64 + 5, Infinity]) {
    assert.throws(() => client.issue({}, { ttl }), (error) => error instanceof RangeError && error.message.includes('ttl'));
  }
  assert.throws(() => client.issue({}, { ttl: 5n }), TypeError);
  assert.throws(() => client.revokeSubject('7', 2 ** 64), RangeError);
  for (const wrong of ['', 'now', false, [], {}, 5n]) {
    const named = (error) => error instanceof TypeError && error.message.includes('before');
    assert.throws(() => client.revokeSubject('7', wrong), named);
    assert.throws(() => client.flagSubject('7', wrong), named);
    assert.throws(() => client.revokeIssuedBefore(wrong), named);
  }
  assert.throws(() => client.issue(() => 1), /claims must be/);
});

test('names are well-formed strings', async () => {
  const client = new Client({ socket });
  for (const wrong of [42, null, undefined, '\ud800']) {
    assert.throws(() => client.revokeJti(wrong), (error) => error instanceof TypeError && error.message.includes('jti'));
    assert.throws(() => client.forRealm(wrong), TypeError);
  }
  assert.throws(() => new Client({ realm: 42 }), /realm must be a string/);
  assert.throws(() => new Client({ socket: 'a'.repeat(200) }), /socket/);
});

test('an older library says that it is too old', () => {
  const directory = mkdtempSync(join(tmpdir(), 'jwtkeeper-'));
  const library = join(directory, 'old.so');
  const input = 'const char *jwtkeeper_version(void) { return "0.0.1"; }';
  execFileSync('cc', ['-shared', '-o', library, '-x', 'c', '-'], { input });
  const index = JSON.stringify(fileURLToPath(new URL('../index.js', import.meta.url)));
  const program = `try { require(${index}); } catch (error) { console.log(error.message); }`;
  const env = { ...process.env, JWTKEEPER_LIBRARY: library };
  const said = execFileSync(process.execPath, ['-e', program], { env, encoding: 'utf8' });
  assert.match(said, /libjwtkeeper 0\.0\.1 .* is too old for this package: it lacks jwtkeeper_\w+; install/);
  rmSync(directory, { recursive: true });
});
