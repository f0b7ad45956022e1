/* webhook_internal.h - what the files of the webhook share.
 *
 * `window` and `poster` are the webhook's thread's. The file of the list is guarded by `file_lock`,
 * which is held until the list in memory says the same; the list itself is guarded by `lock`, which
 * is taken inside and never held while the file is written. Both are changed by the thread, but for
 * `again`, which anybody may set.
 */
#ifndef TALLY_BUS_WEBHOOK_INTERNAL_H
#define TALLY_BUS_WEBHOOK_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "bus/event.h"
#include "bus/webhook_post.h"
#include "bus/webhook_store.h"
#include "bus/webhook_window.h"

#define WEBHOOK_READER "webhook" /* its cursor's name */

/* One of the list that is being sent again. */
struct again {
    int64_t id;
    uint32_t attempts;
    char type[WEBHOOK_TYPE_MAX];
    char *body; /* NULL: free */
};

enum { WEBHOOK_AGAIN_MAX = 8 };

struct webhook {
    struct webhook_config config;
    char *dir, *url, *secrets, *ca_file, *source; /* what config points to */
    struct event_namer namer;
    struct poster poster;
    struct webhook_store store;
    struct webhook_window window;
    struct again again[WEBHOOK_AGAIN_MAX];
    int64_t cursor_stored;
    uint64_t cursor_due_ns;
    uint64_t again_due_ns; /* the list's file could not be used: not before */
    uint64_t read_due_ns;  /* the log could not be read: not before */
    bool full_told;
    bool caught_up;

    pthread_mutex_t file_lock, lock;
    struct webhook_failure *failures; /* ascending id; failed_max of them */
    uint32_t failure_count;
    uint32_t again_count; /* of them, marked `again` */

    _Atomic bool waits; /* for the next commit */
    _Atomic bool stopping;
    pthread_t thread;
    bool running;

#define X(name, kind, help) _Atomic int64_t name;
    struct {
        WEBHOOK_STATS(X)
    } counters;
#undef X
};

/* ---- webhook_list.c: what failed ---- */

int webhook_list_load(struct webhook *w, struct error *e) MUST_CHECK;
bool webhook_list_full(struct webhook *w);
/* Durable when it returns. TLY_EFULL: there is no room. */
int webhook_list_add(struct webhook *w, const struct webhook_failure *f, struct str body,
                     struct error *e) MUST_CHECK;
/* It was sent again: taken off, or what became of it. */
int webhook_list_settle(struct webhook *w, int64_t id, const struct webhook_failure *failed,
                        struct error *e) MUST_CHECK;
/* Its body, malloc'ed. */
int webhook_list_body(struct webhook *w, int64_t id, char **body, uint32_t *size,
                      struct error *e) MUST_CHECK;
/* The next that is to be sent again and comes after `after`; false: there is none. */
bool webhook_list_next(struct webhook *w, int64_t after, struct webhook_failure *out);

#endif
