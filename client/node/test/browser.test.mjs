// The front end's module, against a real Express app on a real daemon.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import axios from 'axios';
import express from 'express';
import { Session } from '../browser.mjs';
import { Client, sessions } from '../index.mjs';
import { Daemon } from './support.mjs';

let daemon;
let client;
let server;
let origin;
before(async () => {
  daemon = await Daemon.start();
  client = new Client({ socket: daemon.socket, realm: 'shop' });
  const app = express();
  app.post('/login', async (request, response) => {
    (await client.issue({ sub: '42' })).writeTo(response);
    response.sendStatus(204);
  });
  app.get('/profile', sessions(client), (request, response) => response.json(request.jwtkeeper.claims));
  app.get('/busy', (request, response) => response.status(503).end());
  app.get('/away', (request, response) => response.redirect(`http://localhost:${server.address().port}/${request.query.to}`));
  app.get('/attacker', (request, response) => response.set('Authorization', 'Bearer attacker').end());
  app.get('/denied', (request, response) => response.status(401).end());
  app.get('/echo', (request, response) => response.json(request.headers));
  server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${server.address().port}`;
});
after(async () => {
  server.close();
  await daemon.stop();
});

async function loggedIn(options = {}) {
  const session = new Session({ origins: [origin], storage: undefined, ...options });
  await session.fetch(`${origin}/login`, { method: 'POST' });
  assert.equal((await client.validate(session.token)).valid, true);
  return session;
}

const flag = async (token) => client.flagJti((await client.validate(token)).claims.jti);

for (const [how, asking] of [
  ['fetch', (session) => async (path) => (await session.fetch(`${origin}${path}`)).status],
  ['axios', (session) => {
    const instance = session.axios(axios.create({ baseURL: origin }));
    return async (path) => (await instance.get(path).catch((error) => error.response)).status;
  }],
]) {
  test(`${how} follows a rotation, and the session goes on after the old token's end`, async () => {
    const ended = [];
    const session = await loggedIn({ onEnd: () => ended.push(1) });
    const ask = asking(session);
    const first = session.token;
    await flag(first);
    assert.deepEqual(await Promise.all([ask('/profile'), ask('/profile')]), [200, 200]);
    const second = session.token;
    assert.notEqual(second, first);
    assert.equal(await ask('/profile'), 200);
    assert.equal(await ask('/busy'), 503);
    assert.equal(session.token, second, '503 says nothing of the token');
    await client.revokeToken(second);
    assert.equal(await ask('/profile'), 401);
    assert.deepEqual([session.token, ended.length], [null, 1]);
    assert.equal(await ask('/profile'), 401);
    assert.equal(ended.length, 1, 'who is not logged in does not end');
  });
}

test('other origins get no token, and give none', async () => {
  const session = await loggedIn();
  const { token } = session;
  const elsewhere = `http://localhost:${server.address().port}`;
  const headers = await (await session.fetch(`${elsewhere}/echo`)).json();
  assert.equal(headers.authorization, undefined);
  await session.fetch(`${elsewhere}/login`, { method: 'POST' });
  const instance = session.axios(axios.create());
  assert.equal((await instance.get(`${elsewhere}/echo`)).data.authorization, undefined);
  assert.equal(session.token, token);
});

test('a redirect to another origin neither replaces nor ends the session', async () => {
  const session = await loggedIn({ onEnd: () => assert.fail('it ended') });
  const { token } = session;
  const instances = ['http', 'fetch'].map((adapter) => session.axios(axios.create({ adapter })));
  for (const to of ['attacker', 'denied']) {
    await session.fetch(`${origin}/away?to=${to}`);
    assert.equal(session.token, token);
    for (const instance of instances) {
      await instance.get(`${origin}/away?to=${to}`).catch((error) => error.response);
      assert.equal(session.token, token);
    }
  }
});

test('the fetch adapter of axios follows a rotation, through a fetch of the app too', async () => {
  let asked = 0;
  const counting = (...given) => {
    asked += 1;
    return fetch(...given);
  };
  for (const env of [undefined, { fetch: counting }]) {
    const session = await loggedIn();
    session.token = 'old';
    const instance = session.axios(axios.create({ adapter: 'fetch', ...(env && { env }) }));
    const { config } = await instance.get(`${origin}/attacker`);
    assert.equal(session.token, 'attacker');
    const again = await instance.request(config);
    assert.equal(again.config.env.fetch, config.env.fetch);
  }
  assert.equal(asked, 2);
});

test('a response of the fetch adapter of an older axios, whose URL is unknown, is not followed', async () => {
  const session = await loggedIn({ onEnd: () => assert.fail('it ended') });
  const { token } = session;
  const adapter = async (config) => {
    const headers = { authorization: 'Bearer attacker' };
    return { data: '', status: 200, statusText: 'OK', headers, config, request: new Request(config.url) };
  };
  await session.axios(axios.create({ adapter })).get(`${origin}/away`);
  assert.equal(session.token, token);
});

test('a late response replaces no newer token, and logs nobody in again', async () => {
  const waiting = [];
  const slow = async (...given) => {
    const response = await fetch(...given);
    await new Promise((resolve) => waiting.push(resolve));
    return response;
  };
  const storage = new Map();
  const shared = {
    getItem: (key) => storage.get(key) ?? null,
    setItem: (key, value) => storage.set(key, value),
    removeItem: (key) => storage.delete(key),
  };
  const session = await loggedIn({ storage: shared });
  const tab = new Session({ origins: [origin], storage: shared, fetch: slow });
  assert.equal(tab.token, session.token, 'tabs share the token');
  for (const next of [async () => ((session.token = (await client.issue()).token), session.token), () => (session.token = null)]) {
    session.token = (await client.issue()).token;
    await flag(session.token);
    const late = tab.fetch(`${origin}/profile`);
    while (waiting.length === 0) await new Promise(setImmediate);
    const newest = await next();
    waiting.pop()();
    assert.notEqual((await late).headers.get('authorization'), null);
    assert.equal(session.token, newest);
  }
});

test("the caller's own Authorization is kept", async () => {
  const session = await loggedIn();
  const headers = { Authorization: 'Basic abc' };
  const sent = await (await session.fetch(new Request(`${origin}/echo`), { headers })).json();
  assert.equal(sent.authorization, 'Basic abc');
});
