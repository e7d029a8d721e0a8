// Login, profile and logout with Express. Run `make run` in another terminal, and then in the project's root:
//
//   npm ci --prefix client/node && npm ci --prefix examples/node
//   JWTKEEPER_SOCKET=target/dev/jwtkeeper.sock JWTKEEPER_LIBRARY=target/release/libjwtkeeper.so node examples/node/app.mjs
//
//   curl -i -H 'Content-Type: application/json' -d '{"user":"demo","password":"demo"}' localhost:8080/login
//   TOKEN=...          # what stands behind "Authorization: Bearer" there
//   curl -i -H "Authorization: Bearer $TOKEN" localhost:8080/profile
//   target/release/jwtkeeperctl --socket target/dev/jwtkeeper.sock flag --subject demo   # the next profile brings a new token
//   curl -i -H "Authorization: Bearer $TOKEN" -X POST localhost:8080/logout

import express from 'express';
import { Client, JwtKeeperError, sessions } from 'jwtkeeper';

const client = new Client({ deadline: 2000 });
const protect = sessions(client);
const app = express();

app.post('/login', express.json(), async (request, response) => {
  if (request.body?.user !== 'demo' || request.body?.password !== 'demo') {
    return response.status(401).send('wrong user or password');
  }
  const minted = await client.issue({ sub: request.body.user });
  minted.writeTo(response);
  return response.sendStatus(204);
});

app.get('/profile', protect, (request, response) => response.json({ user: request.jwtkeeper.claims.sub }));

app.post('/logout', protect, async (request, response) => {
  await request.jwtkeeper.logout(response);
  response.sendStatus(204);
});

app.use((error, request, response, next) => {
  if (!(error instanceof JwtKeeperError)) {
    return next(error);
  }
  console.warn(`jwtkeeper: ${error.message}`);
  if (!error.temporary) return response.status(500).send('wrongly set up');
  return response.status(503).set('Retry-After', '1').send('try again later');
});

const port = Number(process.env.PORT ?? 8080);
const server = app.listen(port, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
