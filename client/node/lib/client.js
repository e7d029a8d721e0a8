'use strict';

// The client: every operation of the daemon. Calls wait on koffi's threads; the event loop goes on.

const { promisify } = require('node:util');
const { bytes, c, failure, Reply } = require('./library');
const { Minted, Verdict } = require('./answers');
const { claimsText } = require('./session');

const NOW = -1;
const REALM_EXPIRY = -1;
/** As libjwtkeeper has it, in milliseconds. */
const DEADLINE = 5000;

/**
 * The calls under way in this thread of Node. They wait on libuv's pool, which fs and dns use too: one of its threads is
 * left to those, so that a daemon that stalls holds up nothing else. More calls wait their turn, each up to its deadline.
 */
const turns = {
  free: Math.max(1, (Number(process.env.UV_THREADPOOL_SIZE) || 4) - 1),
  waiting: new Set(),
  /** What calls under way were given: a thread reads it, so it must not be collected. */
  given: new Set(),

  take(deadline) {
    if (this.free > 0) {
      this.free -= 1;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const next = () => {
        clearTimeout(timer);
        this.waiting.delete(next);
        resolve();
      };
      const timer = setTimeout(() => {
        this.waiting.delete(next);
        reject(failure(TIMEOUT, `no turn came within ${deadline} ms: the daemon stalls, or UV_THREADPOOL_SIZE is small`));
      }, deadline);
      this.waiting.add(next);
    });
  },

  giveBack() {
    const [next] = this.waiting;
    if (next) {
      next();
    } else {
      this.free += 1;
    }
  },

  async call(call, given, deadline) {
    await this.take(deadline);
    this.given.add(given);
    try {
      return await later(call)(...given);
    } finally {
      this.given.delete(given);
      this.giveBack();
    }
  },
};
const TIMEOUT = 301;

const asynchronous = new Map();
const lost = new FinalizationRegistry((handle) => c.client_free(handle));

class Client {
  #handle;
  #replies = [];
  #deadline;

  constructor(options = {}) {
    this.#handle = options.handle ?? open(options);
    this.#deadline = options.deadline ?? DEADLINE;
    lost.register(this, this.#handle);
  }

  forRealm(realm) {
    const other = [null];
    const code = c.client_for_realm(this.#handle, ...bytes(realm), other);
    if (code !== 0) {
      throw failure(code);
    }
    return new Client({ handle: other[0], deadline: this.#deadline });
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

  /** For the session flow: calls upon one reply, one after the other. Between them no turn is kept. */
  async withReply(work) {
    const reply = this.#replies.pop() ?? new Reply();
    const answer = await work(reply, (call, ...given) =>
      turns.call(call, [this.#handle, ...given, reply.handle], this.#deadline),
    );
    // After an exception it is not kept.
    this.#replies.push(reply);
    return answer;
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
