/*
 * The app in C that is held to tests/session_flow.json: examples/c's HTTP loop and session flow.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "session.h"

static jwtkeeper_client *client;
static jwtkeeper_reply *reply;

static const char *regenerate_claims(const struct http_request *request, const char *old_claims)
{
    (void)old_claims;
    return http_field(request, "X-Regenerate");
}

static void handle(const struct http_request *request, struct http_response *response)
{
    if (strcmp(request->path, "/open") == 0) {
        http_answer(response, 200, "open");
        return;
    }
    const char *claims = session_claims(client, request, response, regenerate_claims, reply);
    if (claims != NULL)
        http_answer(response, 200, claims);
}

int main(void)
{
    const char *realm = getenv("JWTKEEPER_TEST_REALM");
    const char *deadline = getenv("JWTKEEPER_TEST_DEADLINE_MS");
    unsigned port = 0;
    int listener = http_listen(&port);
    jwtkeeper_config *config = jwtkeeper_config_new();
    reply = jwtkeeper_reply_new();
    if (listener < 0 || realm == NULL || deadline == NULL || reply == NULL ||
        jwtkeeper_config_set_realm(config, realm, JWTKEEPER_NUL) != JWTKEEPER_OK ||
        jwtkeeper_config_set_deadline_ms(config, strtoull(deadline, NULL, 10)) != JWTKEEPER_OK ||
        jwtkeeper_client_new(config, &client) != JWTKEEPER_OK)
        return 1;
    jwtkeeper_config_free(config);
    printf("listening %u\n", port);
    fflush(stdout);
    http_serve(listener, handle);
    return 1;
}
