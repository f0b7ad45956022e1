/* webhook_window.h - the events between the cursor and what was read of the log, and which of them
 * may be sent now. No I/O, no clock.
 *
 * In the order of the log. One may be sent unless an earlier one that is not done moves the same
 * lot or reservation; those that wait for their next attempt hold up the same ones.
 */
#ifndef TALLY_BUS_WEBHOOK_WINDOW_H
#define TALLY_BUS_WEBHOOK_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "bus/webhook.h"

enum { WEBHOOK_WINDOW = 512 };

enum delivery_state { DELIVERY_WAITS, DELIVERY_UNDER_WAY, DELIVERY_DONE };

struct delivery {
    int64_t id;
    int64_t at_ms;  /* of the move */
    uint64_t bits;  /* one for each of its keys; different keys may share one */
    uint64_t *keys; /* its reservation and its lots; malloc'ed. NULL: no memory, go by the bits */
    uint32_t key_count;
    uint64_t due_ns; /* not before */
    uint32_t attempts;
    uint32_t size;
    char *body; /* malloc'ed */
    uint8_t state;
    char type[WEBHOOK_TYPE_MAX];
};

struct webhook_window {
    struct delivery at[WEBHOOK_WINDOW];
    uint32_t first, count;
    int64_t read_upto; /* all up to here was read */
    int64_t cursor;    /* all up to here is done */
};

void webhook_window_init(struct webhook_window *w, int64_t cursor);
void webhook_window_close(struct webhook_window *w);
static inline uint32_t webhook_window_room(const struct webhook_window *w)
{
    return WEBHOOK_WINDOW - w->count;
}
/* There must be room. The window takes over `body`. */
struct delivery *webhook_window_add(struct webhook_window *w, const struct move *m, char *body,
                                    uint32_t size);
/* The first that may be sent, which is then under way; or NULL, and when the next one may be, if
 * that is sooner than *due_ns. */
struct delivery *webhook_window_next(struct webhook_window *w, uint64_t now_ns, uint64_t *due_ns);
/* Delivered, or given up. */
void webhook_window_done(struct webhook_window *w, struct delivery *d);
void webhook_window_again(struct delivery *d, uint64_t due_ns);

/* How long to wait after so many failures: doubled with each, up to max, less up to a half of it by
 * chance (`random`), so that many do not come at once. */
int64_t webhook_backoff_ms(int64_t first_ms, int64_t max_ms, uint32_t failures, uint64_t random);

#endif
