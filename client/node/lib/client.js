'use strict';

// The client: every operation of the daemon. Calls wait on koffi's threads; the event loop goes on.

const { promisify } = require('node:util');
const { bytes, c, failure, Reply } = require('./library');
const { Minted, Verdict } = require('./answers');
const { authenticate, claimsText } = require('./session');
const { known, presented, seconds, span, text, whole } = require('./options');
const { turns } = require('./turns');

const NOW = -1;
const REALM_EXPIRY = -1;
/** As libjwtkeeper has it, in milliseconds. */
const DEADLINE = 5000;
const OPTIONS = ['socket', 'realm', 'name', 'deadline', 'connectTimeout', 'serverUid', 'maxIdle', 'cookie'];
const COOKIE = ['name', 'domain', 'path', 'secure'];
const MOST_IDLE = 65_536;
/** Replies that are kept for later calls. */
const MOST_REPLIES = 64;
const HIGHEST_UID = 2 ** 32 - 1;

/** What calls under way use: a thread works on it, so it must not be collected, even if nobody waits any more. */
const used = new Set();
const asynchronous = new Map();
const lost = new FinalizationRegistry((handle) => c.client_free(handle));

class Client {
  #options;
  /** Of a client of another realm: that whose connections it uses, and the realm. */
  #parent;
  #realm;
  #handle;
  #replies = [];
  #deadline;

  constructor(options = {}) {
    if (options instanceof Client) {
      [this.#parent, this.#realm] = [options, arguments[1]];
      this.#options = options.#options;
    } else {
      this.#options = checked(options);
    }
    this.#deadline = this.#options.deadline ?? DEADLINE;
    this.#handle = this.#parent ? ofRealm(this.#parent.#handle, this.#realm) : open(this.#options);
    lost.register(this, this.#handle);
  }

  forRealm(realm) {
    return new Client(this.#parent ?? this, text('realm', realm));
  }

  ping() {
    return this.#ask(c.ping, [], () => undefined);
  }

  /** Judges a request by its headers, and rotates a token that is due: see lib/session.js. */
  authenticate(headers, options) {
    return authenticate(this, headers, options);
  }

  issue(claims, options = {}) {
    known(options, ['ttl'], 'issue');
    const ttl = options.ttl === undefined ? REALM_EXPIRY : seconds('ttl', options.ttl);
    return this.#ask(c.issue, [...bytes(claimsText(claims)), ttl], (reply) => new Minted(reply));
  }

  validate(token, cookie) {
    return this.#ask(c.validate, credentials(token, cookie), (reply) => new Verdict(reply));
  }

  validateSync(token, cookie) {
    const reply = this.#replies.pop() ?? new Reply();
    try {
      reply.check(c.validate(this.#handle, ...credentials(token, cookie), reply.handle));
      return new Verdict(reply);
    } finally {
      this.#keep(reply);
    }
  }

  rotate(token, cookie, options = {}) {
    known(options, ['claims'], 'rotate');
    const given = [...credentials(token, cookie), ...bytes(claimsText(options.claims))];
    return this.#ask(c.rotate, given, (reply) => (reply.number('valid') === 1 ? new Minted(reply) : invalid(reply)));
  }

  flagJti(jti) {
    return this.#ask(c.flag_jti, bytes(text('jti', jti)), () => undefined);
  }

  flagSubject(subject, before) {
    return this.#ask(c.flag_subject, [...bytes(text('subject', subject)), moment(before)], () => undefined);
  }

  revokeToken(token, cookie) {
    return this.#ask(c.revoke_token, credentials(token, cookie), (reply) =>
      reply.number('reason') === 0 ? { valid: true } : invalid(reply),
    );
  }

  revokeJti(jti) {
    return this.#ask(c.revoke_jti, bytes(text('jti', jti)), () => undefined);
  }

  revokeSession(session) {
    return this.#ask(c.revoke_session, bytes(text('session', session)), () => undefined);
  }

  revokeSubject(subject, before) {
    return this.#ask(c.revoke_subject, [...bytes(text('subject', subject)), moment(before)], () => undefined);
  }

  revokeIssuedBefore(before) {
    return this.#ask(c.revoke_issued_before, [moment(before)], () => undefined);
  }

  status(jti) {
    return this.#ask(c.status, bytes(text('jti', jti)), (reply) => ({
      state: c.state_name(reply.number('state')),
      until: reply.number('until') || null,
    }));
  }

  jwks() {
    return this.#ask(c.jwks, [], (reply) => JSON.parse(reply.text('document')));
  }

  health() {
    return this.#ask(c.health, [], (reply) => ({
      ready: reply.number('ready') === 1,
      generation: reply.number('generation'),
      document: JSON.parse(reply.text('document')),
    }));
  }

  reload() {
    return this.#ask(c.reload, [], (reply) => reply.number('generation'));
  }

  importStore() {
    return this.#ask(c.import, [], (reply) => ({ entries: reply.number('entries'), pending: reply.number('pending') }));
  }

  findCookie(header) {
    if (!header) {
      return null;
    }
    const given = Buffer.from(`${header}\0`, 'latin1');
    const length = [0];
    // It is a part of `given`, and has its end in `length`.
    const found = c.cookie_find(this.#handle, given, given.length - 1, length);
    return found === null ? null : Buffer.from(found).subarray(0, Number(length[0])).toString('latin1');
  }

  clearCookie() {
    return this.#ask(c.cookie_clear, [], (reply) => reply.text('set_cookie'));
  }

  /** For the session flow: calls that share one reply, one after the other. Between them no turn is kept. */
  async withReply(work) {
    const reply = this.#replies.pop() ?? new Reply();
    let over = true;
    const answer = await work(reply, async (call, ...given) => {
      over = false;
      const code = await turns.run((remaining) => this.#start(call, given, reply, remaining), this.#deadline);
      over = true;
      return code;
    });
    // After an exception it is not kept, nor while a timed-out call may still write to it.
    if (over) {
      this.#keep(reply);
    }
    return answer;
  }

  #keep(reply) {
    if (this.#replies.length < MOST_REPLIES) {
      this.#replies.push(reply);
    }
  }

  async #start(call, given, reply, remaining) {
    // A call that waited for its turn must end in time, too.
    const handle = remaining < this.#deadline / 2 ? withDeadline(this.#handle, remaining) : this.#handle;
    const needed = { client: this, given, reply };
    used.add(needed);
    try {
      return await later(call)(handle, ...given, reply.handle);
    } finally {
      used.delete(needed);
      if (handle !== this.#handle) c.client_free(handle);
    }
  }

  #ask(call, given, read) {
    return this.withReply(async (reply, ask) => {
      reply.check(await ask(call, ...given));
      return read(reply);
    });
  }
}

/** The same function, on a thread. */
function later(call) {
  if (!asynchronous.has(call)) {
    asynchronous.set(call, promisify(call.async));
  }
  return asynchronous.get(call);
}

/** The options of a client, each refused by its name where it is wrong. */
function checked(options) {
  known(options, OPTIONS, 'Client');
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const check = (name, rule) => given[name] === undefined || rule(name, given[name]);
  ['socket', 'realm', 'name'].forEach((name) => check(name, text));
  ['deadline', 'connectTimeout'].forEach((name) => check(name, span));
  check('serverUid', (name, value) => whole(name, value, 0, HIGHEST_UID));
  check('maxIdle', (name, value) => whole(name, value, 0, MOST_IDLE));
  check('cookie', (name, cookie) => {
    known(cookie, COOKIE, name);
    for (const part of ['name', 'domain', 'path']) {
      if (cookie[part] !== undefined && (part === 'name' || cookie[part] !== null)) text(`cookie.${part}`, cookie[part]);
    }
    if (!['undefined', 'boolean'].includes(typeof cookie.secure)) throw new TypeError('cookie.secure must be a boolean');
  });
  return given;
}

function open(options) {
  const config = c.config_new();
  const set = (name, option, ...value) => {
    const code = c[`config_set_${name}`](config, ...value);
    if (code !== 0) {
      throw failure(code, `${option}: ${c.code_meaning(code)}`);
    }
  };
  try {
    const { socket, realm, name, deadline, connectTimeout, serverUid, maxIdle, cookie } = options;
    if (socket !== undefined) set('socket', 'socket', ...bytes(socket));
    if (realm !== undefined) set('realm', 'realm', ...bytes(realm));
    if (name !== undefined) set('name', 'name', ...bytes(name));
    if (deadline !== undefined) set('deadline_ms', 'deadline', deadline);
    if (connectTimeout !== undefined) set('connect_timeout_ms', 'connectTimeout', connectTimeout);
    if (serverUid !== undefined) set('server_uid', 'serverUid', serverUid);
    if (maxIdle !== undefined) set('max_idle', 'maxIdle', maxIdle);
    if (cookie !== undefined) {
      const { name: called = 'jwt_keeper', domain = null, path = '/', secure = true } = cookie;
      set('cookie', 'cookie', ...bytes(called), ...bytes(domain), ...bytes(path), secure ? 1 : 0);
    }
    const client = [null];
    const code = c.client_new(config, client);
    if (code !== 0) {
      throw failure(code);
    }
    return client[0];
  } finally {
    c.config_free(config);
  }
}

/** Another client over the same connections, which must be freed. */
function withDeadline(handle, milliseconds) {
  const other = [null];
  const code = c.client_with_deadline(handle, Math.ceil(milliseconds), other);
  if (code !== 0) {
    throw failure(code);
  }
  return other[0];
}

function ofRealm(handle, realm) {
  const other = [null];
  const code = c.client_for_realm(handle, ...bytes(realm), other);
  if (code !== 0) {
    throw failure(code, `realm: ${c.code_meaning(code)}`);
  }
  return other[0];
}

/** A token and its cookie for C. */
function credentials(token, cookie) {
  return [...bytes(presented(token)), ...bytes(cookie === null || cookie === undefined ? cookie : presented(cookie))];
}

function invalid(reply) {
  return { valid: false, reason: c.reason_name(reply.number('reason')) };
}

/** A moment: a Date, milliseconds since 1970-01-01T00:00:00Z, or nothing for the time of the call. */
function moment(before) {
  if (before === undefined || before === null) {
    return NOW;
  }
  if (typeof before !== 'number' && !(before instanceof Date)) {
    throw new TypeError('before is a Date, or whole milliseconds since 1970-01-01T00:00:00Z');
  }
  const time = Number(before);
  if (!Number.isSafeInteger(time) || time < 0) {
    throw new RangeError('before is a Date, or whole milliseconds since 1970-01-01T00:00:00Z');
  }
  return time;
}

module.exports = { Client };
