/*
 * Every function of the library, with arguments that are NULL, empty, huge, full of NULs, no UTF-8, or out of range. The
 * names of those that were called are printed: the harness holds them to what the library exports.
 */
#include "check.h"

static jwtkeeper_client *client;
static jwtkeeper_reply *reply;

/* What a string may be. */
enum { IS_NULL, NULL_BUT_LONG, EMPTY, EMPTY_NOWHERE, TOO_LONG, LONGEST, HUGE_COUNTED, HUGE_TERMINATED, NULS, NOT_UTF8, KINDS };

static char *huge;
static size_t huge_len;

static const char *text_of(int kind, size_t *len)
{
    switch (kind) {
    case IS_NULL: *len = 0; return NULL;
    case NULL_BUT_LONG: *len = SIZE_MAX - 1; return NULL;
    case EMPTY: *len = JWTKEEPER_NUL; return "";
    case EMPTY_NOWHERE: *len = 0; return (const char *)(uintptr_t)1;
    case TOO_LONG: *len = (size_t)PTRDIFF_MAX + 1; return "x";
    case LONGEST: *len = SIZE_MAX - 1; return "x";
    case HUGE_COUNTED: *len = huge_len; return huge;
    case HUGE_TERMINATED: *len = JWTKEEPER_NUL; return huge;
    case NULS: *len = 4; return "a\0b";
    default: *len = 4; return "\xff\xfe\xc0\x80";
    }
}

/* What is wrong with a reply whose call failed. */
static void holds_nothing(int32_t code)
{
    size_t length = 77;
    SAME(jwtkeeper_reply_code(reply), code);
    SAME(jwtkeeper_reply_valid(reply), 0);
    SAME(jwtkeeper_reply_reason(reply), 0);
    SAME(jwtkeeper_reply_cause(reply), 0);
    CHECK(jwtkeeper_reply_token(reply, &length) == NULL);
    CHECK(jwtkeeper_reply_authorization(reply, &length) == NULL);
    CHECK(jwtkeeper_reply_claims(reply, &length) == NULL);
    CHECK(jwtkeeper_reply_jti(reply, &length) == NULL);
    CHECK(jwtkeeper_reply_set_cookie(reply, &length) == NULL);
    CHECK(jwtkeeper_reply_cookie_name(reply, &length) == NULL);
    CHECK(jwtkeeper_reply_cookie_value(reply, &length) == NULL);
    CHECK(jwtkeeper_reply_cookie_domain(reply, &length) == NULL);
    CHECK(jwtkeeper_reply_cookie_path(reply, &length) == NULL);
    CHECK(jwtkeeper_reply_cookie_same_site(reply, &length) == NULL);
    CHECK(jwtkeeper_reply_document(reply, &length) == NULL);
    CHECK(jwtkeeper_reply_challenge(reply, &length) == NULL);
    CHECK(jwtkeeper_reply_presented(reply, &length) == NULL);
    CHECK(jwtkeeper_reply_presented_cookie(reply, &length) == NULL);
    SAME(length, 77);
    CHECK(jwtkeeper_reply_message(reply, &length) != NULL);
    CHECK(length > 0 && length < 200);
}

/* A reply that shows a token, so that a call that fails has something to leave behind. */
static void fill(void)
{
    SAME(jwtkeeper_issue(client, "{\"sub\":\"old\"}", JWTKEEPER_NUL, JWTKEEPER_REALM_EXPIRY, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_valid(reply), 1);
}

/* One call whose string is of each kind in turn, and the result that each must have. */
typedef int32_t with_text(const jwtkeeper_client *with, const char *text, size_t len, jwtkeeper_reply *into);

static void each_kind(const char *name, with_text *call, const int32_t results[KINDS])
{
    for (int kind = 0; kind < KINDS; kind++) {
        size_t len = 0;
        const char *text = text_of(kind, &len);
        fill();
        int32_t code = call(client, text, len, reply);
        if (code != results[kind]) {
            fprintf(stderr, "%s, a string of kind %d: %" PRId32 ", not %" PRId32 ": %s\n", name, kind, code, results[kind],
                    jwtkeeper_reply_message(reply, NULL));
            abort();
        }
        if (code != JWTKEEPER_OK)
            holds_nothing(code);
        SAME(call(client, text, len, NULL), JWTKEEPER_ERROR_BAD_ARGUMENT);
        fill();
        SAME(call(NULL, text, len, reply), JWTKEEPER_ERROR_BAD_ARGUMENT);
        holds_nothing(JWTKEEPER_ERROR_BAD_ARGUMENT);
        SAME(call(NULL, text, len, NULL), JWTKEEPER_ERROR_BAD_ARGUMENT);
    }
}

#define BAD JWTKEEPER_ERROR_BAD_ARGUMENT
#define TOO_LARGE JWTKEEPER_ERROR_REQUEST_TOO_LARGE
/* Tokens and cookies: any bytes, each judged. Claims: the daemon
 * reads them, and no bytes at all are none. */
static const int32_t TOKEN[KINDS] = { BAD, BAD, 0, 0, BAD, BAD, 0, 0, 0, 0 };
static const int32_t COOKIE[KINDS] = { 0, 0, 0, 0, BAD, BAD, 0, 0, 0, 0 };
static const int32_t CLAIMS[KINDS] = { 0, 0, 0, 0, BAD, BAD, TOO_LARGE, TOO_LARGE, JWTKEEPER_ERROR_BAD_CLAIMS,
                                       JWTKEEPER_ERROR_BAD_CLAIMS };
static const int32_t ID[KINDS] = { BAD, BAD, JWTKEEPER_ERROR_BAD_ID, JWTKEEPER_ERROR_BAD_ID, BAD, BAD, TOO_LARGE, TOO_LARGE,
                                   0, BAD };

#define CALL(name, ...) \
    static int32_t name(const jwtkeeper_client *with, const char *text, size_t len, jwtkeeper_reply *into) \
    { \
        return __VA_ARGS__; \
    }

static char *token;

CALL(issue_claims, jwtkeeper_issue(with, text, len, JWTKEEPER_REALM_EXPIRY, into))
CALL(validate_token, jwtkeeper_validate(with, text, len, NULL, 0, into))
CALL(validate_cookie, jwtkeeper_validate(with, token, JWTKEEPER_NUL, text, len, into))
CALL(rotate_token, jwtkeeper_rotate(with, text, len, NULL, 0, NULL, 0, into))
CALL(rotate_cookie, jwtkeeper_rotate(with, "x", 1, text, len, NULL, 0, into))
CALL(revoke_token, jwtkeeper_revoke_token(with, text, len, NULL, 0, into))
CALL(revoke_cookie, jwtkeeper_revoke_token(with, "x", 1, text, len, into))
CALL(flag_subject, jwtkeeper_flag_subject(with, text, len, 0, into))
CALL(revoke_subject, jwtkeeper_revoke_subject(with, text, len, 0, into))
CALL(authenticate_cookie, jwtkeeper_session_authenticate(with, "Bearer x", JWTKEEPER_NUL, text, len, into))
CALL(authenticate_header, jwtkeeper_session_authenticate(with, text, len, NULL, 0, into))

/* A cutoff at each end of what a number can be. */
#define EACH_CUTOFF(...) \
    do { \
        static const struct { int64_t before_ms; int32_t code; } cutoffs[] = { \
            { INT64_MIN, BAD }, { -2, BAD }, { JWTKEEPER_NOW, 0 }, { 0, 0 }, { INT64_MAX, JWTKEEPER_ERROR_CUTOFF_IN_FUTURE }, \
        }; \
        for (size_t i = 0; i < sizeof cutoffs / sizeof cutoffs[0]; i++) { \
            int64_t before_ms = cutoffs[i].before_ms; \
            fill(); \
            SAME(__VA_ARGS__, cutoffs[i].code); \
            if (cutoffs[i].code != JWTKEEPER_OK) \
                holds_nothing(cutoffs[i].code); \
        } \
    } while (0)

/* A call that takes no string. */
typedef int32_t with_nothing(const jwtkeeper_client *with, jwtkeeper_reply *into);

static void without_handles(with_nothing *call)
{
    SAME(call(client, NULL), BAD);
    SAME(call(NULL, NULL), BAD);
    fill();
    SAME(call(NULL, reply), BAD);
    holds_nothing(BAD);
    SAME(call(client, reply), JWTKEEPER_OK);
}

static void try_jwtkeeper_ping(void) { without_handles(jwtkeeper_ping); }
static void try_jwtkeeper_jwks(void) { without_handles(jwtkeeper_jwks); }
static void try_jwtkeeper_health(void) { without_handles(jwtkeeper_health); }
static void try_jwtkeeper_reload(void) { without_handles(jwtkeeper_reload); }
static void try_jwtkeeper_import(void)
{
    SAME(jwtkeeper_import(NULL, NULL), BAD);
    SAME(jwtkeeper_import(client, NULL), BAD);
    fill();
    SAME(jwtkeeper_import(NULL, reply), BAD);
    holds_nothing(BAD);
    CHECK(jwtkeeper_import(client, reply) != BAD);
}
static void try_jwtkeeper_cookie_clear(void)
{
    without_handles(jwtkeeper_cookie_clear);
    CHECK(jwtkeeper_reply_set_cookie(reply, NULL) != NULL);
}

static void try_jwtkeeper_cookie_settings(void)
{
    without_handles(jwtkeeper_cookie_settings);
    SAME_TEXT(jwtkeeper_reply_cookie_name(reply, NULL), "jwt_keeper");
}

static void try_jwtkeeper_issue(void)
{
    each_kind("issue", issue_claims, CLAIMS);
    static const struct { int64_t ttl; int32_t code; } ttls[] = {
        { INT64_MIN, BAD }, { -2, BAD }, { JWTKEEPER_REALM_EXPIRY, 0 }, { 1, 0 }, { INT64_MAX, JWTKEEPER_ERROR_LIFETIME_TOO_LONG },
    };
    for (size_t i = 0; i < sizeof ttls / sizeof ttls[0]; i++) {
        fill();
        SAME(jwtkeeper_issue(client, NULL, 0, ttls[i].ttl, reply), ttls[i].code);
        if (ttls[i].code != JWTKEEPER_OK)
            holds_nothing(ttls[i].code);
    }
}

static void try_jwtkeeper_validate(void)
{
    each_kind("validate", validate_token, TOKEN);
    each_kind("validate, cookie", validate_cookie, COOKIE);
}

static void try_jwtkeeper_rotate(void)
{
    each_kind("rotate", rotate_token, TOKEN);
    each_kind("rotate, cookie", rotate_cookie, COOKIE);
    for (int kind = 0; kind < KINDS; kind++) {
        size_t len = 0;
        const char *text = text_of(kind, &len);
        char *fresh = token_of(client, "{\"sub\":\"fresh\"}");
        SAME(jwtkeeper_rotate(client, fresh, JWTKEEPER_NUL, NULL, 0, text, len, reply), CLAIMS[kind]);
        free(fresh);
    }
}

static void try_jwtkeeper_revoke_token(void)
{
    each_kind("revoke_token", revoke_token, TOKEN);
    each_kind("revoke_token, cookie", revoke_cookie, COOKIE);
}

static void try_jwtkeeper_flag_jti(void) { each_kind("flag_jti", jwtkeeper_flag_jti, ID); }
static void try_jwtkeeper_revoke_jti(void) { each_kind("revoke_jti", jwtkeeper_revoke_jti, ID); }
static void try_jwtkeeper_revoke_session(void) { each_kind("revoke_session", jwtkeeper_revoke_session, ID); }
static void try_jwtkeeper_status(void) { each_kind("status", jwtkeeper_status, ID); }
static void try_jwtkeeper_flag_subject(void)
{
    each_kind("flag_subject", flag_subject, ID);
    EACH_CUTOFF(jwtkeeper_flag_subject(client, "nobody", JWTKEEPER_NUL, before_ms, reply));
}
static void try_jwtkeeper_revoke_subject(void)
{
    each_kind("revoke_subject", revoke_subject, ID);
    EACH_CUTOFF(jwtkeeper_revoke_subject(client, "nobody", JWTKEEPER_NUL, before_ms, reply));
}
static void try_jwtkeeper_revoke_issued_before(void)
{
    SAME(jwtkeeper_revoke_issued_before(NULL, 0, reply), BAD);
    SAME(jwtkeeper_revoke_issued_before(client, 0, NULL), BAD);
    /* In a realm of its own: the others' tokens are still needed. */
    jwtkeeper_client *other = of_realm(client, "newer");
    EACH_CUTOFF(jwtkeeper_revoke_issued_before(other, before_ms, reply));
    jwtkeeper_client_free(other);
}

static void try_jwtkeeper_session_authenticate(void)
{
    /* Without a header it is a request that is not authenticated, not a mistake. */
    static const int32_t header[KINDS] = { 0, 0, 0, 0, BAD, BAD, 0, 0, 0, 0 };
    each_kind("session_authenticate", authenticate_header, header);
    each_kind("session_authenticate, cookie", authenticate_cookie, COOKIE);
    SAME(jwtkeeper_session_authenticate(client, NULL, 0, NULL, 0, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_status(reply), 401);
}

static void try_jwtkeeper_session_rotate(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        size_t len = 0;
        const char *text = text_of(kind, &len);
        char header[4096];
        char *fresh = token_of(client, "{\"sub\":\"flagged\"}");
        CHECK(snprintf(header, sizeof header, "Bearer %s", fresh) < (int)sizeof header);
        SAME(jwtkeeper_validate(client, fresh, JWTKEEPER_NUL, NULL, 0, reply), JWTKEEPER_OK);
        SAME(jwtkeeper_session_rotate(client, text, len, NULL), BAD);
        SAME(jwtkeeper_session_rotate(NULL, text, len, NULL), BAD);
        SAME(jwtkeeper_session_rotate(NULL, text, len, reply), BAD);
        jwtkeeper_reply *minted = a_reply();
        SAME(jwtkeeper_issue(client, NULL, 0, JWTKEEPER_REALM_EXPIRY, minted), JWTKEEPER_OK);
        SAME(jwtkeeper_flag_jti(client, jwtkeeper_reply_jti(minted, NULL), JWTKEEPER_NUL, reply), JWTKEEPER_OK);
        SAME(jwtkeeper_session_authenticate(client, jwtkeeper_reply_authorization(minted, NULL), JWTKEEPER_NUL, NULL, 0, reply),
             JWTKEEPER_OK);
        SAME(jwtkeeper_reply_cause(reply), JWTKEEPER_CAUSE_FLAGGED);
        SAME(jwtkeeper_session_rotate(client, text, len, reply), CLAIMS[kind]);
        /* Claims at fault leave the old token to be rotated with others. */
        if (CLAIMS[kind] != JWTKEEPER_OK)
            SAME(jwtkeeper_session_rotate(client, NULL, 0, reply), JWTKEEPER_OK);
        CHECK(jwtkeeper_reply_authorization(reply, NULL) != NULL);
        jwtkeeper_reply_free(minted);
        free(fresh);
    }
}

static void try_jwtkeeper_cookie_find(void)
{
    size_t length = 77;
    for (int kind = 0; kind < KINDS; kind++) {
        size_t len = 0;
        const char *text = text_of(kind, &len);
        CHECK(jwtkeeper_cookie_find(client, text, len, &length) == NULL);
        CHECK(jwtkeeper_cookie_find(NULL, text, len, &length) == NULL);
        CHECK(jwtkeeper_cookie_find(client, text, len, NULL) == NULL);
        SAME(length, 77);
    }
    const char *header = "jwt_keeper=x";
    CHECK(jwtkeeper_cookie_find(client, header, JWTKEEPER_NUL, NULL) == NULL);
    CHECK(jwtkeeper_cookie_find(client, header, JWTKEEPER_NUL, &length) == header + 11);
    SAME(length, 1);
    CHECK(jwtkeeper_cookie_find(client, header, 11, &length) == header + 11);
    SAME(length, 0);
}

/* The configuration: what each setter makes of a string of each kind. */
static void each_setting(int32_t (*set)(jwtkeeper_config *, const char *, size_t), const int32_t results[KINDS])
{
    jwtkeeper_config *config = jwtkeeper_config_new();
    for (int kind = 0; kind < KINDS; kind++) {
        size_t len = 0;
        const char *text = text_of(kind, &len);
        SAME(set(config, text, len), results[kind]);
        SAME(set(NULL, text, len), BAD);
    }
    jwtkeeper_config_free(config);
}

/* A path holds no NUL, and a socket's is not longer than the system takes, 107 bytes. */
static const int32_t PATH[KINDS] = { BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, 0 };
static const int32_t WORD[KINDS] = { BAD, BAD, 0, 0, BAD, BAD, 0, 0, 0, BAD };

static void try_jwtkeeper_config_set_socket(void) { each_setting(jwtkeeper_config_set_socket, PATH); }

static void try_jwtkeeper_config_set_realm(void)
{
    each_setting(jwtkeeper_config_set_realm, WORD);
    for (int kind = NULS; kind >= EMPTY; kind--) {
        if (WORD[kind] != JWTKEEPER_OK)
            continue;
        size_t len = 0;
        const char *text = text_of(kind, &len);
        jwtkeeper_client *other = NULL;
        SAME(jwtkeeper_client_for_realm(client, text, len, &other), JWTKEEPER_OK);
        int32_t wanted = kind == NULS ? JWTKEEPER_ERROR_UNKNOWN_REALM : len == 0 || *text == 0 ? 0 : TOO_LARGE;
        SAME(jwtkeeper_issue(other, NULL, 0, JWTKEEPER_REALM_EXPIRY, reply), wanted);
        jwtkeeper_client_free(other);
    }
}

/* What a client calls itself is cut to what a greeting holds: it connects all the same. */
static void try_jwtkeeper_config_set_name(void)
{
    each_setting(jwtkeeper_config_set_name, WORD);
    for (int kind = 0; kind < KINDS; kind++) {
        size_t len = 0;
        const char *text = text_of(kind, &len);
        jwtkeeper_config *config = jwtkeeper_config_new();
        jwtkeeper_client *named = NULL;
        SAME(jwtkeeper_config_set_name(config, text, len), WORD[kind]);
        SAME(jwtkeeper_client_new(config, &named), JWTKEEPER_OK);
        SAME(jwtkeeper_ping(named, reply), JWTKEEPER_OK);
        jwtkeeper_client_free(named);
        jwtkeeper_config_free(config);
    }
}

static void each_span(int32_t (*set)(jwtkeeper_config *, uint64_t))
{
    static const uint64_t spans[] = { UINT64_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1, 1000 };
    SAME(set(NULL, 1000), BAD);
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        jwtkeeper_config *config = jwtkeeper_config_new();
        jwtkeeper_client *made = NULL;
        SAME(set(config, 0), BAD);
        SAME(set(config, spans[i]), JWTKEEPER_OK);
        SAME(jwtkeeper_client_new(config, &made), JWTKEEPER_OK);
        SAME(jwtkeeper_ping(made, reply), JWTKEEPER_OK);
        jwtkeeper_client_free(made);
        jwtkeeper_config_free(config);
    }
}

static void try_jwtkeeper_config_set_deadline_ms(void) { each_span(jwtkeeper_config_set_deadline_ms); }
static void try_jwtkeeper_config_set_connect_timeout_ms(void) { each_span(jwtkeeper_config_set_connect_timeout_ms); }

static void try_jwtkeeper_config_set_server_uid(void)
{
    jwtkeeper_config *config = jwtkeeper_config_new();
    jwtkeeper_client *made = NULL;
    SAME(jwtkeeper_config_set_server_uid(NULL, 0), BAD);
    SAME(jwtkeeper_config_set_server_uid(config, UINT32_MAX), JWTKEEPER_OK);
    SAME(jwtkeeper_client_new(config, &made), JWTKEEPER_OK);
    fill();
    SAME(jwtkeeper_ping(made, reply), JWTKEEPER_ERROR_PROTOCOL);
    holds_nothing(JWTKEEPER_ERROR_PROTOCOL);
    jwtkeeper_client_free(made);
    jwtkeeper_config_free(config);
}

static void try_jwtkeeper_config_set_max_idle(void)
{
    static const size_t counts[] = { 0, 1, SIZE_MAX };
    SAME(jwtkeeper_config_set_max_idle(NULL, 1), BAD);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        jwtkeeper_config *config = jwtkeeper_config_new();
        jwtkeeper_client *made = NULL;
        SAME(jwtkeeper_config_set_max_idle(config, counts[i]), JWTKEEPER_OK);
        SAME(jwtkeeper_client_new(config, &made), JWTKEEPER_OK);
        for (int call = 0; call < 3; call++)
            SAME(jwtkeeper_ping(made, reply), JWTKEEPER_OK);
        jwtkeeper_client_free(made);
        jwtkeeper_config_free(config);
    }
}

/* A cookie's name, domain and path stand in a header: what would end them there is refused. */
static void try_jwtkeeper_config_set_cookie(void)
{
    static const int32_t names[KINDS] = { BAD, BAD, BAD, BAD, BAD, BAD, 0, 0, BAD, BAD };
    static const int32_t attributes[KINDS] = { 0, 0, 0, 0, BAD, BAD, 0, 0, BAD, BAD };
    static const char *const breaking[] = { "a;b", "a\r\nSet-Cookie: b", "a\x7f", "a\tb" };
    jwtkeeper_config *config = jwtkeeper_config_new();
    for (int kind = 0; kind < KINDS; kind++) {
        size_t len = 0;
        const char *text = text_of(kind, &len);
        SAME(jwtkeeper_config_set_cookie(NULL, text, len, text, len, text, len, 1), BAD);
        SAME(jwtkeeper_config_set_cookie(config, text, len, NULL, 0, NULL, 0, 1), names[kind]);
        SAME(jwtkeeper_config_set_cookie(config, "n", 1, text, len, NULL, 0, 1), attributes[kind]);
        SAME(jwtkeeper_config_set_cookie(config, "n", 1, NULL, 0, text, len, INT32_MIN), attributes[kind]);
    }
    SAME(jwtkeeper_config_set_cookie(config, "kept", 4, NULL, 0, NULL, 0, 0), JWTKEEPER_OK);
    for (size_t i = 0; i < sizeof breaking / sizeof breaking[0]; i++) {
        SAME(jwtkeeper_config_set_cookie(config, breaking[i], JWTKEEPER_NUL, NULL, 0, NULL, 0, 1), BAD);
        SAME(jwtkeeper_config_set_cookie(config, "n", 1, breaking[i], JWTKEEPER_NUL, NULL, 0, 1), BAD);
        SAME(jwtkeeper_config_set_cookie(config, "n", 1, NULL, 0, breaking[i], JWTKEEPER_NUL, 1), BAD);
    }
    SAME(jwtkeeper_config_set_cookie(config, "a=b", 3, NULL, 0, NULL, 0, 1), BAD);
    SAME(jwtkeeper_config_set_cookie(config, "a b", 3, NULL, 0, NULL, 0, 1), BAD);
    /* What was refused changed nothing. */
    jwtkeeper_client *made = NULL;
    SAME(jwtkeeper_client_new(config, &made), JWTKEEPER_OK);
    SAME(jwtkeeper_cookie_clear(made, reply), JWTKEEPER_OK);
    CHECK(strncmp(jwtkeeper_reply_set_cookie(reply, NULL), "kept=;", 6) == 0);
    jwtkeeper_client_free(made);
    jwtkeeper_config_free(config);
}

static void try_jwtkeeper_config_new(void)
{
    jwtkeeper_config *config = jwtkeeper_config_new();
    CHECK(config != NULL);
    jwtkeeper_config_free(config);
}

static void try_jwtkeeper_config_free(void) { jwtkeeper_config_free(NULL); }
static void try_jwtkeeper_client_free(void) { jwtkeeper_client_free(NULL); }
static void try_jwtkeeper_reply_free(void) { jwtkeeper_reply_free(NULL); }

static void try_jwtkeeper_client_new(void)
{
    jwtkeeper_client *made = NULL;
    SAME(jwtkeeper_client_new(NULL, NULL), BAD);
    SAME(jwtkeeper_client_new(NULL, &made), JWTKEEPER_OK);
    SAME(jwtkeeper_ping(made, reply), JWTKEEPER_OK);
    jwtkeeper_client_free(made);
}

static void try_jwtkeeper_client_for_realm(void)
{
    jwtkeeper_client *const before = (jwtkeeper_client *)(uintptr_t)16;
    for (int kind = 0; kind < KINDS; kind++) {
        size_t len = 0;
        const char *text = text_of(kind, &len);
        jwtkeeper_client *other = before;
        SAME(jwtkeeper_client_for_realm(client, text, len, NULL), BAD);
        SAME(jwtkeeper_client_for_realm(NULL, text, len, &other), BAD);
        CHECK(other == before);
        int32_t code = jwtkeeper_client_for_realm(client, text, len, &other);
        SAME(code, WORD[kind]);
        if (code == JWTKEEPER_OK)
            jwtkeeper_client_free(other);
        else
            CHECK(other == before);
    }
}

static void try_jwtkeeper_client_with_deadline(void)
{
    static const uint64_t DEADLINES[] = {1, 5000, UINT64_MAX};
    jwtkeeper_client *const before = (jwtkeeper_client *)(uintptr_t)16;
    jwtkeeper_client *other = before;
    SAME(jwtkeeper_client_with_deadline(client, 0, &other), BAD);
    SAME(jwtkeeper_client_with_deadline(NULL, 5000, &other), BAD);
    SAME(jwtkeeper_client_with_deadline(client, 5000, NULL), BAD);
    CHECK(other == before);
    for (size_t number = 0; number < sizeof DEADLINES / sizeof *DEADLINES; number++) {
        SAME(jwtkeeper_client_with_deadline(client, DEADLINES[number], &other), JWTKEEPER_OK);
        int32_t code = jwtkeeper_ping(other, reply);
        CHECK(code == JWTKEEPER_OK || (DEADLINES[number] == 1 && code == JWTKEEPER_ERROR_TIMEOUT));
        jwtkeeper_client_free(other);
    }
}

static void try_jwtkeeper_reply_new(void)
{
    jwtkeeper_reply *fresh = jwtkeeper_reply_new();
    CHECK(fresh != NULL);
    SAME(jwtkeeper_reply_code(fresh), 0);
    size_t length = 77;
    CHECK(jwtkeeper_reply_token(fresh, &length) == NULL);
    CHECK(jwtkeeper_reply_message(fresh, NULL) == NULL || *jwtkeeper_reply_message(fresh, NULL) == 0);
    jwtkeeper_reply_free(fresh);
}

/* What a reply shows. */
#define NUMBER(name, none) static void try_##name(void) { SAME(name(NULL), none); (void)name(reply); }
#define TEXT(name) \
    static void try_##name(void) \
    { \
        size_t length = 77; \
        CHECK(name(NULL, NULL) == NULL); \
        CHECK(name(NULL, &length) == NULL); \
        SAME(length, 77); \
        fill(); \
        const char *text = name(reply, NULL); \
        CHECK(text == name(reply, &length)); \
        if (text == NULL) \
            SAME(length, 77); \
        else \
            SAME(strlen(text), length); \
    }
NUMBER(jwtkeeper_reply_code, BAD)
NUMBER(jwtkeeper_reply_valid, 0)
NUMBER(jwtkeeper_reply_reason, 0)
NUMBER(jwtkeeper_reply_cause, 0)
NUMBER(jwtkeeper_reply_expires_at, 0)
NUMBER(jwtkeeper_reply_cookie_expires_at, 0)
NUMBER(jwtkeeper_reply_cookie_secure, 0)
NUMBER(jwtkeeper_reply_cookie_http_only, 0)
NUMBER(jwtkeeper_reply_state, 0)
NUMBER(jwtkeeper_reply_until, 0)
NUMBER(jwtkeeper_reply_ready, 0)
NUMBER(jwtkeeper_reply_generation, 0)
NUMBER(jwtkeeper_reply_entries, 0)
NUMBER(jwtkeeper_reply_pending, 0)
NUMBER(jwtkeeper_reply_status, 0)
NUMBER(jwtkeeper_reply_clears_cookie, 0)
TEXT(jwtkeeper_reply_message)
TEXT(jwtkeeper_reply_token)
TEXT(jwtkeeper_reply_authorization)
TEXT(jwtkeeper_reply_jti)
TEXT(jwtkeeper_reply_claims)
TEXT(jwtkeeper_reply_set_cookie)
TEXT(jwtkeeper_reply_cookie_name)
TEXT(jwtkeeper_reply_cookie_value)
TEXT(jwtkeeper_reply_cookie_domain)
TEXT(jwtkeeper_reply_cookie_path)
TEXT(jwtkeeper_reply_cookie_same_site)
TEXT(jwtkeeper_reply_document)
TEXT(jwtkeeper_reply_challenge)
TEXT(jwtkeeper_reply_presented)
TEXT(jwtkeeper_reply_presented_cookie)

/* Names and meanings of every number, known or not. */
#define NAMED(name, zero, one, of_one) \
    static void try_##name(void) \
    { \
        static const int32_t numbers[] = { INT32_MIN, -1, 0, 1, 99, 65535, 65536, 65537, INT32_MAX }; \
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) \
            CHECK(name(numbers[i]) != NULL && *name(numbers[i]) != 0); \
        SAME_TEXT(name(0), zero); \
        SAME_TEXT(name(one), of_one); \
        SAME_TEXT(name(INT32_MIN), name(INT32_MAX)); \
        SAME_TEXT(name(65536), name(INT32_MAX)); \
    }
NAMED(jwtkeeper_code_name, "ok", JWTKEEPER_ERROR_UNREACHABLE, "unreachable")
NAMED(jwtkeeper_code_meaning, "Answered.", JWTKEEPER_ERROR_BAD_ARGUMENT, "An argument is NULL, too long, not UTF-8 or out of range.")
NAMED(jwtkeeper_reason_name, "none", JWTKEEPER_REASON_REVOKED, "revoked")
NAMED(jwtkeeper_reason_meaning, "The token is valid, or none was asked about.", JWTKEEPER_REASON_WRONG_ISSUER, "Its iss is not the realm's.")
NAMED(jwtkeeper_cause_name, "none", JWTKEEPER_CAUSE_FLAGGED, "flagged")
NAMED(jwtkeeper_state_name, "none", JWTKEEPER_STATE_HARD, "hard")
static void try_jwtkeeper_version(void) { CHECK(strchr(jwtkeeper_version(), '.') != NULL); }

#define TRY(name) { #name, try_##name }

static const struct { const char *name; void (*attempt)(void); } attempts[] = {
    TRY(jwtkeeper_cause_name), TRY(jwtkeeper_client_for_realm), TRY(jwtkeeper_client_free), TRY(jwtkeeper_client_new),
    TRY(jwtkeeper_client_with_deadline),
    TRY(jwtkeeper_code_meaning), TRY(jwtkeeper_code_name), TRY(jwtkeeper_config_free), TRY(jwtkeeper_config_new),
    TRY(jwtkeeper_config_set_connect_timeout_ms), TRY(jwtkeeper_config_set_cookie), TRY(jwtkeeper_config_set_deadline_ms),
    TRY(jwtkeeper_config_set_max_idle), TRY(jwtkeeper_config_set_name), TRY(jwtkeeper_config_set_realm),
    TRY(jwtkeeper_config_set_server_uid), TRY(jwtkeeper_config_set_socket), TRY(jwtkeeper_cookie_clear),
    TRY(jwtkeeper_cookie_find), TRY(jwtkeeper_cookie_settings), TRY(jwtkeeper_flag_jti), TRY(jwtkeeper_flag_subject), TRY(jwtkeeper_health),
    TRY(jwtkeeper_import), TRY(jwtkeeper_issue), TRY(jwtkeeper_jwks), TRY(jwtkeeper_ping), TRY(jwtkeeper_reason_meaning),
    TRY(jwtkeeper_reason_name), TRY(jwtkeeper_reload), TRY(jwtkeeper_reply_authorization), TRY(jwtkeeper_reply_cause),
    TRY(jwtkeeper_reply_challenge), TRY(jwtkeeper_reply_claims), TRY(jwtkeeper_reply_clears_cookie),
    TRY(jwtkeeper_reply_code), TRY(jwtkeeper_reply_cookie_domain), TRY(jwtkeeper_reply_cookie_expires_at),
    TRY(jwtkeeper_reply_cookie_http_only), TRY(jwtkeeper_reply_cookie_name), TRY(jwtkeeper_reply_cookie_path),
    TRY(jwtkeeper_reply_cookie_same_site), TRY(jwtkeeper_reply_cookie_secure), TRY(jwtkeeper_reply_cookie_value),
    TRY(jwtkeeper_reply_document), TRY(jwtkeeper_reply_entries), TRY(jwtkeeper_reply_expires_at), TRY(jwtkeeper_reply_free),
    TRY(jwtkeeper_reply_generation), TRY(jwtkeeper_reply_jti), TRY(jwtkeeper_reply_message), TRY(jwtkeeper_reply_new),
    TRY(jwtkeeper_reply_pending), TRY(jwtkeeper_reply_presented), TRY(jwtkeeper_reply_presented_cookie), TRY(jwtkeeper_reply_ready), TRY(jwtkeeper_reply_reason), TRY(jwtkeeper_reply_set_cookie),
    TRY(jwtkeeper_reply_state), TRY(jwtkeeper_reply_status), TRY(jwtkeeper_reply_token), TRY(jwtkeeper_reply_until),
    TRY(jwtkeeper_reply_valid), TRY(jwtkeeper_revoke_issued_before), TRY(jwtkeeper_revoke_jti), TRY(jwtkeeper_revoke_session),
    TRY(jwtkeeper_revoke_subject), TRY(jwtkeeper_revoke_token), TRY(jwtkeeper_rotate), TRY(jwtkeeper_session_authenticate),
    TRY(jwtkeeper_session_rotate), TRY(jwtkeeper_state_name), TRY(jwtkeeper_status), TRY(jwtkeeper_validate),
    TRY(jwtkeeper_version),
};

int main(void)
{
    huge_len = share_of((size_t)64 << 20);
    huge = malloc(huge_len + 1);
    CHECK(huge != NULL);
    memset(huge, 'x', huge_len);
    huge[huge_len] = 0;
    client = a_client(PATIENT_MS);
    reply = a_reply();
    token = token_of(client, "{\"sub\":\"42\"}");
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
        attempts[i].attempt();
        puts(attempts[i].name);
        fflush(stdout);
    }
    free(token);
    free(huge);
    jwtkeeper_reply_free(reply);
    jwtkeeper_client_free(client);
    return 0;
}
