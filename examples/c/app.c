/*
 * Login, profile and logout on libjwtkeeper, with a small HTTP loop (http.c) and the session flow (session.c).
 *
 *   make run                      # in the project's root: a daemon at target/dev/jwtkeeper.sock
 *   make -C examples/c run        # this app, at http://127.0.0.1:8080
 *
 *   curl -i -d '{"user":"demo","password":"demo"}' http://127.0.0.1:8080/login
 *   curl -i -H "Authorization: Bearer TOKEN" http://127.0.0.1:8080/profile
 *   curl -i -X POST -H "Authorization: Bearer TOKEN" http://127.0.0.1:8080/logout
 *
 * With a realm that locks, send the cookie of the login along: -b 'jwt_keeper=...'.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "session.h"

static jwtkeeper_client *client;
static jwtkeeper_reply *reply;

/* What is new of a user when rotation is due: nothing here. */
static const char *regenerate_claims(const struct http_request *request, const char *old_claims)
{
    (void)request;
    (void)old_claims;
    return NULL;
}

static void login(const struct http_request *request, struct http_response *response)
{
    if (!json_member_is(request->body, "user", "\"demo\"") || !json_member_is(request->body, "password", "\"demo\"")) {
        http_answer(response, 401, "");
    } else if (jwtkeeper_issue(client, "{\"sub\":\"demo\"}", JWTKEEPER_NUL, JWTKEEPER_REALM_EXPIRY, reply) != JWTKEEPER_OK) {
        session_refuse(response, reply);
    } else {
        session_send(response, reply);
        http_answer(response, 204, "");
    }
}

static void profile(const struct http_request *request, struct http_response *response)
{
    const char *claims = session_claims(client, request, response, regenerate_claims, reply);
    if (claims == NULL)
        return;
    size_t length = 0;
    const char *user = json_member(claims, "sub", &length);
    char *body = malloc(length + sizeof "{\"user\":null}");
    if (body == NULL)
        abort();
    sprintf(body, "{\"user\":%.*s}", user == NULL ? 4 : (int)length, user == NULL ? "null" : user);
    http_add(response, "Content-Type", "application/json");
    http_answer(response, 200, body);
    free(body);
}

static void logout(const struct http_request *request, struct http_response *response)
{
    if (session_claims(client, request, response, regenerate_claims, reply) == NULL)
        return;
    if (session_end(client, request, response, reply))
        http_answer(response, 204, "");
    else
        session_refuse(response, reply);
}

static void handle(const struct http_request *request, struct http_response *response)
{
    static const struct { const char *method, *path; http_handler *handler; } routes[] = {
        { "POST", "/login", login },
        { "GET", "/profile", profile },
        { "POST", "/logout", logout },
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strcmp(request->method, routes[i].method) == 0 && strcmp(request->path, routes[i].path) == 0) {
            routes[i].handler(request, response);
            return;
        }
    }
    http_answer(response, 404, "");
}

int main(void)
{
    const char *given = getenv("PORT");
    unsigned port = given == NULL ? 8080 : (unsigned)strtoul(given, NULL, 10);
    int listener = http_listen(&port);
    jwtkeeper_config *config = jwtkeeper_config_new();
    reply = jwtkeeper_reply_new();
    if (listener < 0 || reply == NULL || jwtkeeper_config_set_deadline_ms(config, 2000) != JWTKEEPER_OK ||
        jwtkeeper_client_new(config, &client) != JWTKEEPER_OK) {
        perror("cannot listen");
        return 1;
    }
    jwtkeeper_config_free(config);
    printf("listening on http://127.0.0.1:%u\n", port);
    fflush(stdout);
    http_serve(listener, handle);
    return 1;
}
