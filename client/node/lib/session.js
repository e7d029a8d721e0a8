'use strict';

// The session flow without a framework: what a request's headers come to, and who it then is.

const { bytes, c, failure } = require('./library');
const { Minted, putCookie } = require('./answers');

class Session {
  #client;
  #claimsText;
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
    return JSON.parse(this.#claimsText);
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

/**
 * Judges a request: {status, session, minted, challenge, clear, error, putOff}. `regenerate` is asked for new claims when
 * rotation is due.
 */
async function judge(client, authorization, cookieHeader, regenerate) {
  const cookie = client.findCookie(cookieHeader);
  const presented = [...bytes(authorization, 'latin1'), ...bytes(cookie, 'latin1')];
  return client.withReply(async (reply, call) => {
    // No turn came in time, and the daemon was not asked: it is as if it could not answer.
    const unasked = (error) => {
      if (!error.temporary) throw error;
      return error;
    };
    let code = await call(c.session_authenticate, ...presented).catch(unasked);
    if (code instanceof Error) {
      return { status: 503, error: code };
    }
    const old = () => new Session(client, reply.text('claims'), reply.text('presented'), cookie);
    if (code === 0 && reply.number('cause') !== 0) {
      const claims = await regenerate?.(old());
      code = await call(c.session_rotate, ...bytes(claimsText(claims))).catch(unasked);
      if (code instanceof Error) {
        return { status: 200, session: old(), putOff: code.message };
      }
    }
    const status = reply.number('status');
    const message = reply.text('message');
    if (code !== 0) {
      return { status, error: failure(code, message) };
    }
    if (status === 401) {
      return { status, challenge: reply.text('challenge'), clear: reply.text('set_cookie') };
    }
    if (reply.text('token') === null) {
      return { status, session: old(), putOff: message || null };
    }
    const minted = new Minted(reply);
    return { status, minted, session: new Session(client, minted.claimsText, minted.token, minted.cookie?.value ?? null) };
  });
}

/** Claims to give: an object, or a JSON object as text, which keeps the digits of its numbers. */
function claimsText(claims) {
  if (claims === null || claims === undefined || typeof claims === 'string' || Buffer.isBuffer(claims)) {
    return claims;
  }
  return JSON.stringify(claims);
}

module.exports = { Session, judge, claimsText };
