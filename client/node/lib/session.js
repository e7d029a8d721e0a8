'use strict';

// The session flow without a framework: authenticates a request by its headers.

const { STATUS_CODES } = require('node:http');
const { bytes, c, failure } = require('./library');
const { Minted, keepFromCaches, putCookie, putHeader } = require('./answers');
const { callable, known } = require('./options');

class Session {
  #client;
  #claimsText;
  #claims;
  #token;
  #cookie;

  constructor(client, claimsText, token, cookie) {
    this.#client = client;
    this.#claimsText = claimsText;
    this.#token = token;
    this.#cookie = cookie;
  }

  get claimsText() {
    return this.#claimsText;
  }

  get claims() {
    this.#claims ??= JSON.parse(this.#claimsText);
    return this.#claims;
  }

  get token() {
    return this.#token;
  }

  get cookie() {
    return this.#cookie;
  }

  async logout(response) {
    await this.#client.revokeToken(this.#token, this.#cookie);
    response.removeHeader('Authorization');
    putCookie(response, await this.#client.clearCookie());
  }
}

/** The result of authenticating a request. The token in `headers` is a private field: util.inspect does not show it. */
class Outcome {
  #headers;

  constructor({ status, session = null, reason = null, error = null, putOff = null, headers = {} }) {
    this.status = status;
    this.session = session;
    this.reason = reason;
    this.error = error;
    this.putOff = putOff;
    this.#headers = headers;
  }

  get claims() {
    return this.session?.claims ?? null;
  }

  get token() {
    return this.session?.token ?? null;
  }

  get headers() {
    return this.#headers;
  }

  writeTo(response) {
    if (this.status === 401) {
      response.removeHeader('Authorization');
    }
    for (const [name, value] of Object.entries(this.#headers)) {
      if (name === 'Set-Cookie') {
        putCookie(response, value);
      } else {
        putHeader(response, name, value);
      }
    }
    if ('Authorization' in this.#headers) keepFromCaches(response);
  }
}

/** Judges a request. `regenerateClaims` is asked for new claims when rotation is due. */
async function authenticate(client, headers, options = {}) {
  known(options, ['regenerateClaims'], 'authenticate');
  const regenerate = callable('regenerateClaims', options.regenerateClaims);
  const cookies = header(headers, 'cookie') || null;
  const presented = [...bytes(header(headers, 'authorization'), 'latin1'), ...bytes(cookies, 'latin1')];
  return client.withReply(async (reply, call) => {
    // No answer in time: it is as if the daemon could not answer, and the reply is no longer ours.
    const unasked = (error) => {
      if (!error.temporary) throw error;
      return error;
    };
    let code = await call(c.session_authenticate, ...presented).catch(unasked);
    if (code instanceof Error) {
      return refusal(503, code);
    }
    const cookie = reply.text('presented_cookie');
    if (code === 0 && reply.number('cause') !== 0) {
      const old = new Session(client, reply.text('claims'), reply.text('presented'), cookie);
      const claims = await regenerate?.(old);
      code = await call(c.session_rotate, ...bytes(claimsText(claims))).catch(unasked);
      if (code instanceof Error) {
        return new Outcome({ status: 200, session: old, putOff: code.message });
      }
    }
    return outcome(client, reply, code, cookie);
  });
}

function outcome(client, reply, code, cookie) {
  const status = reply.number('status');
  const message = reply.text('message');
  if (code !== 0) {
    return refusal(status, failure(code, message));
  }
  if (status === 401) {
    const headers = { 'WWW-Authenticate': reply.text('challenge') };
    const clear = reply.text('set_cookie');
    if (clear) {
      headers['Set-Cookie'] = clear;
    }
    const reason = reply.number('reason');
    return new Outcome({ status, headers, reason: reason === 0 ? null : c.reason_name(reason) });
  }
  if (reply.text('token') === null) {
    const session = new Session(client, reply.text('claims'), reply.text('presented'), cookie);
    return new Outcome({ status, session, putOff: message || null });
  }
  const minted = new Minted(reply);
  const session = new Session(client, minted.claimsText, minted.token, minted.cookie?.value ?? null);
  return new Outcome({ status, session, headers: minted.headers });
}

function refusal(status, error) {
  return new Outcome({ status, error, headers: status === 503 ? { 'Retry-After': '1' } : {} });
}

/** A header of Node's request, or of a Headers object. */
function header(headers, name) {
  const value = typeof headers.get === 'function' ? headers.get(name) : headers[name];
  return Array.isArray(value) ? value.join('; ') : value;
}

/** The body of a refusal that the app does not write itself. */
const bodyOf = (status) => STATUS_CODES[status];

/** Claims to give: an object, or a JSON object as text, which keeps the digits of its numbers. */
function claimsText(claims) {
  if (claims === null || claims === undefined || typeof claims === 'string' || claims instanceof Uint8Array) {
    return claims;
  }
  const text = JSON.stringify(claims);
  if (text === undefined) {
    throw new TypeError(`claims must be an object or JSON text, not a ${typeof claims}`);
  }
  return text;
}

module.exports = { Session, Outcome, authenticate, bodyOf, claimsText };
