'use strict';

// The session flow for Express, and whatever else takes (request, response, next).

const { STATUS_CODES } = require('node:http');
const { judge } = require('./session');
const { putCookie } = require('./answers');

const SESSION = 'jwtkeeper';

/**
 * Lets requests through that have a valid token, as `request.jwtkeeper`, and rotates tokens that are due. A request
 * without one is answered 401, one that cannot be judged now 503; where the set-up is wrong, or the app's new claims are,
 * next(error) is called.
 */
function sessions(client, { regenerateClaims, log = (message) => console.warn(`jwtkeeper: ${message}`) } = {}) {
  return async function jwtkeeper(request, response, next) {
    let judged;
    try {
      const { authorization, cookie } = request.headers;
      const regenerate = regenerateClaims && ((old) => regenerateClaims(old, request));
      judged = await judge(client, authorization, cookie, regenerate);
    } catch (error) {
      return next(error);
    }
    const { status, session, minted, challenge, clear, error, putOff } = judged;
    if (session) {
      if (putOff) {
        log(putOff);
      }
      minted?.writeTo(response);
      request[SESSION] = session;
      return next();
    }
    if (status === 500) {
      return next(error);
    }
    response.statusCode = status;
    response.setHeader('Content-Type', 'text/plain');
    if (status === 401) {
      response.removeHeader('Authorization');
      response.setHeader('WWW-Authenticate', challenge);
      putCookie(response, clear);
    } else {
      log(error.message);
      response.setHeader('Retry-After', '1');
    }
    return response.end(STATUS_CODES[status]);
  };
}

module.exports = { sessions };
