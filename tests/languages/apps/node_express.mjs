// The conformance app of Node: what tests/session_flow.json says, in Express.

import express from '../../../client/node/node_modules/express/index.js';
import { Client, sessions } from '../../../client/node/index.mjs';

const client = new Client({
  realm: process.env.JWTKEEPER_TEST_REALM,
  deadline: Number(process.env.JWTKEEPER_TEST_DEADLINE_MS),
});
const protect = sessions(client, { regenerateClaims: (old, request) => request.get('X-Regenerate') });

const app = express();
// A response with a token must not be stored, whatever the handler says.
const cached = { 'Cache-Control': 'public, max-age=60' };
app.get('/', protect, (request, response) => response.set(cached).type('json').send(request.jwtkeeper.claimsText));
app.get('/open', (request, response) => response.send('open'));
const server = app.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
