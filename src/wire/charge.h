/* charge.h - who is charged for the memory of an exchange: its connection, which is counted, and
 * the worker's budget (base/budget.h). What a request will need is charged before it is handed
 * over; when it was answered, what is there.
 */
#ifndef TALLY_WIRE_CHARGE_H
#define TALLY_WIRE_CHARGE_H

#include "wire/session.h"

/* Memory for an exchange of `size` bytes; NULL when there is none or at a limit. `charged`: what it
 * is charged for itself, nothing if it is its connection's only one, which every connection has. */
void *exchange_memory(struct session_host *host, struct session *s, size_t size, size_t charged);
/* Gives back the exchange that stands at the start of `memory`. `s` is NULL once it has left. */
void exchange_memory_free(struct session_host *host, struct session *s, void *memory,
                          struct exchange *x);

enum { STREAM_BLOCK_BYTES = 64 }; /* beside what is written to a stream, at most */

enum charge {
    CHARGE_DONE,
    CHARGE_CONNECTION_FULL,
    CHARGE_WORKER_FULL,
    CHARGE_NOT_VITAL, /* on a connection over the limit */
};

/* Charges the exchange for `total` bytes in all, more or less than before. Nothing has changed
 * unless it is DONE. */
enum charge exchange_charge(struct session_host *host, struct session *s, struct exchange *x,
                            enum budget_class class, size_t total);
/* Charges a complete request for what it will need. */
enum charge exchange_admit(struct session_host *host, struct session *s, struct exchange *x,
                           struct exchange_need *need);
/* Charges what is there: the exchange, its arena, and `extra`. `s` is NULL once it has left. */
void exchange_settle(struct session_host *host, struct session *s, struct exchange *x,
                     size_t extra);
/* The connection is gone, or has forgotten the stream; the worker is still charged. */
void exchange_detach(struct session *s, const struct exchange *x);
/* Charges an arena that has grown while the request arrives. */
bool exchange_charge_arena(struct session_host *host, struct session *s, struct exchange *x);
/* Whether one more exchange could begin on a connection that has some. */
bool exchange_room(const struct session_host *host, const struct session *s, size_t size);

#endif
