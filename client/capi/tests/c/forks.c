/*
 * A client kept across fork: calls done before it, and calls in flight on other threads while it happens. Eight children
 * call with subjects of their own; no answer goes astray; the parent's threads go on as if nothing had happened.
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "subject.h"

enum { THREADS = 4, CHILDREN = 8, GENERATIONS = 20 };

static jwtkeeper_client *client;
static atomic_bool over;
static atomic_size_t rounds;

static void *go_on(void *number)
{
    while (!atomic_load(&over)) {
        calls_as(client, *(int *)number, 50);
        atomic_fetch_add(&rounds, 1);
    }
    return NULL;
}

/* A child's whole life. What threads of its parent held is lost to it, as fork will have it: it ends by an exec, lest that
 * be counted as leaked. */
static void live(int number, const char *path)
{
    calls_as(client, number, share_of(10000));
    execl(path, path, "child", (char *)NULL);
    _exit(1);
}

/* A line of descent longer than the client has room for: each one calls, and calls again when its child has ended. */
static void descend(int generation)
{
    int status = 0;
    calls_as(client, 2000 + generation, 20);
    if (generation < GENERATIONS) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            descend(generation + 1);
            _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child);
        SAME(status, 0);
    }
    calls_as(client, 3000 + generation, 20);
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    int numbers[THREADS];
    pid_t children[CHILDREN];
    if (argc == 2 && strcmp(argv[1], "child") == 0)
        return 0;
    client = a_client(PATIENT_MS);
    calls_as(client, 1000, 50);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = 100 + i;
        SAME(pthread_create(&threads[i], NULL, go_on, &numbers[i]), 0);
    }
    while (atomic_load(&rounds) < THREADS)
        sched_yield();
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0)
            live(i, argv[0]);
    }
    size_t before = atomic_load(&rounds);
    for (int i = 0; i < CHILDREN; i++) {
        int status = 0;
        CHECK(waitpid(children[i], &status, 0) == children[i]);
        SAME(status, 0);
    }
    CHECK(atomic_load(&rounds) > before);
    atomic_store(&over, 1);
    for (int i = 0; i < THREADS; i++)
        SAME(pthread_join(threads[i], NULL), 0);
    /* A child that gives its copy back takes nothing from the parent. */
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        jwtkeeper_client_free(client);
        _exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    SAME(status, 0);
    descend(0);
    calls_as(client, 1001, 50);
    jwtkeeper_client_free(client);
    return 0;
}
