/*
 * What the C tests share: a check that says where it failed, and clients of the daemon that the harness (../c.rs) has
 * started. JWTKEEPER_SOCKET is its socket; JWTKEEPER_TEST_SHARE is by how much everything is made smaller.
 */
#ifndef CHECK_H
#define CHECK_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jwtkeeper.h>

static inline void check(int so, const char *what, const char *file, int line)
{
    if (!so) {
        fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
        abort();
    }
}

static inline void same(long long found, long long wanted, const char *what, const char *file, int line)
{
    if (found != wanted) {
        fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", file, line, what, found, wanted);
        abort();
    }
}

static inline void same_text(const char *found, const char *wanted, const char *what, const char *file, int line)
{
    if (found == NULL || strcmp(found, wanted) != 0) {
        fprintf(stderr, "%s:%d: %s is %s, not %s\n", file, line, what, found == NULL ? "NULL" : found, wanted);
        abort();
    }
}

#define CHECK(so) check((so) ? 1 : 0, #so, __FILE__, __LINE__)
#define SAME(found, wanted) same((long long)(found), (long long)(wanted), #found, __FILE__, __LINE__)
#define SAME_TEXT(found, wanted) same_text((found), (wanted), #found, __FILE__, __LINE__)

/* By how much everything is made smaller. */
static inline size_t share_of(size_t whole)
{
    const char *share = getenv("JWTKEEPER_TEST_SHARE");
    size_t divisor = share == NULL ? 1 : strtoul(share, NULL, 10);
    CHECK(divisor > 0);
    return whole / divisor > 0 ? whole / divisor : 1;
}

static inline const char *needed(const char *name)
{
    const char *value = getenv(name);
    CHECK(value != NULL);
    return value;
}

/* A client that waits long enough for any machine. */
static inline jwtkeeper_client *a_client(uint64_t deadline_ms)
{
    jwtkeeper_config *config = jwtkeeper_config_new();
    jwtkeeper_client *client = NULL;
    CHECK(config != NULL);
    SAME(jwtkeeper_config_set_deadline_ms(config, deadline_ms), JWTKEEPER_OK);
    SAME(jwtkeeper_client_new(config, &client), JWTKEEPER_OK);
    jwtkeeper_config_free(config);
    CHECK(client != NULL);
    return client;
}

#define PATIENT_MS 60000

/* A client of another realm of the same daemon. */
static inline jwtkeeper_client *of_realm(const jwtkeeper_client *client, const char *realm)
{
    jwtkeeper_client *other = NULL;
    SAME(jwtkeeper_client_for_realm(client, realm, JWTKEEPER_NUL, &other), JWTKEEPER_OK);
    CHECK(other != NULL);
    return other;
}

static inline jwtkeeper_reply *a_reply(void)
{
    jwtkeeper_reply *reply = jwtkeeper_reply_new();
    CHECK(reply != NULL);
    return reply;
}

static inline char *copy_of(const char *text)
{
    CHECK(text != NULL);
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    CHECK(copy != NULL);
    memcpy(copy, text, size);
    return copy;
}

/* A new token with these claims; the caller frees it. */
static inline char *token_of(const jwtkeeper_client *client, const char *claims)
{
    jwtkeeper_reply *reply = a_reply();
    SAME(jwtkeeper_issue(client, claims, JWTKEEPER_NUL, JWTKEEPER_REALM_EXPIRY, reply), JWTKEEPER_OK);
    char *token = copy_of(jwtkeeper_reply_token(reply, NULL));
    jwtkeeper_reply_free(reply);
    return token;
}

#endif
