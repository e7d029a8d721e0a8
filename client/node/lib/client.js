'use strict';

// The client: every operation of the daemon. Calls wait on koffi's threads; the event loop goes on.

const { promisify } = require('node:util');
const { bytes, c, failure, Reply } = require('./library');
const { Minted, Verdict } = require('./answers');
const { claimsText } = require('./session');

const NOW = -1;
const REALM_EXPIRY = -1;
/** Calls at once; more wait their turn. koffi refuses a call when 256 are under way. */
const AT_ONCE = 128;

const asynchronous = new Map();
const lost = new FinalizationRegistry((handle) => c.client_free(handle));

class Client {
  #handle;
  #replies = [];
  #free = AT_ONCE;
  #waiting = [];
  /** What calls under way were given: a thread reads it, so it must not be collected. */
  #given = new Set();

  constructor(options = {}) {
    this.#handle = options.handle ?? open(options);
    lost.register(this, this.#handle);
  }

  forRealm(realm) {
    const other = [null];
    const code = c.client_for_realm(this.#handle, ...bytes(realm), other);
    if (code !== 0) {
      throw failure(code);
    }
    return new Client({ handle: other[0] });
  }

  ping() {
    return this.#ask(c.ping, [], () => undefined);
  }

  issue(claims, { ttl } = {}) {
    const seconds = ttl ?? REALM_EXPIRY;
    if (!Number.isInteger(seconds) || (ttl !== undefined && ttl < 0)) {
      throw new RangeError('ttl is a whole number of seconds, not less than 0');
    }
    return this.#ask(c.issue, [...bytes(claimsText(claims)), seconds], (reply) => new Minted(reply));
  }

  validate(token, cookie) {
    return this.#ask(c.validate, [...bytes(token), ...bytes(cookie)], (reply) => new Verdict(reply));
  }

  validateSync(token, cookie) {
    const reply = this.#replies.pop() ?? new Reply();
    try {
      reply.check(c.validate(this.#handle, ...bytes(token), ...bytes(cookie), reply.handle));
      return new Verdict(reply);
    } finally {
      this.#replies.push(reply);
    }
  }

  rotate(token, cookie, { claims } = {}) {
    const given = [...bytes(token), ...bytes(cookie), ...bytes(claimsText(claims))];
    return this.#ask(c.rotate, given, (reply) => (reply.number('valid') === 1 ? new Minted(reply) : invalid(reply)));
  }

  flagJti(jti) {
    return this.#ask(c.flag_jti, bytes(jti), () => undefined);
  }

  flagSubject(subject, before) {
    return this.#ask(c.flag_subject, [...bytes(subject), moment(before)], () => undefined);
  }

  revokeToken(token, cookie) {
    return this.#ask(c.revoke_token, [...bytes(token), ...bytes(cookie)], (reply) =>
      reply.number('reason') === 0 ? { valid: true } : invalid(reply),
    );
  }

  revokeJti(jti) {
    return this.#ask(c.revoke_jti, bytes(jti), () => undefined);
  }

  revokeSession(session) {
    return this.#ask(c.revoke_session, bytes(session), () => undefined);
  }

  revokeSubject(subject, before) {
    return this.#ask(c.revoke_subject, [...bytes(subject), moment(before)], () => undefined);
  }

  revokeIssuedBefore(before) {
    return this.#ask(c.revoke_issued_before, [moment(before)], () => undefined);
  }

  status(jti) {
    return this.#ask(c.status, bytes(jti), (reply) => ({
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
    return this.#ask(c.import, [], (reply) => ({ entries: reply.number('entries'), owed: reply.number('owed') }));
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

  /** For the session flow: calls upon one reply, one after the other. */
  async withReply(work) {
    if (this.#free === 0) {
      await new Promise((resolve) => this.#waiting.push(resolve));
    } else {
      this.#free -= 1;
    }
    const reply = this.#replies.pop() ?? new Reply();
    try {
      return await work(reply, async (call, ...given) => {
        this.#given.add(given);
        try {
          return await later(call)(this.#handle, ...given, reply.handle);
        } finally {
          this.#given.delete(given);
        }
      });
    } finally {
      this.#replies.push(reply);
      const next = this.#waiting.shift();
      if (next) {
        next();
      } else {
        this.#free += 1;
      }
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

function open(options) {
  const config = c.config_new();
  const set = (name, ...value) => {
    const code = c[`config_set_${name}`](config, ...value);
    if (code !== 0) {
      throw failure(code, `${name} is not right`);
    }
  };
  try {
    const { socket, realm, name, deadline, connectTimeout, serverUid, maxIdle, cookie } = options;
    if (socket !== undefined) set('socket', ...bytes(socket));
    if (realm !== undefined) set('realm', ...bytes(realm));
    if (name !== undefined) set('name', ...bytes(name));
    if (deadline !== undefined) set('deadline_ms', deadline);
    if (connectTimeout !== undefined) set('connect_timeout_ms', connectTimeout);
    if (serverUid !== undefined) set('server_uid', serverUid);
    if (maxIdle !== undefined) set('max_idle', maxIdle);
    if (cookie !== undefined) {
      const { name: called = 'jwt_keeper', domain = null, path = '/', secure = true } = cookie;
      set('cookie', ...bytes(called), ...bytes(domain), ...bytes(path), secure ? 1 : 0);
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

function invalid(reply) {
  return { valid: false, reason: c.reason_name(reply.number('reason')) };
}

/** A moment: a Date, milliseconds since 1970-01-01T00:00:00Z, or nothing for the time of the call. */
function moment(before) {
  if (before === undefined) {
    return NOW;
  }
  const time = Number(before);
  if (!Number.isInteger(time) || time < 0) {
    throw new RangeError('before is a Date, or whole milliseconds since 1970-01-01T00:00:00Z');
  }
  return time;
}

module.exports = { Client };
