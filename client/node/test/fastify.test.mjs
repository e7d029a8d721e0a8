// The hook in a real Fastify, and the primitive under all middleware.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import fastify from 'fastify';
import { Client, sessions as express } from '../index.mjs';
import { sessions } from '../fastify.mjs';
import { Daemon, silent, until } from './support.mjs';

let daemon;
let client;
before(async () => {
  daemon = await Daemon.start();
  client = new Client({ socket: daemon.socket });
});
after(() => daemon.stop());

const headersOf = ({ token, cookie }) => ({ authorization: `Bearer ${token}`, cookie: `jwt_keeper=${cookie.value}` });

async function due() {
  const minted = await client.issue({ sub: '1', role: 'reader' });
  await client.flagJti(minted.jti);
  return minted;
}

test('a due token is rotated, and what the app sets stays', async () => {
  const minted = await due();
  const app = fastify();
  const regenerateClaims = (old, request) => ({ role: `${old.claims.role} of ${request.url}` });
  app.get('/', { onRequest: sessions(client, { regenerateClaims }) }, async (request, reply) => {
    reply.header('Set-Cookie', 'theme=dark').header('Cache-Control', 'public, max-age=60');
    return request.jwtkeeper.claims;
  });
  const response = await app.inject({ url: '/', headers: headersOf(minted) });
  assert.equal(response.statusCode, 200);
  assert.equal(response.json().role, 'reader of /');
  const names = [response.headers['set-cookie']].flat().map((line) => line.split('=')[0]);
  assert.deepEqual(names, ['jwt_keeper', 'theme']);
  assert.equal(response.headers['cache-control'], 'no-store');
  const token = response.headers.authorization.replace('Bearer ', '');
  assert.notEqual(token, minted.token);
});

test('a login and a logout inside', async () => {
  const minted = await due();
  const app = fastify();
  app.addHook('onRequest', sessions(client));
  app.post('/logout', async (request, reply) => {
    await request.jwtkeeper.logout(reply);
    reply.code(204);
  });
  const response = await app.inject({ method: 'POST', url: '/logout', headers: headersOf(minted) });
  assert.equal(response.statusCode, 204);
  assert.equal(response.headers.authorization, undefined);
  assert.match([response.headers['set-cookie']].flat().join(), /^jwt_keeper=;.*Max-Age=0/);
  assert.equal((await client.validate(minted.token, minted.cookie.value)).reason, 'revoked');
});

test('refusals, as they are and as the app writes them', async () => {
  const app = fastify();
  app.get('/', { onRequest: sessions(client) }, async () => 'never');
  const refuse = (request, reply, { reason }) => reply.send({ reason });
  app.get('/own', { onRequest: sessions(client, { refuse }) }, async () => 'never');
  const headers = { authorization: 'Bearer a.b.c' };
  const plain = await app.inject({ url: '/', headers });
  assert.deepEqual([plain.statusCode, plain.body], [401, 'Unauthorized']);
  assert.match(plain.headers['www-authenticate'], /invalid_token/);
  const own = await app.inject({ url: '/own', headers });
  assert.deepEqual([own.statusCode, own.json().reason], [401, 'malformed']);
});

test("the Express middleware fails clearly in Fastify's hooks, before rotation is due", async () => {
  const minted = await client.issue();
  const app = fastify();
  const middleware = express(client);
  app.get('/', { onRequest: (request, reply, done) => void middleware(request, reply, done) }, async () => 'hello');
  const response = await app.inject({ url: '/', headers: headersOf(minted) });
  assert.equal(response.statusCode, 500);
  assert.match(response.json().message, /for Fastify use jwtkeeper\/fastify/);
});

test('an outage is logged once at its start and once at its end', async () => {
  const lines = [];
  const { socket, close } = await silent();
  const minted = await client.issue();
  const stalled = new Client({ socket, deadline: 100, connectTimeout: 100 });
  let using = stalled;
  const hook = sessions({ authenticate: (...given) => using.authenticate(...given) }, { log: (line) => lines.push(line) });
  const app = fastify();
  app.get('/', { onRequest: hook }, async () => 'hello');
  const ask = async () => (await app.inject({ url: '/', headers: headersOf(minted) })).statusCode;
  for (let request = 0; request < 3; request++) assert.equal(await ask(), 503);
  assert.equal(lines.length, 1);
  assert.match(lines[0], /does not answer/);
  using = client;
  await until('its end is logged', async () => (await ask()) === 200 && lines.length > 1);
  assert.match(lines[1], /answers again: 3 requests got 503/);
  assert.ok(!lines.join().includes(minted.token));
  await close();
});

test('authenticate is a primitive', async () => {
  const minted = await due();
  const outcome = await client.authenticate(new Headers(headersOf(minted)), { regenerateClaims: () => ({ role: 'new' }) });
  assert.deepEqual([outcome.status, outcome.claims.role], [200, 'new']);
  assert.equal(outcome.claims, outcome.session.claims, 'parsed once');
  assert.equal(outcome.headers.Authorization, `Bearer ${outcome.token}`);
  assert.equal(outcome.headers['Cache-Control'], 'no-store');
  assert.ok(outcome.headers['Set-Cookie'].startsWith('jwt_keeper='));
  assert.ok(!inspect(outcome, { depth: 9 }).includes(outcome.token));
  const none = await client.authenticate({});
  assert.deepEqual([none.status, none.reason, none.headers['WWW-Authenticate']], [401, null, 'Bearer']);
  assert.equal((await client.authenticate({ authorization: 'Bearer a.b.c' })).reason, 'malformed');
});
