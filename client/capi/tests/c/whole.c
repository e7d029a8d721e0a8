/*
 * Answers, whole: a lock cookie with all that it has, every reason and cause, what the denylist says, documents, a reload
 * that is refused, several realms over one client's connections, and the session flow in two calls.
 */
#include "check.h"

#include <time.h>

static jwtkeeper_client *client, *locked, *optional, *newer, *successor;
static jwtkeeper_reply *reply;

static int begins(const char *text, const char *with) { return text != NULL && strncmp(text, with, strlen(with)) == 0; }

static void a_whole_cookie(void)
{
    SAME(jwtkeeper_issue(locked, "{\"sub\":\"42\"}", JWTKEEPER_NUL, 600, reply), JWTKEEPER_OK);
    size_t length = 0, whole = 0;
    const char *token = jwtkeeper_reply_token(reply, &length);
    const char *authorization = jwtkeeper_reply_authorization(reply, &whole);
    CHECK(strlen(token) == length && whole == length + 7);
    CHECK(begins(authorization, "Bearer ") && strcmp(authorization + 7, token) == 0);
    SAME_TEXT(jwtkeeper_reply_cookie_name(reply, NULL), "lock");
    SAME_TEXT(jwtkeeper_reply_cookie_domain(reply, NULL), "example.com");
    SAME_TEXT(jwtkeeper_reply_cookie_path(reply, NULL), "/app");
    SAME_TEXT(jwtkeeper_reply_cookie_same_site(reply, NULL), "strict");
    SAME(jwtkeeper_reply_cookie_secure(reply), 1);
    SAME(jwtkeeper_reply_cookie_http_only(reply), 1);
    uint64_t now = (uint64_t)time(NULL);
    CHECK(jwtkeeper_reply_expires_at(reply) >= now + 590 && jwtkeeper_reply_expires_at(reply) <= now + 610);
    CHECK(jwtkeeper_reply_cookie_expires_at(reply) >= jwtkeeper_reply_expires_at(reply));
    char expected[256];
    const char *value = jwtkeeper_reply_cookie_value(reply, &length);
    CHECK(length >= 32 && strlen(value) == length);
    CHECK(snprintf(expected, sizeof expected, "lock=%s; ", value) > 0);
    const char *set_cookie = jwtkeeper_reply_set_cookie(reply, NULL);
    CHECK(begins(set_cookie, expected));
    CHECK(strstr(set_cookie, "; Domain=example.com") && strstr(set_cookie, "; Path=/app") && strstr(set_cookie, "; Secure") &&
          strstr(set_cookie, "; HttpOnly") && strstr(set_cookie, "; SameSite=Strict"));

    /* It opens its own token and no other; nor does one with a NUL and more behind it, or less of it. */
    char *own = copy_of(token), *secret = copy_of(value);
    char longer[256] = { 0 };
    memcpy(longer, secret, length);
    SAME(jwtkeeper_validate(locked, own, JWTKEEPER_NUL, secret, JWTKEEPER_NUL, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_valid(reply), 1);
    CHECK(jwtkeeper_reply_set_cookie(reply, NULL) == NULL);
    SAME(jwtkeeper_validate(locked, own, JWTKEEPER_NUL, longer, length + 2, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_valid(reply), 0);
    SAME(jwtkeeper_validate(locked, own, JWTKEEPER_NUL, secret, length - 1, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_valid(reply), 0);
    longer[length] = '\xff';
    SAME(jwtkeeper_validate(locked, own, JWTKEEPER_NUL, longer, length + 1, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_valid(reply), 0);
    SAME(jwtkeeper_validate(locked, own, JWTKEEPER_NUL, NULL, 0, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_reason(reply), JWTKEEPER_REASON_BAD_SIGNATURE);
    /* A token with a NUL and more behind it is not that token either. */
    size_t size = strlen(own);
    char *tail = calloc(1, size + 2);
    CHECK(tail != NULL);
    memcpy(tail, own, size);
    SAME(jwtkeeper_validate(locked, tail, size + 1, secret, JWTKEEPER_NUL, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_valid(reply), 0);
    free(tail);
    free(own);
    free(secret);
}

static void is_invalid(const jwtkeeper_client *with, const char *token, int32_t reason)
{
    SAME(jwtkeeper_validate(with, token, JWTKEEPER_NUL, NULL, 0, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_valid(reply), 0);
    SAME(jwtkeeper_reply_reason(reply), reason);
    CHECK(jwtkeeper_reply_claims(reply, NULL) == NULL);
    SAME(jwtkeeper_reply_cause(reply), JWTKEEPER_CAUSE_NONE);
}

static void reasons_of_realm(const char *realm, int32_t reason)
{
    char *token = token_of(client, "{}");
    jwtkeeper_client *other = of_realm(client, realm);
    is_invalid(other, token, reason);
    jwtkeeper_client_free(other);
    free(token);
}

static void reasons(void)
{
    char *token = token_of(client, "{}");
    is_invalid(client, "not a token", JWTKEEPER_REASON_MALFORMED);
    char *spoilt = copy_of(token);
    char *mark = strrchr(spoilt, '.') + 1;
    *mark = *mark == 'A' ? 'B' : 'A';
    is_invalid(client, spoilt, JWTKEEPER_REASON_BAD_SIGNATURE);
    free(spoilt);
    reasons_of_realm("longer", JWTKEEPER_REASON_ALGORITHM_NOT_ALLOWED);
    reasons_of_realm("elsewhere", JWTKEEPER_REASON_WRONG_ISSUER);
    reasons_of_realm("others", JWTKEEPER_REASON_WRONG_AUDIENCE);
    reasons_of_realm("locked", JWTKEEPER_REASON_LOCK_REQUIRED);
    reasons_of_realm("short", JWTKEEPER_REASON_LIFETIME_TOO_LONG);
    SAME(jwtkeeper_revoke_token(client, token, JWTKEEPER_NUL, NULL, 0, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_reason(reply), 0);
    is_invalid(client, token, JWTKEEPER_REASON_REVOKED);
    SAME(jwtkeeper_revoke_token(client, "x", 1, NULL, 0, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_reason(reply), JWTKEEPER_REASON_MALFORMED);
    SAME(jwtkeeper_rotate(client, token, JWTKEEPER_NUL, NULL, 0, NULL, 0, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_reason(reply), JWTKEEPER_REASON_REVOKED);
    free(token);

    SAME(jwtkeeper_issue(client, NULL, 0, 1, reply), JWTKEEPER_OK);
    token = copy_of(jwtkeeper_reply_token(reply, NULL));
    do
        SAME(jwtkeeper_validate(client, token, JWTKEEPER_NUL, NULL, 0, reply), JWTKEEPER_OK);
    while (jwtkeeper_reply_valid(reply) == 1);
    SAME(jwtkeeper_reply_reason(reply), JWTKEEPER_REASON_EXPIRED);
    free(token);
}

static void is_due(const jwtkeeper_client *with, const char *token, int32_t cause)
{
    SAME(jwtkeeper_validate(with, token, JWTKEEPER_NUL, NULL, 0, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_valid(reply), 1);
    SAME(jwtkeeper_reply_cause(reply), cause);
    SAME(jwtkeeper_reply_reason(reply), 0);
}

static void causes_and_states(void)
{
    char *token = token_of(client, "{\"sub\":\"flagged\"}");
    is_due(client, token, JWTKEEPER_CAUSE_NONE);
    is_due(newer, token, JWTKEEPER_CAUSE_STALE_VERSION);
    is_due(optional, token, JWTKEEPER_CAUSE_UNLOCKED);
    is_due(successor, token, JWTKEEPER_CAUSE_RETIRED_KEY);
    SAME(jwtkeeper_flag_subject(client, "flagged", JWTKEEPER_NUL, JWTKEEPER_NOW, reply), JWTKEEPER_OK);
    is_due(client, token, JWTKEEPER_CAUSE_FLAGGED);
    SAME(jwtkeeper_rotate(client, token, JWTKEEPER_NUL, NULL, 0, "{\"n\":123456789012345678901234567890}", JWTKEEPER_NUL, reply),
         JWTKEEPER_OK);
    char *next = copy_of(jwtkeeper_reply_token(reply, NULL));
    CHECK(strstr(jwtkeeper_reply_claims(reply, NULL), "123456789012345678901234567890") != NULL);
    is_due(client, token, JWTKEEPER_CAUSE_ROTATED);
    is_due(client, next, JWTKEEPER_CAUSE_NONE);
    SAME(jwtkeeper_rotate(client, token, JWTKEEPER_NUL, NULL, 0, NULL, 0, reply), JWTKEEPER_OK);
    SAME_TEXT(jwtkeeper_reply_token(reply, NULL), next);
    free(token);
    free(next);

    static const struct { int32_t (*set)(const jwtkeeper_client *, const char *, size_t, jwtkeeper_reply *); int32_t state; }
        states[] = { { jwtkeeper_flag_jti, JWTKEEPER_STATE_SOFT }, { jwtkeeper_revoke_jti, JWTKEEPER_STATE_HARD } };
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        SAME(states[i].set(client, "an\0id", 5, reply), JWTKEEPER_OK);
        SAME(jwtkeeper_status(client, "an\0id", 5, reply), JWTKEEPER_OK);
        SAME(jwtkeeper_reply_state(reply), states[i].state);
        CHECK(jwtkeeper_reply_until(reply) > (uint64_t)time(NULL));
        SAME(jwtkeeper_status(client, "an", 2, reply), JWTKEEPER_OK);
        SAME(jwtkeeper_reply_state(reply), JWTKEEPER_STATE_NONE);
        SAME(jwtkeeper_reply_until(reply), 0);
    }
    token = token_of(client, "{\"sub\":\"gone\"}");
    SAME(jwtkeeper_revoke_subject(client, "gone", JWTKEEPER_NUL, JWTKEEPER_NOW, reply), JWTKEEPER_OK);
    is_invalid(client, token, JWTKEEPER_REASON_REVOKED);
    free(token);
    SAME(jwtkeeper_issue(client, NULL, 0, JWTKEEPER_REALM_EXPIRY, reply), JWTKEEPER_OK);
    token = copy_of(jwtkeeper_reply_token(reply, NULL));
    char *session = copy_of(jwtkeeper_reply_jti(reply, NULL));
    SAME(jwtkeeper_revoke_session(client, session, JWTKEEPER_NUL, reply), JWTKEEPER_OK);
    is_invalid(client, token, JWTKEEPER_REASON_REVOKED);
    free(session);
    free(token);
    token = token_of(newer, "{}");
    SAME(jwtkeeper_revoke_issued_before(newer, JWTKEEPER_NOW, reply), JWTKEEPER_OK);
    is_invalid(newer, token, JWTKEEPER_REASON_REVOKED);
    free(token);
}

/* Text with every letter comes back as it went; claims are handed over byte for byte. */
static void texts(void)
{
    const char *claims = "{\"sub\":\"zo\xc3\xab \xe2\x98\x83\",\"note\":\"a\\u0000b\"}";
    char *token = token_of(client, claims);
    SAME(jwtkeeper_validate(client, token, JWTKEEPER_NUL, NULL, 0, reply), JWTKEEPER_OK);
    size_t length = 0;
    const char *found = jwtkeeper_reply_claims(reply, &length);
    SAME(strlen(found), length);
    CHECK(strstr(found, "\"note\":\"a\\u0000b\"") != NULL && strstr(found, "zo\xc3\xab \xe2\x98\x83") != NULL);
    free(token);
    static const char *const wrong[] = { "[]", "{", "{\"a\":1,\"a\":2}", "{\"exp\":1}", "{\"sub\":\"\xff\"}", "{} " };
    for (size_t i = 0; i < 5; i++) {
        int32_t code = jwtkeeper_issue(client, wrong[i], JWTKEEPER_NUL, JWTKEEPER_REALM_EXPIRY, reply);
        CHECK(code == JWTKEEPER_ERROR_BAD_CLAIMS || code == JWTKEEPER_ERROR_RESERVED_CLAIM);
    }
    SAME(jwtkeeper_issue(client, "{}\0", 3, JWTKEEPER_REALM_EXPIRY, reply), JWTKEEPER_ERROR_BAD_CLAIMS);
}

/* A header whose beginning is right, and whose end is wrong, is wrong, however far away that is. */
static void long_headers(void)
{
    char *token = token_of(client, "{}");
    const size_t size = 1 << 20;
    char *header = malloc(size);
    CHECK(header != NULL);
    memset(header, ' ', size);
    memcpy(header, "Bearer ", 7);
    memcpy(header + 7, token, strlen(token));
    SAME(jwtkeeper_session_authenticate(client, header, 4096, NULL, 0, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_status(reply), 200);
    header[size - 1] = 'x';
    SAME(jwtkeeper_session_authenticate(client, header, size, NULL, 0, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_status(reply), 401);
    SAME(jwtkeeper_reply_reason(reply), JWTKEEPER_REASON_MALFORMED);
    free(header);
    free(token);
}

static void append_to_config(const char *lines)
{
    FILE *file = fopen(needed("JWTKEEPER_TEST_CONFIG"), "a");
    CHECK(file != NULL);
    CHECK(fputs(lines, file) >= 0);
    SAME(fclose(file), 0);
}

static void documents_and_reloads(void)
{
    SAME(jwtkeeper_jwks(client, reply), JWTKEEPER_OK);
    SAME_TEXT(jwtkeeper_reply_document(reply, NULL), "{\"keys\":[]}");
    SAME(jwtkeeper_health(client, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_ready(reply), 1);
    uint64_t generation = jwtkeeper_reply_generation(reply);
    CHECK(generation > 0 && begins(jwtkeeper_reply_document(reply, NULL), "{"));
    SAME(jwtkeeper_reload(client, reply), JWTKEEPER_OK);
    CHECK(jwtkeeper_reply_generation(reply) >= generation);
    append_to_config("\n[realms.wrong]\nalgorithm = \"HS256\"\nsecret_file = \"/nowhere\"\n"
                     "[realms.worse]\nalgorithm = \"none\"\nsecret_file = \"/nowhere\"\n");
    SAME(jwtkeeper_reload(client, reply), JWTKEEPER_ERROR_RELOAD_REFUSED);
    const char *message = jwtkeeper_reply_message(reply, NULL);
    const char *next = strchr(message, '\n');
    CHECK(next != NULL && next[1] != 0 && strstr(message, "/nowhere") != NULL);
    SAME(jwtkeeper_reply_generation(reply), 0);
    /* What was in effect stays in effect. */
    SAME(jwtkeeper_issue(client, NULL, 0, JWTKEEPER_REALM_EXPIRY, reply), JWTKEEPER_OK);
}

/* The header and the library are of one version here. */
static void the_version(void)
{
    char version[64];
    CHECK(snprintf(version, sizeof version, "%d.%d.%d", JWTKEEPER_VERSION_MAJOR, JWTKEEPER_VERSION_MINOR,
                   JWTKEEPER_VERSION_PATCH) > 0);
    SAME_TEXT(jwtkeeper_version(), version);
}

/* A realm whose cookie has another name and place: nothing of it is configured here. */
static void the_daemon_says_what_the_cookie_is(void)
{
    jwtkeeper_config *config = jwtkeeper_config_new();
    jwtkeeper_client *fresh = NULL;
    SAME(jwtkeeper_config_set_realm(config, "locked", JWTKEEPER_NUL), JWTKEEPER_OK);
    SAME(jwtkeeper_issue(locked, "{\"sub\":\"42\"}", JWTKEEPER_NUL, JWTKEEPER_REALM_EXPIRY, reply), JWTKEEPER_OK);
    char *authorization = copy_of(jwtkeeper_reply_authorization(reply, NULL)), header[256];
    CHECK(snprintf(header, sizeof header, "a=1; jwt_keeper=x; lock=%s", jwtkeeper_reply_cookie_value(reply, NULL)) > 0);

    /* Not yet connected, the library asks what it is called. */
    SAME(jwtkeeper_client_new(config, &fresh), JWTKEEPER_OK);
    size_t length = 0;
    const char *found = jwtkeeper_cookie_find(fresh, header, JWTKEEPER_NUL, &length);
    CHECK(found == strstr(header, "lock=") + 5 && found[length] == 0);
    SAME(jwtkeeper_session_authenticate(fresh, authorization, JWTKEEPER_NUL, found, length, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_status(reply), 200);
    CHECK(jwtkeeper_cookie_find(fresh, "jwt_keeper=x", JWTKEEPER_NUL, &length) == NULL);
    /* Another realm over the same connections has another. */
    jwtkeeper_client *other = of_realm(fresh, "default");
    found = jwtkeeper_cookie_find(other, "jwt_keeper=x", JWTKEEPER_NUL, &length);
    CHECK(found != NULL && length == 1 && *found == 'x');
    SAME(jwtkeeper_cookie_settings(other, reply), JWTKEEPER_OK);
    SAME_TEXT(jwtkeeper_reply_cookie_name(reply, NULL), "jwt_keeper");
    jwtkeeper_client_free(other);
    jwtkeeper_client_free(fresh);

    /* What a token is revoked, and the cookie cleared by, by a client that has never connected. */
    SAME(jwtkeeper_client_new(config, &fresh), JWTKEEPER_OK);
    SAME(jwtkeeper_cookie_settings(fresh, reply), JWTKEEPER_OK);
    SAME_TEXT(jwtkeeper_reply_cookie_name(reply, NULL), "lock");
    SAME_TEXT(jwtkeeper_reply_cookie_domain(reply, NULL), "example.com");
    SAME_TEXT(jwtkeeper_reply_cookie_path(reply, NULL), "/app");
    SAME_TEXT(jwtkeeper_reply_cookie_same_site(reply, NULL), "strict");
    SAME_TEXT(jwtkeeper_reply_cookie_value(reply, NULL), "");
    SAME(jwtkeeper_reply_cookie_secure(reply) + jwtkeeper_reply_cookie_http_only(reply), 2);
    jwtkeeper_client_free(fresh);
    SAME(jwtkeeper_client_new(config, &fresh), JWTKEEPER_OK);
    SAME(jwtkeeper_cookie_clear(fresh, reply), JWTKEEPER_OK);
    const char *clearing = jwtkeeper_reply_set_cookie(reply, NULL);
    CHECK(begins(clearing, "lock=;") && strstr(clearing, "Domain=example.com") && strstr(clearing, "Path=/app") &&
          strstr(clearing, "SameSite=Strict"));
    SAME(jwtkeeper_revoke_token(fresh, authorization + 7, JWTKEEPER_NUL, header, JWTKEEPER_NUL, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_reason(reply), 0);
    SAME(jwtkeeper_session_authenticate(fresh, authorization, JWTKEEPER_NUL, header, JWTKEEPER_NUL, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_reason(reply), JWTKEEPER_REASON_REVOKED);
    CHECK(begins(jwtkeeper_reply_set_cookie(reply, NULL), "lock=;"));
    jwtkeeper_client_free(fresh);
    jwtkeeper_config_free(config);
    free(authorization);
}

static void cookies_of_requests(void)
{
    jwtkeeper_config *config = jwtkeeper_config_new();
    jwtkeeper_client *with = NULL;
    SAME(jwtkeeper_config_set_realm(config, "locked", JWTKEEPER_NUL), JWTKEEPER_OK);
    SAME(jwtkeeper_config_set_cookie(config, "lock", JWTKEEPER_NUL, "example.com", JWTKEEPER_NUL, "/app", JWTKEEPER_NUL, 1),
         JWTKEEPER_OK);
    SAME(jwtkeeper_client_new(config, &with), JWTKEEPER_OK);
    jwtkeeper_config_free(config);

    size_t length = 0;
    const char *header = "a=\xff; lock=x.y; lock=z; xlock=1";
    const char *found = jwtkeeper_cookie_find(with, header, JWTKEEPER_NUL, &length);
    CHECK(found == strstr(header, "x.y") && length == 3);
    found = jwtkeeper_cookie_find(with, header, 10, &length);
    CHECK(found == strstr(header, "x.y") && length == 0);
    CHECK(jwtkeeper_cookie_find(with, "LOCK=1; block=2", JWTKEEPER_NUL, &length) == NULL);

    SAME(jwtkeeper_cookie_clear(with, reply), JWTKEEPER_OK);
    const char *clearing = jwtkeeper_reply_set_cookie(reply, NULL);
    CHECK(begins(clearing, "lock=;") && strstr(clearing, "Domain=example.com") && strstr(clearing, "Path=/app") &&
          strstr(clearing, "Max-Age=0"));

    /* The flow of a request, locked: login, a request, a rotation, a logout. */
    SAME(jwtkeeper_issue(with, "{\"sub\":\"42\"}", JWTKEEPER_NUL, JWTKEEPER_REALM_EXPIRY, reply), JWTKEEPER_OK);
    char *authorization = copy_of(jwtkeeper_reply_authorization(reply, NULL));
    char *secret = copy_of(jwtkeeper_reply_cookie_value(reply, NULL));
    char *jti = copy_of(jwtkeeper_reply_jti(reply, NULL));
    SAME(jwtkeeper_session_authenticate(with, authorization, JWTKEEPER_NUL, secret, JWTKEEPER_NUL, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_status(reply), 200);
    SAME(jwtkeeper_reply_cause(reply), 0);
    CHECK(jwtkeeper_reply_challenge(reply, NULL) == NULL && jwtkeeper_reply_set_cookie(reply, NULL) == NULL);
    SAME(jwtkeeper_session_authenticate(with, authorization, JWTKEEPER_NUL, NULL, 0, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_status(reply), 401);
    SAME(jwtkeeper_reply_reason(reply), JWTKEEPER_REASON_BAD_SIGNATURE);
    SAME(jwtkeeper_reply_clears_cookie(reply), 0);
    SAME_TEXT(jwtkeeper_reply_challenge(reply, NULL), "Bearer error=\"invalid_token\"");
    SAME(jwtkeeper_session_authenticate(with, NULL, 0, secret, JWTKEEPER_NUL, reply), JWTKEEPER_OK);
    SAME_TEXT(jwtkeeper_reply_challenge(reply, NULL), "Bearer");

    SAME(jwtkeeper_flag_jti(with, jti, JWTKEEPER_NUL, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_session_authenticate(with, authorization, JWTKEEPER_NUL, secret, JWTKEEPER_NUL, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_cause(reply), JWTKEEPER_CAUSE_FLAGGED);
    SAME(jwtkeeper_session_rotate(with, "[]", JWTKEEPER_NUL, reply), JWTKEEPER_ERROR_BAD_CLAIMS);
    SAME(jwtkeeper_session_rotate(with, "{\"role\":\"new\"}", JWTKEEPER_NUL, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_status(reply), 200);
    CHECK(strstr(jwtkeeper_reply_claims(reply, NULL), "\"role\":\"new\"") != NULL);
    CHECK(begins(jwtkeeper_reply_set_cookie(reply, NULL), "lock="));
    free(authorization);
    free(secret);
    authorization = copy_of(jwtkeeper_reply_authorization(reply, NULL));
    secret = copy_of(jwtkeeper_reply_cookie_value(reply, NULL));
    SAME(jwtkeeper_revoke_token(with, authorization + 7, JWTKEEPER_NUL, secret, JWTKEEPER_NUL, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_session_authenticate(with, authorization, JWTKEEPER_NUL, secret, JWTKEEPER_NUL, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_status(reply), 401);
    SAME(jwtkeeper_reply_reason(reply), JWTKEEPER_REASON_REVOKED);
    SAME(jwtkeeper_reply_clears_cookie(reply), 1);
    CHECK(begins(jwtkeeper_reply_set_cookie(reply, NULL), "lock=;"));
    free(authorization);
    free(secret);
    free(jti);
    jwtkeeper_client_free(with);
}

int main(void)
{
    client = a_client(PATIENT_MS);
    locked = of_realm(client, "locked");
    optional = of_realm(client, "optional");
    newer = of_realm(client, "newer");
    successor = of_realm(client, "successor");
    reply = a_reply();
    a_whole_cookie();
    reasons();
    causes_and_states();
    texts();
    long_headers();
    the_version();
    the_daemon_says_what_the_cookie_is();
    cookies_of_requests();
    documents_and_reloads();
    jwtkeeper_reply_free(reply);
    /* In any order, and the first one first. */
    jwtkeeper_client_free(client);
    jwtkeeper_client_free(successor);
    jwtkeeper_client_free(newer);
    jwtkeeper_client_free(optional);
    jwtkeeper_client_free(locked);
    return 0;
}
