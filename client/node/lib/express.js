'use strict';

// The session flow for Express, and whatever else takes (request, response, next) of node:http.

const { bodyOf } = require('./session');
const { callable, known } = require('./options');
const { Reporter, warn } = require('./report');

const SESSION = 'jwtkeeper';

/**
 * Lets requests through that have a valid token, as `request.jwtkeeper`, and rotates tokens that are due. A request
 * without one is answered 401, one that cannot be judged now 503; where the set-up is wrong, or the app's new claims are,
 * next(error) is called.
 */
function sessions(client, options = {}) {
  const { regenerateClaims, refuse = plain, reporter } = settings(options);
  return async function jwtkeeper(request, response, next) {
    let outcome;
    try {
      if (typeof response?.setHeader !== 'function' || typeof response.end !== 'function') {
        throw new TypeError('this middleware is for Express and node:http; for Fastify use jwtkeeper/fastify');
      }
      const regenerate = regenerateClaims && ((old) => regenerateClaims(old, request));
      outcome = await client.authenticate(request.headers, { regenerateClaims: regenerate });
      reporter.note(outcome);
      if (outcome.status === 500) {
        throw outcome.error;
      }
      outcome.writeTo(response);
      if (!outcome.session) {
        response.statusCode = outcome.status;
        return await refuse(request, response, outcome);
      }
      request[SESSION] = outcome.session;
    } catch (error) {
      return next(error);
    }
    return next();
  };
}

/** The options of middleware. */
function settings(options) {
  known(options, ['regenerateClaims', 'refuse', 'log'], 'sessions');
  const { regenerateClaims, refuse, log = warn } = options;
  callable('regenerateClaims', regenerateClaims);
  callable('refuse', refuse);
  return { regenerateClaims, refuse, reporter: new Reporter(callable('log', log)) };
}

function plain(request, response, { status }) {
  response.setHeader('Content-Type', 'text/plain');
  response.end(bodyOf(status));
}

module.exports = { sessions, settings, SESSION };
