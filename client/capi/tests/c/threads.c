/*
 * Eight threads on one client, each with subjects of its own: no answer goes to another thread.
 */
#include "check.h"

#include <pthread.h>

#include "subject.h"

enum { THREADS = 8 };

static jwtkeeper_client *client;

static void *work(void *number)
{
    calls_as(client, *(int *)number, share_of(4000));
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    int numbers[THREADS];
    client = a_client(PATIENT_MS);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        SAME(pthread_create(&threads[i], NULL, work, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        SAME(pthread_join(threads[i], NULL), 0);
    jwtkeeper_client_free(client);
    return 0;
}
