/*
 * libjwtkeeper: the client of jwtkeeperd, which alone holds the JWT signing keys of a host.
 * Written from client/capi by its tests; change it there. MIT or Apache-2.0, as you like.
 *
 * API conventions
 *
 * Results.    Functions that can fail return an int32_t: JWTKEEPER_OK (0), or a JWTKEEPER_ERROR_... that says why there
 *             is no answer. "The token is not valid" is an answer. Codes never change their meaning, and new ones may
 *             come: treat one that you do not know as a failure.
 * Handles.    Opaque, made by ..._new and given back once by ..._free, which lets NULL pass. A NULL handle is
 *             JWTKEEPER_ERROR_BAD_ARGUMENT elsewhere.
 * Order.      The handle that is asked, then inputs, then outputs. Outputs are written only on success.
 * Strings in. A pointer and a length in bytes, or JWTKEEPER_NUL for a NUL-terminated string. They are read during the call
 *             alone. Claims are JSON; texts are UTF-8; tokens and cookies, which come from outside, may be any bytes.
 * Strings out. const char *, with a NUL behind its end; `length`, unless NULL, gets the length in bytes. NULL where there
 *             is none. Names, meanings and the version live for ever. What a jwtkeeper_reply shows lives until the
 *             next call that is given the reply is over, which itself may be given it: copy what you keep.
 * Replies.    A call leaves its answer, or its code and message, in the jwtkeeper_reply that it is given. One reply serves
 *             any number of calls, one after the other.
 * Threads.    Any number of threads may use one jwtkeeper_client at once; each gives it a reply of its own. A reply and a
 *             jwtkeeper_config belong to one thread at a time; a call that is given a reply which another thread is just
 *             using returns JWTKEEPER_ERROR_BUSY.
 * fork.       A client may be kept across fork, with calls in flight: a child connects anew and leaves its parent's
 *             connections alone. A reply that a thread was using during fork is not to be used in the child.
 * Signals.    SIGPIPE is never raised; no handler is set; a call goes on after a signal. errno is not meaningful.
 * Deadlines.  Every call ends by the client's deadline, connecting and trying again included. A restart of the daemon costs
 *             time, not errors. No threads are made, and nothing of yours is called back.
 * Secrets.    Tokens and cookie secrets are never in messages. What a reply shows of them is yours to guard.
 */


#ifndef JWTKEEPER_H
#define JWTKEEPER_H

#include <stddef.h>
#include <stdint.h>

/** The version of this header; jwtkeeper_version() is that of the library. */
#define JWTKEEPER_VERSION_MAJOR 0
#define JWTKEEPER_VERSION_MINOR 1
#define JWTKEEPER_VERSION_PATCH 0

/** As a length: the string ends at its NUL. */
#define JWTKEEPER_NUL SIZE_MAX

enum {
    /** As a time: the moment of the call, which a repeated attempt keeps. */
    JWTKEEPER_NOW = -1,
    /** As a ttl: what the realm says. */
    JWTKEEPER_REALM_EXPIRY = -1,
};

/** Results: why there is no answer. */
enum {
    /** Answered. */
    JWTKEEPER_OK = 0,
    /** The frame does not hold a message of this protocol. */
    JWTKEEPER_ERROR_MALFORMED_MESSAGE = 100,
    /** The frame is longer than the limit; the connection is closed. */
    JWTKEEPER_ERROR_FRAME_TOO_LARGE = 101,
    /** The daemon does not speak the client's protocol. */
    JWTKEEPER_ERROR_UNSUPPORTED_PROTOCOL = 102,
    /** The daemon does not know the operation; a newer one may. */
    JWTKEEPER_ERROR_UNKNOWN_OPERATION = 103,
    /** No realm of this name is configured. */
    JWTKEEPER_ERROR_UNKNOWN_REALM = 200,
    /** The claims are not a strict JSON object, or one of them has a wrong type or value. */
    JWTKEEPER_ERROR_BAD_CLAIMS = 201,
    /** The claim comes from the realm or the daemon; the realm's allow_overrides may open some. */
    JWTKEEPER_ERROR_RESERVED_CLAIM = 202,
    /** The token would live longer than the realm's max_lifetime. */
    JWTKEEPER_ERROR_LIFETIME_TOO_LONG = 203,
    /** The token would be longer than validate accepts; send fewer claims. */
    JWTKEEPER_ERROR_TOKEN_TOO_LARGE = 204,
    /** The realm has no signing key: it can only validate. */
    JWTKEEPER_ERROR_VALIDATE_ONLY = 205,
    /** The token comes from a foreign issuer, who alone can rotate it. */
    JWTKEEPER_ERROR_FOREIGN_TOKEN = 206,
    /** A cutoff must not be later than now. */
    JWTKEEPER_ERROR_CUTOFF_IN_FUTURE = 207,
    /** The jti, session or subject is missing, empty or longer than 1024 bytes, or is no complete foreign id. */
    JWTKEEPER_ERROR_BAD_ID = 208,
    /** No daemon answers at the socket; it says nothing of the token. */
    JWTKEEPER_ERROR_UNREACHABLE = 300,
    /** The deadline passed; whether the daemon did what was asked is not known. */
    JWTKEEPER_ERROR_TIMEOUT = 301,
    /** The other end does not keep to the protocol, or does not run as the uid that it should. */
    JWTKEEPER_ERROR_PROTOCOL = 302,
    /** The request is longer than the daemon takes; send fewer claims. */
    JWTKEEPER_ERROR_REQUEST_TOO_LARGE = 303,
    /** The modes of the socket or of its directory keep this process out. */
    JWTKEEPER_ERROR_SOCKET_FORBIDDEN = 304,
    /** An argument is NULL, too long, not UTF-8 or out of range. */
    JWTKEEPER_ERROR_BAD_ARGUMENT = 310,
    /** The reply is in use by another thread; give each thread a reply of its own. */
    JWTKEEPER_ERROR_BUSY = 311,
    /** The reply holds no token whose rotation is due: authenticate first. */
    JWTKEEPER_ERROR_OUT_OF_TURN = 312,
    /** A fault of the library; the call was given up. */
    JWTKEEPER_ERROR_PANICKED = 313,
    /** The peer may not do this in this realm. */
    JWTKEEPER_ERROR_NOT_PERMITTED = 400,
    /** The denylist store cannot answer or cannot store durably; try again. */
    JWTKEEPER_ERROR_UNAVAILABLE = 500,
    /** A limit is reached; try again later. */
    JWTKEEPER_ERROR_OVERLOADED = 501,
    /** The daemon is stopping; connect again. */
    JWTKEEPER_ERROR_SHUTTING_DOWN = 502,
    /** A fault of the daemon; its log says more. */
    JWTKEEPER_ERROR_INTERNAL = 503,
    /** No longer sent: no clock stops a login. */
    JWTKEEPER_ERROR_CLOCK_BEHIND = 504,
    /** The files are not right; what was in effect stays in effect. */
    JWTKEEPER_ERROR_RELOAD_REFUSED = 505,
};

/** Why a token is not valid. */
enum {
    /** Not a JWT in strict compact form, or a claim is missing or has a wrong type. */
    JWTKEEPER_REASON_MALFORMED = 1,
    /** The header's alg is not the algorithm of a key of the realm. */
    JWTKEEPER_REASON_ALGORITHM_NOT_ALLOWED = 2,
    /** The header's kid names no key of the realm, and each of its keys has a name. */
    JWTKEEPER_REASON_UNKNOWN_KEY = 3,
    /** No key of the realm signed it, or its cookie is missing or wrong. */
    JWTKEEPER_REASON_BAD_SIGNATURE = 4,
    /** It lives longer than the realm's max_lifetime. */
    JWTKEEPER_REASON_LIFETIME_TOO_LONG = 5,
    /** Its exp, or its session's whole lifetime, has passed. */
    JWTKEEPER_REASON_EXPIRED = 6,
    /** Its nbf, its iat or the start of its session lies in the future. */
    JWTKEEPER_REASON_NOT_YET_VALID = 7,
    /** Its iss is not the realm's. */
    JWTKEEPER_REASON_WRONG_ISSUER = 8,
    /** None of its aud is the realm's. */
    JWTKEEPER_REASON_WRONG_AUDIENCE = 9,
    /** The realm requires the cookie lock, and it is unlocked or its cookie is missing or wrong. */
    JWTKEEPER_REASON_LOCK_REQUIRED = 10,
    /** It, its session, its subject's logins or its realm's logins were revoked, or it was rotated and the grace is over. */
    JWTKEEPER_REASON_REVOKED = 11,
};

/** Why a valid token should be rotated now. */
enum {
    /** Rotation is not due. */
    JWTKEEPER_CAUSE_NONE = 0,
    /** It was flagged. */
    JWTKEEPER_CAUSE_FLAGGED = 1,
    /** Its ver is not the realm's version. */
    JWTKEEPER_CAUSE_STALE_VERSION = 2,
    /** A retired key signed it. */
    JWTKEEPER_CAUSE_RETIRED_KEY = 3,
    /** It is not locked the way the realm locks now. */
    JWTKEEPER_CAUSE_UNLOCKED = 4,
    /** It has a successor, and the grace is not over: rotate answers with that successor. */
    JWTKEEPER_CAUSE_ROTATED = 5,
    /** It expires within the realm's renew_before. */
    JWTKEEPER_CAUSE_EXPIRING = 6,
};

/** What the denylist says of a jti. */
enum {
    /** There is no entry. */
    JWTKEEPER_STATE_NONE = 0,
    /** Flagged: valid, rotation due. */
    JWTKEEPER_STATE_SOFT = 1,
    /** Revoked. */
    JWTKEEPER_STATE_HARD = 2,
    /** Rotated: its successor has taken its place, or will when the grace is over. */
    JWTKEEPER_STATE_ROTATED = 3,
};


/**
 * A client of one daemon, in one realm. Any number of threads may use one at once, and it may be kept across fork:
 * a child connects anew.
 */
typedef struct jwtkeeper_client jwtkeeper_client;

/**
 * The settings of a client: the socket, the deadlines, the lock cookie. To be used by one thread at a
 * time.
 */
typedef struct jwtkeeper_config jwtkeeper_config;

/**
 * The result of a call. It belongs to one thread at a time, serves any number of calls one after the other, and
 * what it shows lives until the next call that is given it.
 */
typedef struct jwtkeeper_reply jwtkeeper_reply;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * A client that connects when it is first used. `config` is copied; NULL means jwtkeeper_config_new()'s defaults.
 */
int32_t jwtkeeper_client_new(const jwtkeeper_config *config,
                             jwtkeeper_client **client);

/**
 * Another client, of another realm of the same daemon, over the same connections. Each is freed by itself, in any
 * order.
 */
int32_t jwtkeeper_client_for_realm(const jwtkeeper_client *client,
                                   const char *realm,
                                   size_t realm_len,
                                   jwtkeeper_client **other);

/**
 * Creates another client with a deadline of its own, in milliseconds and at least 1, over the same connections: for a
 * call that must end sooner. Each is freed by itself, in any order.
 */
int32_t jwtkeeper_client_with_deadline(const jwtkeeper_client *client,
                                       uint64_t milliseconds,
                                       jwtkeeper_client **other);

/**
 * Gives it back, when no thread uses it any more. NULL is let pass.
 */
void jwtkeeper_client_free(jwtkeeper_client *client);

/**
 * The defaults: the socket that JWTKEEPER_SOCKET names in the environment, or else
 * /run/jwtkeeper/jwtkeeper.sock; the realm `default`; 5 seconds for a call in all. NULL only when something is
 * very wrong.
 */
jwtkeeper_config *jwtkeeper_config_new(void);

/**
 * Gives it back. NULL is let pass.
 */
void jwtkeeper_config_free(jwtkeeper_config *config);

/**
 * The path of the daemon's socket.
 */
int32_t jwtkeeper_config_set_socket(jwtkeeper_config *config, const char *path, size_t path_len);

/**
 * The realm of all calls; empty means the daemon's `default`.
 */
int32_t jwtkeeper_config_set_realm(jwtkeeper_config *config, const char *realm, size_t realm_len);

/**
 * Sets the client's name in the daemon's log: a name and a version, never a secret.
 */
int32_t jwtkeeper_config_set_name(jwtkeeper_config *config, const char *name, size_t name_len);

/**
 * Sets the deadline of a call, in milliseconds, with connecting and trying again; 5000 by default.
 */
int32_t jwtkeeper_config_set_deadline_ms(jwtkeeper_config *config, uint64_t deadline_ms);

/**
 * Sets the deadline of one attempt to connect, in milliseconds; 2000 by default.
 */
int32_t jwtkeeper_config_set_connect_timeout_ms(jwtkeeper_config *config, uint64_t timeout_ms);

/**
 * The uid that the daemon must run as. Unless set, by this or by JWTKEEPER_SERVER_UID in the environment (a uid, or
 * `any`), it is that of root, of this process, or of the owner of the socket's directory, which not everybody may
 * write to. A peer of another uid is sent nothing.
 */
int32_t jwtkeeper_config_set_server_uid(jwtkeeper_config *config,
                                        uint32_t uid);

/**
 * Sets the number of unused connections that are kept for later calls; 16 by default.
 */
int32_t jwtkeeper_config_set_max_idle(jwtkeeper_config *config, size_t max_idle);

/**
 * The lock cookie of every realm of the client, whatever the daemon says that it is: seldom needed, for unless this is
 * called the daemon says it for each realm, as the realm's `cookie` section has it. `domain` NULL is none; `path`
 * NULL is none; `secure` 0 is for plain http alone.
 */
int32_t jwtkeeper_config_set_cookie(jwtkeeper_config *config,
                                    const char *name,
                                    size_t name_len,
                                    const char *domain,
                                    size_t domain_len,
                                    const char *path,
                                    size_t path_len,
                                    int32_t secure);

/**
 * Is the daemon there?
 */
int32_t jwtkeeper_ping(const jwtkeeper_client *client, jwtkeeper_reply *reply);

/**
 * Mints a token. `claims` is a JSON object to merge in; NULL or empty is none. `ttl` is in seconds, up to the realm's
 * max_lifetime, or JWTKEEPER_REALM_EXPIRY. Shows the token, its jti, expiry and claims, and its lock cookie.
 */
int32_t jwtkeeper_issue(const jwtkeeper_client *client,
                        const char *claims,
                        size_t claims_len,
                        int64_t ttl,
                        jwtkeeper_reply *reply);

/**
 * Is a token valid now? `token` may be any bytes: they come from outside. `cookie` is the lock cookie that came
 * along, by its value or by the request's whole `Cookie` header; NULL is none. Shows whether it is valid; then its
 * claims and the cause for which it should be rotated, or else the reason.
 */
int32_t jwtkeeper_validate(const jwtkeeper_client *client,
                           const char *token,
                           size_t token_len,
                           const char *cookie,
                           size_t cookie_len,
                           jwtkeeper_reply *reply);

/**
 * Replaces a valid token by its one successor. `claims` are new private claims, a JSON object (the right rotate_claims
 * is needed); NULL or empty carries the old token's over. Shows what jwtkeeper_issue shows, or the reason for which
 * the token is not valid.
 */
int32_t jwtkeeper_rotate(const jwtkeeper_client *client,
                         const char *token,
                         size_t token_len,
                         const char *cookie,
                         size_t cookie_len,
                         const char *claims,
                         size_t claims_len,
                         jwtkeeper_reply *reply);

/**
 * Flags a token by its jti: it stays valid, and is to be rotated on next sight. Answered when it is stored durably.
 */
int32_t jwtkeeper_flag_jti(const jwtkeeper_client *client,
                           const char *jti,
                           size_t jti_len,
                           jwtkeeper_reply *reply);

/**
 * Flags every token of a subject that was born by a time: milliseconds since 1970-01-01T00:00:00Z, or JWTKEEPER_NOW.
 */
int32_t jwtkeeper_flag_subject(const jwtkeeper_client *client,
                               const char *subject,
                               size_t subject_len,
                               int64_t before_ms,
                               jwtkeeper_reply *reply);

/**
 * Revokes a token and its session: a logout. `cookie` as for jwtkeeper_validate. Answered when it is stored durably;
 * where the token is none of the realm's there is nothing to revoke, and jwtkeeper_reply_reason says why.
 */
int32_t jwtkeeper_revoke_token(const jwtkeeper_client *client,
                               const char *token,
                               size_t token_len,
                               const char *cookie,
                               size_t cookie_len,
                               jwtkeeper_reply *reply);

/**
 * Revokes a token by its jti, the session that it began, and its successor.
 */
int32_t jwtkeeper_revoke_jti(const jwtkeeper_client *client,
                             const char *jti,
                             size_t jti_len,
                             jwtkeeper_reply *reply);

/**
 * Revokes all tokens of a session, named by the `jti` of its first token: `jwtkeeper.sid` in its successors.
 */
int32_t jwtkeeper_revoke_session(const jwtkeeper_client *client,
                                 const char *session,
                                 size_t session_len,
                                 jwtkeeper_reply *reply);

/**
 * Revokes every login of a subject that was begun by a time: milliseconds since 1970-01-01T00:00:00Z, not in the
 * future, or JWTKEEPER_NOW.
 */
int32_t jwtkeeper_revoke_subject(const jwtkeeper_client *client,
                                 const char *subject,
                                 size_t subject_len,
                                 int64_t before_ms,
                                 jwtkeeper_reply *reply);

/**
 * Revokes every login of the realm that was begun by a time, as jwtkeeper_revoke_subject. Only root and the daemon's
 * own user may, unless the daemon's access rules say otherwise.
 */
int32_t jwtkeeper_revoke_issued_before(const jwtkeeper_client *client,
                                       int64_t before_ms,
                                       jwtkeeper_reply *reply);

/**
 * Looks a jti up in the denylist: jwtkeeper_reply_state, jwtkeeper_reply_until.
 */
int32_t jwtkeeper_status(const jwtkeeper_client *client,
                         const char *jti,
                         size_t jti_len,
                         jwtkeeper_reply *reply);

/**
 * The realm's public keys: jwtkeeper_reply_document is a JWK Set. A realm of shared secrets publishes none.
 */
int32_t jwtkeeper_jwks(const jwtkeeper_client *client, jwtkeeper_reply *reply);

/**
 * Asks for the daemon's health: jwtkeeper_reply_ready, jwtkeeper_reply_generation, and jwtkeeper_reply_document with
 * the particulars.
 */
int32_t jwtkeeper_health(const jwtkeeper_client *client,
                         jwtkeeper_reply *reply);

/**
 * Has the daemon read all its files again; jwtkeeper_reply_generation is the one then in effect. Where the files are
 * not right, jwtkeeper_reply_message has a line for each fault. Only root and the daemon's own user may, unless the
 * daemon's access rules say otherwise.
 */
int32_t jwtkeeper_reload(const jwtkeeper_client *client,
                         jwtkeeper_reply *reply);

/**
 * Has the daemon bring its own store and the shared one level: jwtkeeper_reply_entries, jwtkeeper_reply_pending. Only
 * who may reload may do this.
 */
int32_t jwtkeeper_import(const jwtkeeper_client *client,
                         jwtkeeper_reply *reply);

/**
 * An empty reply. NULL only when something is very wrong.
 */
jwtkeeper_reply *jwtkeeper_reply_new(void);

/**
 * Gives it back, with all that it shows. NULL is let pass.
 */
void jwtkeeper_reply_free(jwtkeeper_reply *reply);

/**
 * Authenticates a request: `authorization` is its header of that name, `cookie` its whole `Cookie` header, or
 * the value of its lock cookie alone, each NULL when it has none.
 *
 * Answered, jwtkeeper_reply_status is 200 or 401. At 200 jwtkeeper_reply_claims are the token's; where
 * jwtkeeper_reply_cause is not 0, rotation is due: call jwtkeeper_session_rotate with the same reply. At 401 answer
 * with jwtkeeper_reply_challenge, and with jwtkeeper_reply_set_cookie where there is one. Not answered, the status is
 * 503 or 500: answer with it, and clear nothing.
 */
int32_t jwtkeeper_session_authenticate(const jwtkeeper_client *client,
                                       const char *authorization,
                                       size_t authorization_len,
                                       const char *cookie,
                                       size_t cookie_len,
                                       jwtkeeper_reply *reply);

/**
 * Rotates the token that the last jwtkeeper_session_authenticate of this reply found due. `claims` are the new private
 * claims, a JSON object; NULL or empty carries the old token's over.
 *
 * Answered at status 200 with jwtkeeper_reply_authorization, and perhaps jwtkeeper_reply_set_cookie, to send, and the
 * successor's claims; or at 200 without, when it cannot be rotated now: the request goes on with the old token and its
 * claims, and jwtkeeper_reply_message says why; or at 401 as above. Where the claims are at fault the result is their
 * code, and the reply still holds the old token: it can be called again with others. Where no rotation is due the
 * result is JWTKEEPER_ERROR_OUT_OF_TURN, and nothing is left in the reply.
 */
int32_t jwtkeeper_session_rotate(const jwtkeeper_client *client,
                                 const char *claims,
                                 size_t claims_len,
                                 jwtkeeper_reply *reply);

/**
 * The value of the realm's lock cookie in a `Cookie` header: a part of `header` itself, without a NUL behind it, whose
 * length is written to `value_len`. NULL when it is not there, and nothing is written.
 *
 * The daemon is asked what the cookie is called where jwtkeeper_config_set_cookie did not say it and no connection was
 * made yet; NULL too when it does not answer. Functions that take a cookie take the whole header as well, and need no
 * such call.
 */
const char *jwtkeeper_cookie_find(const jwtkeeper_client *client,
                                  const char *header,
                                  size_t header_len,
                                  size_t *value_len);

/**
 * The settings of the realm's lock cookie: its name (jwtkeeper_reply_cookie_name), Domain, Path, Secure, HttpOnly and
 * SameSite, and an empty value. jwtkeeper_config_set_cookie says it, or else the daemon, who is asked where no
 * connection was made yet.
 */
int32_t jwtkeeper_cookie_settings(const jwtkeeper_client *client,
                                  jwtkeeper_reply *reply);

/**
 * The value of a `Set-Cookie` header that takes the realm's lock cookie from the browser: for the reply of a logout.
 * It is shown by jwtkeeper_reply_set_cookie. The daemon is asked only where no connection was made yet.
 */
int32_t jwtkeeper_cookie_clear(const jwtkeeper_client *client,
                               jwtkeeper_reply *reply);

/**
 * The code of the last call that was given this reply: 0 when it was answered.
 */
int32_t jwtkeeper_reply_code(const jwtkeeper_reply *reply);

/**
 * 1 when the token is valid, and of a token just minted; 0 otherwise.
 */
int32_t jwtkeeper_reply_valid(const jwtkeeper_reply *reply);

/**
 * Why the token is not valid: a JWTKEEPER_REASON_..., 0 when it is or when there was none.
 */
int32_t jwtkeeper_reply_reason(const jwtkeeper_reply *reply);

/**
 * Why a valid token should be rotated now: a JWTKEEPER_CAUSE_..., 0 when it need not be.
 */
int32_t jwtkeeper_reply_cause(const jwtkeeper_reply *reply);

/**
 * The `exp` of a token just minted, in seconds since 1970-01-01T00:00:00Z.
 */
uint64_t jwtkeeper_reply_expires_at(const jwtkeeper_reply *reply);

/**
 * When the lock cookie ends, in seconds since 1970-01-01T00:00:00Z.
 */
uint64_t jwtkeeper_reply_cookie_expires_at(const jwtkeeper_reply *reply);

/**
 * 1 when the lock cookie has the attribute Secure.
 */
int32_t jwtkeeper_reply_cookie_secure(const jwtkeeper_reply *reply);

/**
 * 1 when the lock cookie has the attribute HttpOnly.
 */
int32_t jwtkeeper_reply_cookie_http_only(const jwtkeeper_reply *reply);

/**
 * Returns the state of a jti in the denylist: a JWTKEEPER_STATE_....
 */
int32_t jwtkeeper_reply_state(const jwtkeeper_reply *reply);

/**
 * Until when that stands, in seconds since 1970-01-01T00:00:00Z; 0 when nothing stands.
 */
uint64_t jwtkeeper_reply_until(const jwtkeeper_reply *reply);

/**
 * Health: 1 when requests are answered and everything that they rest on is right.
 */
int32_t jwtkeeper_reply_ready(const jwtkeeper_reply *reply);

/**
 * Health and reload: the generation of the snapshot in effect.
 */
uint64_t jwtkeeper_reply_generation(const jwtkeeper_reply *reply);

/**
 * Import: how many entries are known.
 */
uint64_t jwtkeeper_reply_entries(const jwtkeeper_reply *reply);

/**
 * Import: how many of them the shared store still lacks.
 */
uint64_t jwtkeeper_reply_pending(const jwtkeeper_reply *reply);

/**
 * A session's request: the HTTP status that it comes to. 200 go on, 401 not authenticated, 503 could not be judged
 * now, 500 could not be judged and will not be until something is set right. 0 after other calls that were answered.
 */
int32_t jwtkeeper_reply_status(const jwtkeeper_reply *reply);

/**
 * A session's request, not authenticated: 1 when the lock cookie is to be cleared.
 */
int32_t jwtkeeper_reply_clears_cookie(const jwtkeeper_reply *reply);

/**
 * Returns the error, for a log: one line for each fault. Never a token, a cookie secret or claims. Empty after a call
 * that was answered, but for a rotation that is put off: then it says why.
 */
const char *jwtkeeper_reply_message(const jwtkeeper_reply *reply,
                                    size_t *length);

/**
 * A token just minted, in compact serialization.
 */
const char *jwtkeeper_reply_token(const jwtkeeper_reply *reply, size_t *length);

/**
 * The `Authorization` header that carries it: `Bearer ` and the token. Send `Cache-Control: no-store` in the same
 * response, in place of what it has: no cache may keep a token.
 */
const char *jwtkeeper_reply_authorization(const jwtkeeper_reply *reply,
                                          size_t *length);

/**
 * Returns the `jti`.
 */
const char *jwtkeeper_reply_jti(const jwtkeeper_reply *reply, size_t *length);

/**
 * The claims of a valid token, or of one just minted: a JSON object, byte for byte as it stands in the token.
 */
const char *jwtkeeper_reply_claims(const jwtkeeper_reply *reply, size_t *length);

/**
 * The value of the `Set-Cookie` header to send: the lock cookie of a token just minted, or what clears it. NULL when
 * there is none to send. Holds the cookie secret.
 */
const char *jwtkeeper_reply_set_cookie(const jwtkeeper_reply *reply,
                                       size_t *length);

/**
 * The lock cookie's name.
 */
const char *jwtkeeper_reply_cookie_name(const jwtkeeper_reply *reply, size_t *length);

/**
 * The lock cookie's value: a secret, which goes to the browser and nowhere else.
 */
const char *jwtkeeper_reply_cookie_value(const jwtkeeper_reply *reply, size_t *length);

/**
 * The lock cookie's attribute Domain; NULL when it has none.
 */
const char *jwtkeeper_reply_cookie_domain(const jwtkeeper_reply *reply, size_t *length);

/**
 * The lock cookie's attribute Path; NULL when it has none.
 */
const char *jwtkeeper_reply_cookie_path(const jwtkeeper_reply *reply, size_t *length);

/**
 * The lock cookie's attribute SameSite: `strict`, `lax` or `none`.
 */
const char *jwtkeeper_reply_cookie_same_site(const jwtkeeper_reply *reply, size_t *length);

/**
 * The JSON document of jwtkeeper_jwks (a JWK Set, RFC 7517) or jwtkeeper_health.
 */
const char *jwtkeeper_reply_document(const jwtkeeper_reply *reply, size_t *length);

/**
 * A session's request, not authenticated: the value of the `WWW-Authenticate` header (RFC 6750). NULL otherwise.
 */
const char *jwtkeeper_reply_challenge(const jwtkeeper_reply *reply,
                                      size_t *length);

/**
 * A session's request that goes on with the token that it presented: that token, for a logout. NULL otherwise, and
 * after a rotation, whose successor is jwtkeeper_reply_token.
 */
const char *jwtkeeper_reply_presented(const jwtkeeper_reply *reply,
                                      size_t *length);

/**
 * The value of the lock cookie that came with such a request: for a logout too. NULL without one, and after a
 * rotation, whose cookie is jwtkeeper_reply_cookie_value.
 */
const char *jwtkeeper_reply_presented_cookie(const jwtkeeper_reply *reply, size_t *length);

/**
 * The name of a result code, as the command line and the daemon's log have it: `ok` for 0, `other` for one that this
 * version does not know. Never NULL, and never freed: so are all names and meanings.
 */
const char *jwtkeeper_code_name(int32_t code);

/**
 * Returns the meaning of a result code, and what to do.
 */
const char *jwtkeeper_code_meaning(int32_t code);

/**
 * The name of a reason for which a token is not valid: `none` for 0.
 */
const char *jwtkeeper_reason_name(int32_t reason);

/**
 * Returns the meaning of a reason.
 */
const char *jwtkeeper_reason_meaning(int32_t reason);

/**
 * The name of a cause for which a valid token should be rotated now: `none` for 0.
 */
const char *jwtkeeper_cause_name(int32_t cause);

/**
 * The name of what the denylist says of a jti: `none` for 0.
 */
const char *jwtkeeper_state_name(int32_t state);

/**
 * The version of the library: MAJOR.MINOR.PATCH.
 */
const char *jwtkeeper_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* JWTKEEPER_H */
