// What the cases of tests/session_flow.json do not show of the middleware.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import express from 'express';
import { Client, sessions } from '../index.mjs';
import { Daemon, silent } from './support.mjs';

let daemon;
let client;
before(async () => {
  daemon = await Daemon.start();
  client = new Client({ socket: daemon.socket });
});
after(() => daemon.stop());

/** Asks an app that `build` makes, with a token whose rotation is due. */
async function ask(build, using = client) {
  const minted = await client.issue({ sub: '1', role: 'reader' });
  await client.flagJti(minted.jti);
  const app = express();
  app.set('env', 'test');
  build(app, using);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const headers = { authorization: `Bearer ${minted.token}`, cookie: `jwt_keeper=${minted.cookie.value}` };
  const response = await fetch(`http://127.0.0.1:${server.address().port}/`, { headers });
  const body = await response.text();
  server.close();
  return { response, body, minted };
}

test("the app's own cookies stay", async () => {
  const { response } = await ask((app, client) => {
    app.use((request, response, next) => {
      response.cookie('theme', 'dark');
      next();
    });
    app.get('/', sessions(client), (request, response) => response.cookie('late', '1').send('hello'));
  });
  const names = response.headers.getSetCookie().map((cookie) => cookie.split('=')[0]);
  assert.deepEqual(names, ['theme', 'jwt_keeper', 'late']);
});

test('a login inside wins', async () => {
  const other = await client.issue({ sub: '2' });
  const { response } = await ask((app, client) => {
    app.get('/', sessions(client), (request, response) => {
      other.writeTo(response);
      response.end();
    });
  });
  assert.equal(response.headers.get('authorization'), `Bearer ${other.token}`);
  assert.deepEqual(response.headers.getSetCookie(), [other.cookie.setCookie]);
});

test('a logout inside clears', async () => {
  let session;
  const { response } = await ask((app, client) => {
    app.get('/', sessions(client), async (request, response) => {
      session = request.jwtkeeper;
      await session.logout(response);
      response.sendStatus(204);
    });
  });
  assert.equal(response.headers.get('authorization'), null);
  assert.match(response.headers.getSetCookie()[0], /^jwt_keeper=;.*Max-Age=0/);
  assert.equal((await client.validate(session.token, session.cookie)).reason, 'revoked');
});

test('regenerateClaims may wait, and ask the daemon', async () => {
  const { body } = await ask((app, client) => {
    const regenerateClaims = async (old, request) => {
      await client.ping();
      assert.equal(request.path, '/');
      return { role: `${old.claims.role}+` };
    };
    app.get('/', sessions(client, { regenerateClaims }), (request, response) =>
      response.send(request.jwtkeeper.claims.role),
    );
  });
  assert.equal(body, 'reader+');
});

test('what regenerateClaims throws is the app’s to answer', async () => {
  const { response, body } = await ask((app, client) => {
    const regenerateClaims = () => {
      throw new Error('no such user');
    };
    app.get('/', sessions(client, { regenerateClaims }), (request, response) => response.end());
    app.use((error, request, response, next) => response.status(409).send(error.message));
  });
  assert.deepEqual([response.status, body], [409, 'no such user']);
});

test('what could not be judged is logged without the token', async () => {
  const away = new Client({ socket: '/nowhere/jwtkeeper.sock', deadline: 1000 });
  const lines = [];
  const { response, minted } = await ask((app, client) => {
    app.get('/', sessions(client, { log: (line) => lines.push(line) }), (request, response) => response.end());
  }, away);
  assert.equal(response.status, 503);
  assert.match(lines[0], /no jwtkeeperd answers at \/nowhere\/jwtkeeper\.sock/);
  assert.ok(!lines[0].includes(minted.token));
});

test('more requests than have a turn are answered 503 while the daemon stalls', async () => {
  const { socket, close } = await silent();
  const app = express();
  const stalled = new Client({ socket, deadline: 200, connectTimeout: 200 });
  app.get('/', sessions(stalled, { log: () => {} }), (request, response) => response.end());
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const request = () =>
    fetch(`http://127.0.0.1:${server.address().port}/`, { headers: { authorization: 'Bearer a.b.c' } });
  const responses = await Promise.all(Array.from({ length: 40 }, request));
  const said = responses.map((response) => `${response.status} ${response.headers.get('retry-after')}`);
  assert.deepEqual([...new Set(said)], ['503 1']);
  server.close();
  await close();
});

test('a response with a token is not stored, whatever the handler sets', async () => {
  const handlers = [
    (request, response) => response.set('Cache-Control', 'public, max-age=60').send('hello'),
    (request, response) => response.writeHead(200, { 'Cache-Control': 'public, max-age=60' }).end('hello'),
    (request, response) => response.writeHead(200, 'fine', ['Cache-Control', 'public, max-age=60']).end('hello'),
    (request, response) => response.writeHead(200, { 'cache-control': ['public', 'max-age=60'] }).end('hello'),
  ];
  for (const handler of handlers) {
    const { response } = await ask((app, client) => app.get('/', sessions(client), handler));
    assert.notEqual(response.headers.get('authorization'), null);
    assert.equal(response.headers.get('cache-control'), 'no-store');
  }
});

test('other headers that the handler gives writeHead are sent', async () => {
  const cookies = ['theme=dark', 'size=2'];
  const handlers = [
    (request, response) => response.writeHead(200, undefined, { 'X-A': '1', 'X-Cookies': cookies }).end('hello'),
    (request, response) => response.writeHead(200, ['X-Cookies', cookies, 'X-A', '1']).end('hello'),
    (request, response) => response.writeHead(200, [['X-Cookies', cookies], ['X-A', '1']]).end('hello'),
  ];
  for (const handler of handlers) {
    const { response } = await ask((app, client) => app.get('/', sessions(client), handler));
    assert.equal(response.headers.get('x-a'), '1');
    assert.equal(response.headers.get('x-cookies'), 'theme=dark, size=2');
    assert.equal(response.headers.get('cache-control'), 'no-store');
  }
});

test('a logout of a subject without a time is now', async () => {
  const minted = await client.issue({ sub: 'gone' });
  await client.revokeSubject('gone', null);
  assert.equal((await client.validate(minted.token, minted.cookie.value)).reason, 'revoked');
});

test('claims may be bytes', async () => {
  const minted = await client.issue(new TextEncoder().encode('{"sub":"7"}'));
  assert.equal(minted.claims.sub, '7');
});
