#define _POSIX_C_SOURCE 200809L

#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* How long one read or write may take, and reading a request in all: a peer that says nothing, or a byte now and then, holds
 * up the others for no longer. */
enum { PATIENCE_SECONDS = 5 };

static char *copy(const char *text)
{
    size_t size = strlen(text) + 1;
    char *made = malloc(size);
    if (made == NULL)
        abort();
    return memcpy(made, text, size);
}

int http_listen(unsigned *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof address;
    int yes = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0)
        return -1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((in_port_t)*port);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 128) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        close(listener);
        return -1;
    }
    *port = ntohs(address.sin_port);
    return listener;
}

const char *http_field(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->count; i++)
        if (strcasecmp(request->fields[i].name, name) == 0)
            return request->fields[i].value;
    return NULL;
}

void http_add(struct http_response *response, const char *name, const char *value)
{
    /* What would end the line would begin another field. */
    if (response->count == HTTP_MAX_REPLIED || strpbrk(value, "\r\n") != NULL)
        abort();
    response->names[response->count] = copy(name);
    response->values[response->count++] = copy(value);
}

void http_drop(struct http_response *response, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < response->count; i++) {
        if (strcasecmp(response->names[i], name) == 0) {
            free(response->names[i]);
            free(response->values[i]);
            continue;
        }
        response->names[kept] = response->names[i];
        response->values[kept++] = response->values[i];
    }
    response->count = kept;
}

void http_answer(struct http_response *response, int status, const char *body)
{
    free(response->body);
    response->status = status;
    response->body = copy(body);
}

/* Reads once; 0 when the peer has no more, or has said nothing for too long. */
static size_t some(int peer, char *buffer, size_t room)
{
    ssize_t got;
    do
        got = recv(peer, buffer, room, 0);
    while (got < 0 && errno == EINTR);
    return got > 0 ? (size_t)got : 0;
}

/* Cuts the line that begins there off, in place; NULL when it has no end. */
static char *cut_line(char **rest)
{
    char *line = *rest, *end = strstr(line, "\r\n");
    if (end == NULL)
        return NULL;
    *end = 0;
    *rest = end + 2;
    return line;
}

/* The head of a request, which ends in an empty line, in place; 0 when it is none. */
static int parse_head(char *head, struct http_request *request)
{
    char *rest = head, *line = cut_line(&rest);
    char *path = line == NULL ? NULL : strchr(line, ' ');
    char *version = path == NULL ? NULL : strchr(path + 1, ' ');
    if (version == NULL || strncmp(version, " HTTP/1.", 8) != 0)
        return 0;
    *path = *version = 0;
    request->method = line;
    request->path = path + 1;
    while ((line = cut_line(&rest)) != NULL && *line != 0) {
        char *colon = strchr(line, ':');
        if (colon == NULL || colon == line || request->count == HTTP_MAX_HEADERS)
            return 0;
        *colon = 0;
        char *value = colon + 1 + strspn(colon + 1, " \t");
        for (size_t end = strlen(value); end > 0 && strchr(" \t", value[end - 1]) != NULL; end--)
            value[end - 1] = 0;
        request->fields[request->count++] = (struct http_field) { line, value };
    }
    return line != NULL;
}

/* Where the head ends, or 0: nothing but bytes that have come is looked at. */
static size_t head_end(const char *buffer, size_t length)
{
    for (size_t at = 3; at < length; at++)
        if (memcmp(buffer + at - 3, "\r\n\r\n", 4) == 0)
            return at + 1;
    return 0;
}

/* What came of a request so far; `bytes` has room for HTTP_MAX_REQUEST and one more. */
struct inbox {
    int peer;
    char *bytes;
    size_t length;
    time_t until;
};

/* Reads until so many bytes have come; 0 when they do not come in time, or are too many. */
static int come(struct inbox *inbox, size_t wanted)
{
    while (inbox->length < wanted) {
        size_t got = wanted > HTTP_MAX_REQUEST || time(NULL) > inbox->until
                         ? 0
                         : some(inbox->peer, inbox->bytes + inbox->length, HTTP_MAX_REQUEST - inbox->length);
        if (got == 0)
            return 0;
        inbox->length += got;
    }
    return 1;
}

/* A body in chunks (RFC 9112 section 7.1), moved together in place; 0 when it is none. Extensions and trailers are none. */
static int read_chunks(struct inbox *inbox, size_t start, size_t *end)
{
    size_t at = start;
    *end = start;
    for (;;) {
        size_t size = 0, digits = 0;
        for (;; digits++, at++) {
            if (!come(inbox, at + 1))
                return 0;
            const char *digit = memchr("0123456789abcdefABCDEF", inbox->bytes[at], 22);
            if (digit == NULL)
                break;
            if (digits == 5)
                return 0;
            size = size * 16 + (size_t)(*digit <= '9' ? *digit - '0' : (*digit | 0x20) - 'a' + 10);
        }
        /* The line's end, the chunk, and the end of its line. */
        if (digits == 0 || !come(inbox, at + 2 + size + 2) || memcmp(inbox->bytes + at, "\r\n", 2) != 0 ||
            memcmp(inbox->bytes + at + 2 + size, "\r\n", 2) != 0)
            return 0;
        memmove(inbox->bytes + *end, inbox->bytes + at + 2, size);
        *end += size;
        at += 2 + size + 2;
        if (size == 0)
            return 1;
    }
}

/* Reads one request; 0 when there is none. */
static int read_request(struct inbox *inbox, struct http_request *request)
{
    size_t head;
    while ((head = head_end(inbox->bytes, inbox->length)) == 0)
        if (!come(inbox, inbox->length + 1))
            return 0;
    char first = inbox->bytes[head];
    inbox->bytes[head] = 0;
    if (memchr(inbox->bytes, 0, head) != NULL || !parse_head(inbox->bytes, request))
        return 0;
    inbox->bytes[head] = first;
    const char *given = http_field(request, "Content-Length");
    const char *encoding = http_field(request, "Transfer-Encoding");
    size_t end = head;
    if (encoding != NULL) {
        /* Both at once is how requests are smuggled. */
        if (given != NULL || strcasecmp(encoding, "chunked") != 0 || !read_chunks(inbox, head, &end))
            return 0;
    } else if (given != NULL) {
        if (*given == 0 || strlen(given) > 6 || strspn(given, "0123456789") != strlen(given))
            return 0;
        end += strtoul(given, NULL, 10);
        if (!come(inbox, end))
            return 0;
    }
    inbox->bytes[end] = 0;
    request->body = inbox->bytes + head;
    request->body_len = end - head;
    return 1;
}

static const char *phrase(int status)
{
    switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 404: return "Not Found";
    case 503: return "Service Unavailable";
    default: return "Internal Server Error";
    }
}

static void send_response(int peer, const struct http_response *response)
{
    const char *body = response->body == NULL ? "" : response->body;
    FILE *out = fdopen(peer, "w");
    if (out == NULL) {
        close(peer);
        return;
    }
    fprintf(out, "HTTP/1.1 %d %s\r\nConnection: close\r\n", response->status, phrase(response->status));
    for (size_t i = 0; i < response->count; i++)
        fprintf(out, "%s: %s\r\n", response->names[i], response->values[i]);
    if (response->status == 204)
        fputs("\r\n", out);
    else
        fprintf(out, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    fflush(out);
    shutdown(peer, SHUT_WR);
    fclose(out);
}

void http_serve(int listener, http_handler *handler)
{
    static char buffer[HTTP_MAX_REQUEST + 1];
    /* A browser that has gone is none of the app's business. */
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int peer = accept(listener, NULL, NULL);
        if (peer < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            return;
        }
        struct timeval patience = { .tv_sec = PATIENCE_SECONDS };
        setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        struct http_request request = { .count = 0 };
        struct http_response response = { .status = 500 };
        struct inbox inbox = { peer, buffer, 0, time(NULL) + PATIENCE_SECONDS };
        if (read_request(&inbox, &request))
            handler(&request, &response);
        else
            http_answer(&response, 400, "");
        send_response(peer, &response);
        for (size_t i = 0; i < response.count; i++) {
            free(response.names[i]);
            free(response.values[i]);
        }
        free(response.body);
    }
}
