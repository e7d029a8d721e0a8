/*
 * The least that a program does with the library; what a program in C++ does too.
 */
#include <jwtkeeper.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    jwtkeeper_client *client = NULL;
    jwtkeeper_reply *reply = jwtkeeper_reply_new();
    int32_t code = jwtkeeper_client_new(NULL, &client);
    if (code == JWTKEEPER_OK)
        code = jwtkeeper_issue(client, "{\"sub\":\"42\"}", JWTKEEPER_NUL, JWTKEEPER_REALM_EXPIRY, reply);
    if (code != JWTKEEPER_OK) {
        fprintf(stderr, "%s\n", jwtkeeper_reply_message(reply, NULL));
        return 1;
    }
    if (strstr(jwtkeeper_reply_claims(reply, NULL), "\"sub\":\"42\"") != NULL)
        printf("%s\n", jwtkeeper_version());
    jwtkeeper_reply_free(reply);
    jwtkeeper_client_free(client);
    return 0;
}
