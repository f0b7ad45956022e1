/* event.h - a move as an event: CloudEvents 1.0 as JSON, and the message of the gRPC stream.
 *
 * What a kind of move is called as an event stands in one table (event.c); a new kind is one row.
 */
#ifndef TALLY_BUS_EVENT_H
#define TALLY_BUS_EVENT_H

#include "base/arena.h"
#include "model/model.h"
#include "wire/codec_writer.h"

enum { EVENT_TYPE_MAX = 64, EVENT_SOURCE_MAX = 200 };

struct event_namer {
    struct str source;
    const struct lot_dims *(*lot_dims)(void *context, lot_id id);
    void *context;
};

/* "tally.reservation.confirmed" */
const char *event_type(enum move_kind kind);

/* The JSON of one event. The move is as ledger_ops.read_log hands it out. */
void event_put_json(struct writer *w, const struct move *m, const struct event_namer *namer);
/* The same as a framed message tally.v1.EventsResponse, in `a`. 0 or TLY_ENO_MEMORY. */
int event_put_grpc(struct writer *w, const struct move *m, const struct event_namer *namer,
                   struct arena *a) MUST_CHECK;

#endif
