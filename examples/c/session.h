/*
 * The session flow of libjwtkeeper on http.h: who sent this request?
 */
#ifndef SESSION_H
#define SESSION_H

#include <jwtkeeper.h>

#include "http.h"

/* The app's new private claims when rotation is due, a JSON object; NULL carries the old token's over. */
typedef const char *session_regenerate(const struct http_request *request, const char *old_claims);

/*
 * The claims of the request's token, a JSON object that lives until `reply` is used again; its successor, when rotation was
 * due, is in the response. NULL: the response is the answer, 401, 503 or 500.
 */
const char *session_claims(const jwtkeeper_client *client, const struct http_request *request, struct http_response *response,
                           session_regenerate *regenerate, jwtkeeper_reply *reply);

/*
 * Whether the request's token, with its session, is revoked, and the lock cookie taken back: a logout. `reply` is as
 * session_claims left it.
 */
int session_end(const jwtkeeper_client *client, const struct http_request *request, struct http_response *response,
                jwtkeeper_reply *reply);

/* The last call was not answered, or the request is not authenticated: what the browser is told. */
void session_refuse(struct http_response *response, const jwtkeeper_reply *reply);

/* The token that was just minted goes to the browser, with its lock cookie. */
void session_send(struct http_response *response, const jwtkeeper_reply *reply);

#endif
