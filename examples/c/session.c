#include "session.h"

#include <stdio.h>
#include <string.h>

void session_send(struct http_response *response, const jwtkeeper_reply *reply)
{
    const char *authorization = jwtkeeper_reply_authorization(reply, NULL);
    const char *set_cookie = jwtkeeper_reply_set_cookie(reply, NULL);
    if (authorization != NULL) {
        http_add(response, "Authorization", authorization);
        http_add(response, "Cache-Control", "no-store");
    }
    if (set_cookie != NULL)
        http_add(response, "Set-Cookie", set_cookie);
}

void session_refuse(struct http_response *response, const jwtkeeper_reply *reply)
{
    int status = jwtkeeper_reply_status(reply);
    const char *challenge = jwtkeeper_reply_challenge(reply, NULL);
    if (status != 401)
        fprintf(stderr, "%s: %s\n", jwtkeeper_code_name(jwtkeeper_reply_code(reply)), jwtkeeper_reply_message(reply, NULL));
    if (status == 503)
        http_add(response, "Retry-After", "1");
    if (challenge != NULL)
        http_add(response, "WWW-Authenticate", challenge);
    if (status == 401)
        session_send(response, reply);
    http_answer(response, status, "");
}

const char *session_claims(const jwtkeeper_client *client, const struct http_request *request, struct http_response *response,
                           session_regenerate *regenerate, jwtkeeper_reply *reply)
{
    const char *cookie = http_field(request, "Cookie");
    const char *authorization = http_field(request, "Authorization");
    int32_t code = jwtkeeper_session_authenticate(client, authorization, JWTKEEPER_NUL, cookie, JWTKEEPER_NUL, reply);
    if (code == JWTKEEPER_OK && jwtkeeper_reply_cause(reply) != JWTKEEPER_CAUSE_NONE) {
        const char *claims = regenerate(request, jwtkeeper_reply_claims(reply, NULL));
        code = jwtkeeper_session_rotate(client, claims, JWTKEEPER_NUL, reply);
    }
    if (code != JWTKEEPER_OK || jwtkeeper_reply_status(reply) != 200) {
        session_refuse(response, reply);
        return NULL;
    }
    session_send(response, reply);
    return jwtkeeper_reply_claims(reply, NULL);
}

int session_end(const jwtkeeper_client *client, const struct http_request *request, struct http_response *response,
                jwtkeeper_reply *reply)
{
    size_t cookie_len = JWTKEEPER_NUL, token_len = 0;
    /* What came, or what it was rotated to a moment ago. */
    const char *cookie = http_field(request, "Cookie");
    const char *token = jwtkeeper_reply_presented(reply, &token_len);
    if (token == NULL) {
        token = jwtkeeper_reply_token(reply, &token_len);
        cookie = jwtkeeper_reply_cookie_value(reply, &cookie_len);
    }
    if (jwtkeeper_revoke_token(client, token, token_len, cookie, cookie_len, reply) != JWTKEEPER_OK)
        return 0;
    /* A successor of a moment ago is gone with the session. */
    http_drop(response, "Authorization");
    http_drop(response, "Set-Cookie");
    if (jwtkeeper_cookie_clear(client, reply) == JWTKEEPER_OK)
        session_send(response, reply);
    return 1;
}
