'use strict';

// libjwtkeeper as koffi sees it: the functions of jwtkeeper.h, replies, and texts for C.

const koffi = require('koffi');
const { errorOf } = require('./errors');

const path = process.env.JWTKEEPER_LIBRARY || 'libjwtkeeper.so.0';
let loaded;
try {
  loaded = koffi.load(path);
} catch (error) {
  throw new Error(`${error.message}; install libjwtkeeper, or name it in JWTKEEPER_LIBRARY`, { cause: error });
}

koffi.opaque('jwtkeeper_config');
koffi.opaque('jwtkeeper_client');
koffi.opaque('jwtkeeper_reply');

const CLIENT = 'const jwtkeeper_client *client';
const REPLY = 'jwtkeeper_reply *reply';
const CONFIG = 'jwtkeeper_config *config';
/** A text is a pointer and a length. */
const text = (name) => `const uint8_t *${name}, size_t ${name}_len`;
const number = (name) => `int32_t jwtkeeper_reply_${name}(const jwtkeeper_reply *reply)`;
const bigNumber = (name) => `uint64_t jwtkeeper_reply_${name}(const jwtkeeper_reply *reply)`;
// None of these texts holds a NUL: up to it they are whole.
const shown = (name) => `const char *jwtkeeper_reply_${name}(const jwtkeeper_reply *reply, void *length)`;

const PROTOTYPES = [
  'const char *jwtkeeper_version()',
  ...['code_name', 'code_meaning', 'reason_name', 'cause_name', 'state_name'].map(
    (name) => `const char *jwtkeeper_${name}(int32_t code)`,
  ),
  'jwtkeeper_config *jwtkeeper_config_new()',
  `void jwtkeeper_config_free(${CONFIG})`,
  ...['socket', 'realm', 'name'].map((name) => `int32_t jwtkeeper_config_set_${name}(${CONFIG}, ${text('text')})`),
  ...['deadline_ms', 'connect_timeout_ms'].map(
    (name) => `int32_t jwtkeeper_config_set_${name}(${CONFIG}, uint64_t milliseconds)`,
  ),
  `int32_t jwtkeeper_config_set_server_uid(${CONFIG}, uint32_t uid)`,
  `int32_t jwtkeeper_config_set_max_idle(${CONFIG}, size_t max_idle)`,
  `int32_t jwtkeeper_config_set_cookie(${CONFIG}, ${text('name')}, ${text('domain')}, ${text('path')}, int32_t secure)`,
  `int32_t jwtkeeper_client_new(const ${CONFIG}, _Out_ jwtkeeper_client **client)`,
  `int32_t jwtkeeper_client_for_realm(${CLIENT}, ${text('realm')}, _Out_ jwtkeeper_client **other)`,
  `int32_t jwtkeeper_client_with_deadline(${CLIENT}, uint64_t milliseconds, _Out_ jwtkeeper_client **other)`,
  'void jwtkeeper_client_free(jwtkeeper_client *client)',
  ...['ping', 'jwks', 'health', 'reload', 'import', 'cookie_clear'].map(
    (name) => `int32_t jwtkeeper_${name}(${CLIENT}, ${REPLY})`,
  ),
  `int32_t jwtkeeper_issue(${CLIENT}, ${text('claims')}, int64_t ttl, ${REPLY})`,
  ...['validate', 'revoke_token', 'session_authenticate'].map(
    (name) => `int32_t jwtkeeper_${name}(${CLIENT}, ${text('token')}, ${text('cookie')}, ${REPLY})`,
  ),
  `int32_t jwtkeeper_rotate(${CLIENT}, ${text('token')}, ${text('cookie')}, ${text('claims')}, ${REPLY})`,
  ...['flag_jti', 'revoke_jti', 'revoke_session', 'status', 'session_rotate'].map(
    (name) => `int32_t jwtkeeper_${name}(${CLIENT}, ${text('text')}, ${REPLY})`,
  ),
  ...['flag_subject', 'revoke_subject'].map(
    (name) => `int32_t jwtkeeper_${name}(${CLIENT}, ${text('subject')}, int64_t before_ms, ${REPLY})`,
  ),
  `int32_t jwtkeeper_revoke_issued_before(${CLIENT}, int64_t before_ms, ${REPLY})`,
  `const char *jwtkeeper_cookie_find(${CLIENT}, ${text('header')}, _Out_ size_t *value_len)`,
  'jwtkeeper_reply *jwtkeeper_reply_new()',
  `void jwtkeeper_reply_free(${REPLY})`,
  ...['valid', 'reason', 'cause', 'cookie_secure', 'cookie_http_only', 'state', 'ready', 'status'].map(number),
  ...['expires_at', 'cookie_expires_at', 'until', 'generation', 'entries', 'pending'].map(bigNumber),
  ...['message', 'token', 'authorization', 'jti', 'claims', 'set_cookie', 'document', 'challenge', 'presented', 'presented_cookie'].map(shown),
  ...['name', 'value', 'domain', 'path', 'same_site'].map((name) => shown(`cookie_${name}`)),
];

/** Each function by its name without the prefix. */
const c = {};
for (const prototype of PROTOTYPES) {
  const [, name] = /jwtkeeper_(\w+)\(/.exec(prototype);
  try {
    c[name] = loaded.func(prototype);
  } catch (error) {
    throw tooOld(name, error);
  }
}

/** The error of a library that lacks a function: this package is newer than it is. */
function tooOld(name, cause) {
  const version = c.version?.() ?? 'of an unknown version';
  const fault = `libjwtkeeper ${version} (${path}) is too old for this package: it lacks jwtkeeper_${name}`;
  return new Error(`${fault}; install the libjwtkeeper of the same release`, { cause });
}

/** The error of a result. */
function failure(code, message) {
  return errorOf(code, c.code_name(code), message || c.code_meaning(code));
}

/** A text for C, and its length: none for null and undefined. It must be held for as long as the call lasts. */
function bytes(value, encoding = 'utf8') {
  if (value === null || value === undefined) {
    return [null, 0];
  }
  const buffer = typeof value === 'string' ? Buffer.from(value, encoding) : value;
  // An empty text is not none: its pointer must be one.
  return buffer.length === 0 ? [Buffer.alloc(1), 0] : [buffer, buffer.length];
}

const lost = new FinalizationRegistry((handle) => c.reply_free(handle));

/** What one call came to. It serves one call after the other, and no two at once. */
class Reply {
  #handle;

  constructor() {
    this.#handle = c.reply_new();
    lost.register(this, this.#handle);
  }

  get handle() {
    return this.#handle;
  }

  /** What it shows, by its name in jwtkeeper.h. */
  text(name) {
    return c[`reply_${name}`](this.#handle, null);
  }

  number(name) {
    return c[`reply_${name}`](this.#handle);
  }

  /** Throws what a result says. */
  check(code) {
    if (code !== 0) {
      throw failure(code, this.text('message'));
    }
  }
}

module.exports = { c, bytes, failure, Reply, version: () => c.version() };
