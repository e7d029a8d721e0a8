'use strict';

// What the daemon answers. Tokens, cookie secrets and claims are private fields: util.inspect and JSON.stringify do not
// show them.

const { c } = require('./library');

const KEPT = Symbol('jwtkeeper.keepFromCaches');

class Verdict {
  #claimsText;
  #claims;

  constructor(reply) {
    this.valid = reply.number('valid') === 1;
    const [reason, cause] = [reply.number('reason'), reply.number('cause')];
    this.reason = reason === 0 ? null : c.reason_name(reason);
    this.rotation = cause === 0 ? null : c.cause_name(cause);
    this.#claimsText = reply.text('claims');
  }

  get claimsText() {
    return this.#claimsText;
  }

  get claims() {
    this.#claims ??= this.#claimsText === null ? null : JSON.parse(this.#claimsText);
    return this.#claims;
  }
}

class Cookie {
  #value;
  #setCookie;

  constructor(reply) {
    this.name = reply.text('cookie_name');
    this.#value = reply.text('cookie_value');
    this.expiresAt = reply.number('cookie_expires_at');
    this.domain = reply.text('cookie_domain');
    this.path = reply.text('cookie_path');
    this.secure = reply.number('cookie_secure') === 1;
    this.httpOnly = reply.number('cookie_http_only') === 1;
    this.sameSite = reply.text('cookie_same_site');
    this.#setCookie = reply.text('set_cookie');
  }

  get value() {
    return this.#value;
  }

  get setCookie() {
    return this.#setCookie;
  }
}

class Minted {
  #token;
  #claimsText;
  #claims;
  #cookie;

  constructor(reply) {
    this.#token = reply.text('token');
    this.jti = reply.text('jti');
    this.expiresAt = reply.number('expires_at');
    this.#claimsText = reply.text('claims');
    this.#cookie = reply.text('cookie_name') === null ? null : new Cookie(reply);
  }

  get valid() {
    return true;
  }

  get token() {
    return this.#token;
  }

  get cookie() {
    return this.#cookie;
  }

  get claimsText() {
    return this.#claimsText;
  }

  get claims() {
    this.#claims ??= JSON.parse(this.#claimsText);
    return this.#claims;
  }

  /** The headers of a response that carries it. Such a response must not be stored by caches. */
  get headers() {
    const cookie = this.#cookie === null ? {} : { 'Set-Cookie': this.#cookie.setCookie };
    return { Authorization: `Bearer ${this.#token}`, 'Cache-Control': 'no-store', ...cookie };
  }

  /** Gives it to the browser: the Authorization header, and Set-Cookie where the realm locks. */
  writeTo(response) {
    putHeader(response, 'Authorization', `Bearer ${this.#token}`);
    putHeader(response, 'Cache-Control', 'no-store');
    putCookie(response, this.#cookie?.setCookie);
    keepFromCaches(response);
  }
}

/** Keeps `Cache-Control: no-store` on a response with a token, whatever its handler sets before the headers are sent. */
function keepFromCaches(response) {
  const raw = response.raw ?? response;
  if (typeof raw.writeHead !== 'function' || raw[KEPT]) {
    return;
  }
  const writeHead = raw.writeHead;
  raw[KEPT] = true;
  raw.writeHead = function keeping(status, ...given) {
    // A reason phrase, headers, or both. Fastify gives all headers here.
    if (!this.hasHeader('Authorization') && !given.some((part) => hasName(part, 'authorization'))) {
      return writeHead.call(this, status, ...given);
    }
    this.setHeader('Cache-Control', 'no-store');
    return writeHead.call(this, status, ...given.map((part) => withoutName(part, 'cache-control')));
  };
}

const isHeaders = (part) => part !== null && typeof part === 'object';
const isNamed = (entry, name) => String(entry).toLowerCase() === name;
/** Names and values in turn: node:http takes no list of pairs once a header is set. */
const inTurn = (list) => (Array.isArray(list[0]) ? list.flat(1) : list);

/** Returns true if headers for writeHead, an object or a list, have this name. */
function hasName(part, name) {
  const list = isHeaders(part) ? inTurn(Array.isArray(part) ? part : Object.entries(part)) : [];
  return list.some((entry, index) => index % 2 === 0 && isNamed(entry, name));
}

/** The same headers without this name. */
function withoutName(part, name) {
  if (!isHeaders(part)) {
    return part;
  }
  if (!Array.isArray(part)) {
    return Object.fromEntries(Object.entries(part).filter(([entry]) => !isNamed(entry, name)));
  }
  return inTurn(part).filter((_, index, list) => !isNamed(list[index - (index % 2)], name));
}

/** Sets a header of a response of node:http, or of a reply of Fastify. */
function putHeader(response, name, value) {
  if (typeof response.setHeader === 'function') {
    response.setHeader(name, value);
  } else {
    response.header(name, value);
  }
}

/** Sets a cookie in the place of one that the response may set already. */
function putCookie(response, line) {
  if (!line) {
    return;
  }
  const name = line.slice(0, line.indexOf('=') + 1);
  const others = [response.getHeader('Set-Cookie') ?? []].flat().filter((other) => !other.startsWith(name));
  // Fastify adds a cookie to those that are there.
  response.removeHeader('Set-Cookie');
  putHeader(response, 'Set-Cookie', [...others, line]);
}

module.exports = { Verdict, Cookie, Minted, keepFromCaches, putCookie, putHeader };
