/*
 * The daemon is killed (kill -9) and started again by the harness, over and over, while threads call it, and a signal comes
 * every 5 ms whose handler has no system call begun anew. Calls that may wait are all answered; those that may not fail as
 * they should; the process lives, with SIGPIPE as it came.
 */
#define _XOPEN_SOURCE 700
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <unistd.h>

enum { THREADS = 4 };

static atomic_bool over;
static atomic_size_t answered, failed, ticks;

static void tick(int signal)
{
    (void)signal;
    atomic_fetch_add(&ticks, 1);
}

static void *call_on(void *given)
{
    jwtkeeper_client *client = given;
    jwtkeeper_reply *reply = a_reply();
    char *token = NULL;
    while (!atomic_load(&over)) {
        int32_t code = token == NULL ? jwtkeeper_issue(client, "{\"sub\":\"42\"}", JWTKEEPER_NUL, 600, reply)
                                     : jwtkeeper_validate(client, token, JWTKEEPER_NUL, NULL, 0, reply);
        if (code == JWTKEEPER_OK) {
            atomic_fetch_add(&answered, 1);
            SAME(jwtkeeper_reply_valid(reply), 1);
            if (token == NULL)
                token = copy_of(jwtkeeper_reply_token(reply, NULL));
        } else {
            if (code != JWTKEEPER_ERROR_UNREACHABLE && code != JWTKEEPER_ERROR_TIMEOUT)
                fprintf(stderr, "%s: %s\n", jwtkeeper_code_name(code), jwtkeeper_reply_message(reply, NULL));
            CHECK(code == JWTKEEPER_ERROR_UNREACHABLE || code == JWTKEEPER_ERROR_TIMEOUT);
            SAME(jwtkeeper_reply_valid(reply), 0);
            atomic_fetch_add(&failed, 1);
        }
    }
    free(token);
    jwtkeeper_reply_free(reply);
    return NULL;
}

int main(void)
{
    struct sigaction sigpipe;
    SAME(sigaction(SIGPIPE, NULL, &sigpipe), 0);
    CHECK(sigpipe.sa_handler == SIG_DFL);
    jwtkeeper_client *patient = a_client(PATIENT_MS);
    jwtkeeper_client *impatient = a_client(5);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        SAME(pthread_create(&threads[i], NULL, call_on, i % 2 == 0 ? patient : impatient), 0);
    struct sigaction ticking = { .sa_handler = tick };
    struct itimerval often = { { 0, 5000 }, { 0, 5000 } }, never = { { 0, 0 }, { 0, 0 } };
    SAME(sigaction(SIGALRM, &ticking, NULL), 0);
    SAME(setitimer(ITIMER_REAL, &often, NULL), 0);
    while (atomic_load(&ticks) == 0 || atomic_load(&answered) == 0)
        sched_yield();
    CHECK(puts("begun") >= 0 && fflush(stdout) == 0);
    /* Until the harness has had enough. */
    char word[16];
    ssize_t got;
    while ((got = read(STDIN_FILENO, word, sizeof word)) < 0)
        SAME(errno, EINTR);
    CHECK(got > 0);
    SAME(setitimer(ITIMER_REAL, &never, NULL), 0);
    /* Some failed in all those rounds; and at the end all is well again. */
    atomic_store(&over, 1);
    for (int i = 0; i < THREADS; i++)
        SAME(pthread_join(threads[i], NULL), 0);
    CHECK(atomic_load(&answered) > 0 && atomic_load(&failed) > 0);
    jwtkeeper_reply *reply = a_reply();
    SAME(jwtkeeper_ping(patient, reply), JWTKEEPER_OK);
    jwtkeeper_reply_free(reply);
    jwtkeeper_client_free(impatient);
    jwtkeeper_client_free(patient);
    SAME(sigaction(SIGPIPE, NULL, &sigpipe), 0);
    CHECK(sigpipe.sa_handler == SIG_DFL);
    return 0;
}
