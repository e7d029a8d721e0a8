/*
 * A load of validates on one thread, in C: reads a token from stdin, validates it for --seconds (2 unless told otherwise),
 * and prints what that came to as one line of JSON. With --begin it prints `begun` after the first answer. C has no foreign
 * function interface to pass: ffi_ns is null.
 */
#define _POSIX_C_SOURCE 200809L

#include <jwtkeeper.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int by_size(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    double seconds = 2;
    int begin = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--begin") == 0)
            begin = 1;
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            seconds = strtod(argv[++i], NULL);
        else
            return 2;
    }
    char token[16384];
    jwtkeeper_client *client = NULL;
    jwtkeeper_reply *reply = jwtkeeper_reply_new();
    if (fgets(token, sizeof token, stdin) == NULL || reply == NULL || jwtkeeper_client_new(NULL, &client) != JWTKEEPER_OK)
        return 1;
    size_t length = strcspn(token, "\r\n");

    size_t calls = 0, errors = 0, room = 0;
    double *times = NULL, start = now_us(), before;
    while ((before = now_us()) - start < seconds * 1e6) {
        if (calls == room) {
            room = room == 0 ? 65536 : room * 2;
            times = realloc(times, room * sizeof *times);
            if (times == NULL)
                return 1;
        }
        int32_t code = jwtkeeper_validate(client, token, length, NULL, 0, reply);
        errors += code != JWTKEEPER_OK || !jwtkeeper_reply_valid(reply);
        times[calls++] = now_us() - before;
        if (begin && calls == 1) {
            puts("begun");
            fflush(stdout);
        }
    }
    double taken = (now_us() - start) / 1e6;
    if (calls == 0)
        return 1;
    qsort(times, calls, sizeof *times, by_size);
    printf("{\"calls\":%zu,\"errors\":%zu,\"seconds\":%.3f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,\"ffi_ns\":null}\n",
           calls, errors, taken, times[(calls - 1) / 2], times[(size_t)((double)(calls - 1) * 0.99)], times[calls - 1]);
    free(times);
    jwtkeeper_reply_free(reply);
    jwtkeeper_client_free(client);
    return 0;
}
