/*
 * Calls as one subject of many: tokens of its own, and every answer must be about them.
 */
#ifndef SUBJECT_H
#define SUBJECT_H

#include "check.h"

enum { TOKENS = 4 };

static inline void calls_as(const jwtkeeper_client *client, int number, size_t calls)
{
    jwtkeeper_reply *reply = a_reply();
    char *tokens[TOKENS] = { NULL };
    char *ids[TOKENS] = { NULL };
    char claims[TOKENS][64];
    for (size_t call = 0; call < calls; call++) {
        size_t which = call % TOKENS;
        if (call / TOKENS % 64 == 0) {
            CHECK(snprintf(claims[which], sizeof claims[which], "{\"sub\":\"s%d\",\"call\":%zu}", number, call) > 0);
            SAME(jwtkeeper_issue(client, claims[which], JWTKEEPER_NUL, JWTKEEPER_REALM_EXPIRY, reply), JWTKEEPER_OK);
            free(tokens[which]);
            free(ids[which]);
            tokens[which] = copy_of(jwtkeeper_reply_token(reply, NULL));
            ids[which] = copy_of(jwtkeeper_reply_jti(reply, NULL));
        } else if (call % 16 == 5) {
            SAME(jwtkeeper_status(client, ids[which], JWTKEEPER_NUL, reply), JWTKEEPER_OK);
            SAME(jwtkeeper_reply_state(reply), JWTKEEPER_STATE_NONE);
            continue;
        } else {
            SAME(jwtkeeper_validate(client, tokens[which], JWTKEEPER_NUL, NULL, 0, reply), JWTKEEPER_OK);
        }
        SAME(jwtkeeper_reply_valid(reply), 1);
        const char *found = jwtkeeper_reply_claims(reply, NULL);
        /* The claims end as they were given or begin so: in both cases they stand there whole. */
        size_t inner = strlen(claims[which]) - 2;
        claims[which][inner + 1] = 0;
        int is_ours = strstr(found, claims[which] + 1) != NULL;
        claims[which][inner + 1] = '}';
        CHECK(is_ours);
        CHECK(strstr(found, ids[which]) != NULL);
    }
    for (size_t which = 0; which < TOKENS; which++) {
        free(tokens[which]);
        free(ids[which]);
    }
    jwtkeeper_reply_free(reply);
}

#endif
