/*
 * HTTP/1.1 as far as a small app needs it: one thread, one request after the other, each on a connection of its own. A
 * request that is longer than it should be, or no HTTP, is answered 400; nothing is read beyond its end.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stddef.h>

enum { HTTP_MAX_REQUEST = 64 * 1024, HTTP_MAX_HEADERS = 64, HTTP_MAX_REPLIED = 16 };

struct http_field {
    const char *name, *value;
};

struct http_request {
    const char *method, *path;
    /* With a NUL behind its end. */
    const char *body;
    size_t body_len;
    struct http_field fields[HTTP_MAX_HEADERS];
    size_t count;
};

struct http_response {
    int status;
    /* Copies, freed when the response is sent. */
    char *names[HTTP_MAX_REPLIED], *values[HTTP_MAX_REPLIED];
    size_t count;
    char *body;
};

typedef void http_handler(const struct http_request *request, struct http_response *response);

/* Listens on 127.0.0.1; 0 is any port. Returns the socket and writes the port, or returns -1. */
int http_listen(unsigned *port);

/* Serves for ever; returns when accepting fails. */
void http_serve(int listener, http_handler *handler);

/* The first header field of this name, whatever its case; NULL when there is none. */
const char *http_field(const struct http_request *request, const char *name);

/* A header field more, beside others of that name. */
void http_add(struct http_response *response, const char *name, const char *value);

/* No header field of this name. */
void http_drop(struct http_response *response, const char *name);

/* The status and the body, which is copied. */
void http_answer(struct http_response *response, int status, const char *body);

#endif
