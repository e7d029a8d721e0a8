/*
 * One reply for call after call of different kinds, handles after calls that failed, a session's rotation out of turn,
 * and one reply in the hands of two threads.
 */
#include "check.h"

#include <dirent.h>
#include <pthread.h>

static jwtkeeper_client *client;

static void nothing_to_free(void)
{
    jwtkeeper_client_free(NULL);
    jwtkeeper_config_free(NULL);
    jwtkeeper_reply_free(NULL);
}

/* Nothing of one answer is left in the next one. */
static void one_reply_for_all(void)
{
    jwtkeeper_reply *reply = a_reply();
    jwtkeeper_client *unknown = of_realm(client, "unknown");
    size_t rounds = share_of(500);
    for (size_t round = 0; round < rounds; round++) {
        SAME(jwtkeeper_issue(client, "{\"sub\":\"42\"}", JWTKEEPER_NUL, 60, reply), JWTKEEPER_OK);
        char *token = copy_of(jwtkeeper_reply_token(reply, NULL));
        char *jti = copy_of(jwtkeeper_reply_jti(reply, NULL));
        CHECK(jwtkeeper_reply_expires_at(reply) > 0);

        SAME(jwtkeeper_status(client, jti, JWTKEEPER_NUL, reply), JWTKEEPER_OK);
        SAME(jwtkeeper_reply_state(reply), JWTKEEPER_STATE_NONE);
        CHECK(jwtkeeper_reply_token(reply, NULL) == NULL && jwtkeeper_reply_jti(reply, NULL) == NULL);
        SAME(jwtkeeper_reply_expires_at(reply), 0);
        SAME(jwtkeeper_reply_valid(reply), 0);

        SAME(jwtkeeper_validate(client, token, JWTKEEPER_NUL, NULL, 0, reply), JWTKEEPER_OK);
        SAME(jwtkeeper_reply_valid(reply), 1);
        CHECK(strstr(jwtkeeper_reply_claims(reply, NULL), "\"sub\":\"42\"") != NULL);

        SAME(jwtkeeper_issue(unknown, NULL, 0, JWTKEEPER_REALM_EXPIRY, reply), JWTKEEPER_ERROR_UNKNOWN_REALM);
        SAME(jwtkeeper_reply_valid(reply), 0);
        CHECK(jwtkeeper_reply_claims(reply, NULL) == NULL);
        CHECK(*jwtkeeper_reply_message(reply, NULL) != 0);

        SAME(jwtkeeper_validate(client, "x", 1, NULL, 0, reply), JWTKEEPER_OK);
        SAME(jwtkeeper_reply_reason(reply), JWTKEEPER_REASON_MALFORMED);
        CHECK(*jwtkeeper_reply_message(reply, NULL) == 0);

        SAME(jwtkeeper_health(client, reply), JWTKEEPER_OK);
        SAME(jwtkeeper_reply_ready(reply), 1);
        SAME(jwtkeeper_reply_reason(reply), 0);
        CHECK(jwtkeeper_reply_generation(reply) > 0);

        SAME(jwtkeeper_jwks(client, reply), JWTKEEPER_OK);
        SAME(jwtkeeper_reply_ready(reply), 0);
        SAME_TEXT(jwtkeeper_reply_document(reply, NULL), "{\"keys\":[]}");

        SAME(jwtkeeper_cookie_clear(client, reply), JWTKEEPER_OK);
        CHECK(jwtkeeper_reply_document(reply, NULL) == NULL);
        CHECK(jwtkeeper_reply_set_cookie(reply, NULL) != NULL);

        SAME(jwtkeeper_ping(client, reply), JWTKEEPER_OK);
        CHECK(jwtkeeper_reply_set_cookie(reply, NULL) == NULL);
        free(token);
        free(jti);
    }
    jwtkeeper_client_free(unknown);
    jwtkeeper_reply_free(reply);
}

/* What a reply shows may go into the very call that is given the reply. */
static void out_of_one_call_into_the_next(void)
{
    jwtkeeper_reply *reply = a_reply();
    SAME(jwtkeeper_issue(client, "{\"sub\":\"42\"}", JWTKEEPER_NUL, JWTKEEPER_REALM_EXPIRY, reply), JWTKEEPER_OK);
    char *token = copy_of(jwtkeeper_reply_token(reply, NULL));
    SAME(jwtkeeper_flag_jti(client, jwtkeeper_reply_jti(reply, NULL), JWTKEEPER_NUL, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_validate(client, token, JWTKEEPER_NUL, NULL, 0, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_cause(reply), JWTKEEPER_CAUSE_FLAGGED);
    SAME(jwtkeeper_rotate(client, token, JWTKEEPER_NUL, NULL, 0, NULL, 0, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_session_authenticate(client, jwtkeeper_reply_authorization(reply, NULL), JWTKEEPER_NUL, NULL, 0, reply),
         JWTKEEPER_OK);
    SAME(jwtkeeper_reply_status(reply), 200);
    SAME(jwtkeeper_issue(client, "{\"role\":", JWTKEEPER_NUL, JWTKEEPER_REALM_EXPIRY, reply), JWTKEEPER_ERROR_BAD_CLAIMS);
    SAME(jwtkeeper_validate(client, jwtkeeper_reply_message(reply, NULL), JWTKEEPER_NUL, NULL, 0, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_reason(reply), JWTKEEPER_REASON_MALFORMED);
    free(token);
    jwtkeeper_reply_free(reply);
}

/* Nobody is there: a slow machine has no time left to find that out. */
static void is_away(int32_t code)
{
    CHECK(code == JWTKEEPER_ERROR_UNREACHABLE || code == JWTKEEPER_ERROR_TIMEOUT);
}

static void a_handle_after_failures(void)
{
    jwtkeeper_config *config = jwtkeeper_config_new();
    jwtkeeper_client *nowhere = NULL;
    jwtkeeper_reply *reply = a_reply();
    SAME(jwtkeeper_config_set_socket(config, "/nowhere/at/all", JWTKEEPER_NUL), JWTKEEPER_OK);
    SAME(jwtkeeper_config_set_deadline_ms(config, 50), JWTKEEPER_OK);
    SAME(jwtkeeper_client_new(config, &nowhere), JWTKEEPER_OK);
    for (int call = 0; call < 3; call++) {
        is_away(jwtkeeper_ping(nowhere, reply));
        SAME(jwtkeeper_ping(NULL, reply), JWTKEEPER_ERROR_BAD_ARGUMENT);
        is_away(jwtkeeper_session_authenticate(nowhere, "Bearer x", JWTKEEPER_NUL, NULL, 0, reply));
        SAME(jwtkeeper_reply_status(reply), 503);
        CHECK(jwtkeeper_reply_set_cookie(reply, NULL) == NULL);
        SAME(jwtkeeper_reply_clears_cookie(reply), 0);
        SAME(jwtkeeper_ping(client, reply), JWTKEEPER_OK);
    }
    /* The configuration that a client was made of, and the client that another was made of, may go first. */
    jwtkeeper_client *other = of_realm(nowhere, "locked");
    jwtkeeper_config_free(config);
    jwtkeeper_client_free(nowhere);
    is_away(jwtkeeper_ping(other, reply));
    jwtkeeper_client_free(other);
    jwtkeeper_reply_free(reply);
}

static void out_of_turn(void)
{
    jwtkeeper_reply *reply = a_reply();
    SAME(jwtkeeper_session_rotate(client, NULL, 0, reply), JWTKEEPER_ERROR_OUT_OF_TURN);
    SAME(jwtkeeper_reply_status(reply), 500);
    SAME(jwtkeeper_session_authenticate(client, NULL, 0, NULL, 0, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_session_rotate(client, NULL, 0, reply), JWTKEEPER_ERROR_OUT_OF_TURN);

    jwtkeeper_reply *minted = a_reply();
    SAME(jwtkeeper_issue(client, NULL, 0, JWTKEEPER_REALM_EXPIRY, minted), JWTKEEPER_OK);
    const char *header = jwtkeeper_reply_authorization(minted, NULL);
    SAME(jwtkeeper_session_authenticate(client, header, JWTKEEPER_NUL, NULL, 0, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_reply_status(reply), 200);
    SAME(jwtkeeper_reply_cause(reply), JWTKEEPER_CAUSE_NONE);
    SAME(jwtkeeper_session_rotate(client, NULL, 0, reply), JWTKEEPER_ERROR_OUT_OF_TURN);

    /* Once is in turn, twice is not, nor is it after another call. */
    SAME(jwtkeeper_flag_jti(client, jwtkeeper_reply_jti(minted, NULL), JWTKEEPER_NUL, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_session_authenticate(client, header, JWTKEEPER_NUL, NULL, 0, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_ping(client, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_session_rotate(client, NULL, 0, reply), JWTKEEPER_ERROR_OUT_OF_TURN);
    SAME(jwtkeeper_session_authenticate(client, header, JWTKEEPER_NUL, NULL, 0, reply), JWTKEEPER_OK);
    SAME(jwtkeeper_session_rotate(client, NULL, 0, reply), JWTKEEPER_OK);
    CHECK(jwtkeeper_reply_authorization(reply, NULL) != NULL);
    SAME(jwtkeeper_session_rotate(client, NULL, 0, reply), JWTKEEPER_ERROR_OUT_OF_TURN);
    /* What another call left is not a successor to send. */
    CHECK(jwtkeeper_reply_authorization(reply, NULL) == NULL && jwtkeeper_reply_claims(reply, NULL) == NULL);
    const char *claims = jwtkeeper_reply_claims(minted, NULL);
    SAME(jwtkeeper_session_rotate(client, claims, JWTKEEPER_NUL, minted), JWTKEEPER_ERROR_OUT_OF_TURN);
    CHECK(jwtkeeper_reply_token(minted, NULL) == NULL && jwtkeeper_reply_valid(minted) == 0);
    jwtkeeper_reply_free(minted);
    jwtkeeper_reply_free(reply);
}

/* A mistake of the caller's, which must stay one that it hears of. */
static jwtkeeper_reply *shared;
static size_t in_each_hand;

static void *hand(void *mine)
{
    size_t *answered = mine;
    for (size_t call = 0; call < in_each_hand; call++) {
        int32_t code = jwtkeeper_ping(client, shared);
        CHECK(code == JWTKEEPER_OK || code == JWTKEEPER_ERROR_BUSY);
        if (code == JWTKEEPER_OK)
            ++*answered;
        code = jwtkeeper_reply_code(shared);
        CHECK(code == JWTKEEPER_OK || code == JWTKEEPER_ERROR_BUSY);
        SAME(jwtkeeper_reply_valid(shared), 0);
    }
    return NULL;
}

static void a_reply_in_two_hands(void)
{
    pthread_t threads[2];
    size_t answered[2] = { 0, 0 };
    in_each_hand = share_of(5000);
    shared = a_reply();
    for (int i = 0; i < 2; i++)
        SAME(pthread_create(&threads[i], NULL, hand, &answered[i]), 0);
    for (int i = 0; i < 2; i++)
        SAME(pthread_join(threads[i], NULL), 0);
    CHECK(answered[0] + answered[1] > 0);
    SAME(jwtkeeper_ping(client, shared), JWTKEEPER_OK);
    jwtkeeper_reply_free(shared);
}

static int open_files(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory != NULL);
    while (readdir(directory) != NULL)
        count++;
    SAME(closedir(directory), 0);
    return count;
}

int main(void)
{
    int files = open_files();
    client = a_client(PATIENT_MS);
    nothing_to_free();
    one_reply_for_all();
    out_of_one_call_into_the_next();
    a_handle_after_failures();
    out_of_turn();
    a_reply_in_two_hands();
    /* Connections are kept, and go with the client. */
    CHECK(open_files() > files);
    jwtkeeper_client_free(client);
    SAME(open_files(), files);
    return 0;
}
