'use strict';

// The session flow for Fastify: a hook for onRequest, of a route, of a plugin's scope, or of the whole app.

const { bodyOf } = require('./session');
const { SESSION, settings } = require('./express');

/** The same as `sessions` for Express; what is wrong with the set-up is thrown to Fastify's error handler. */
function sessions(client, options = {}) {
  const { regenerateClaims, refuse = plain, reporter } = settings(options);
  return async function jwtkeeper(request, reply) {
    const regenerate = regenerateClaims && ((old) => regenerateClaims(old, request));
    const outcome = await client.authenticate(request.headers, { regenerateClaims: regenerate });
    reporter.note(outcome);
    if (outcome.status === 500) {
      throw outcome.error;
    }
    outcome.writeTo(reply);
    if (outcome.session) {
      request[SESSION] = outcome.session;
      return undefined;
    }
    reply.code(outcome.status);
    await refuse(request, reply, outcome);
    return reply;
  };
}

function plain(request, reply, { status }) {
  reply.type('text/plain').send(bodyOf(status));
}

module.exports = { sessions };
