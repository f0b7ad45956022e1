/* intake_thread.h - the thread on which what comes to the server by itself becomes commands: the
 * feed of feed_dir, and stock files that clients sent whole. It has a reply_port of its own with
 * the engine, behind those of the workers.
 */
#ifndef TALLY_SERVER_INTAKE_THREAD_H
#define TALLY_SERVER_INTAKE_THREAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "intake/intake.h"
#include "intake/stock_import.h"
#include "server/engine_thread.h"
#include "server/settings.h"
#include "service/service.h"

struct intake_thread {
    struct engine_thread *engine_thread;
    struct feed *feed; /* NULL: there is none */
    struct intake *intake;
    struct imports *imports;
    struct service_imports port_of_imports; /* for the workers */
    unsigned index;                         /* of the port */
    int event_fd;                           /* -1: not made */
    bool started;

    /* the thread's own */
    struct mail_chain commands;
    uint32_t command_count;
    char flavors[sizeof((struct settings *)0)->flavors];

    /* the main thread's orders */
    pthread_mutex_t lock;
    enum stock_rules rules;                                   /* the setting `dimensions` */
    char flavors_next[sizeof((struct settings *)0)->flavors]; /* guarded */
    _Atomic bool drain_wanted, end_wanted;
    _Atomic bool idle;

    pthread_t thread;
    _Alignas(64) struct reply_port port;
};

/* Of a zeroed thread: opens the feed, and takes the next port of the engine's. */
int intake_thread_create(struct intake_thread *t, const struct settings *settings,
                         struct engine_thread *engine_thread, struct error *e) MUST_CHECK;
int intake_thread_start(struct intake_thread *t, struct error *e) MUST_CHECK;

/* From the main thread. */
void intake_thread_reload(struct intake_thread *t, const struct settings *settings);
/* Nothing new is begun; drained: the engine has answered all of it. */
void intake_thread_drain(struct intake_thread *t);
bool intake_thread_drained(struct intake_thread *t);
/* Ends the thread, whatever is with the engine, and waits for it. */
void intake_thread_join(struct intake_thread *t);
/* When the engine is gone. Also half-made. */
void intake_thread_destroy(struct intake_thread *t);

#endif
