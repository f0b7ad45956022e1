/* fixture_fake.h - the other side of a session, in memory: it reads what a client sent with
 * decoders that are not the client's, and writes the answers that a test wants.
 *
 * gRPC is by nghttp2's server session and protobuf-c, HTTP/1.1 by a few lines and jansson.
 */
#ifndef TALLY_TEST_LOADGEN_FIXTURE_FAKE_H
#define TALLY_TEST_LOADGEN_FIXTURE_FAKE_H

#include "fixture_client.h"

enum { FAKE_CALLS_MAX = 256, FAKE_TEXT = 128 };

/* A request. */
struct seen {
    enum call_kind kind;
    int32_t stream; /* gRPC */
    /* Of a batch: of its first order. */
    char order_id[FAKE_TEXT], user_id[FAKE_TEXT], lot[FAKE_TEXT], reservation_id[FAKE_TEXT];
    char sale_id[FAKE_TEXT], group_id[FAKE_TEXT];
    int64_t quantity, hold_ms;
    uint32_t orders;               /* RESERVE: 1; RESERVE_BATCH: how many */
    char last_order_id[FAKE_TEXT]; /* of a batch */
    bool uniform;                  /* all orders of a batch ask for the same */
    char timeout[FAKE_TEXT];       /* as it was sent */
};

struct reply {
    const char *code; /* NULL: it is good */
    const char *reservation_id, *order_id, *status, *expires_at, *reason;
    const char *lots[4]; /* of lines */
    int64_t quantities[4];
    unsigned lines;
    const char *moves[4];
    unsigned move_count;
    bool replayed;
    const char *sale_id, *group_id; /* of a reservation, NULL: none; of a group, of a sale */
    const char *group_status;       /* OpenGroup, GetGroup */
    int64_t places, places_left, paid, remaining_ms;
    int64_t starts_in_ms, units[3], groups[3]; /* GetSale, with `status` */
    const char *lot;                           /* GetLot */
    int64_t on_hand, reserved, confirmed, available, version;
    const struct reply *outcomes; /* ReserveBatch; each with its order_id */
    unsigned outcome_count;
};

struct fake {
    struct seen seen[FAKE_CALLS_MAX];
    unsigned count;
    void *inside;
    uint8_t *out; /* for the client */
    size_t out_size, out_capacity;
};

struct fake_kind {
    const struct protocol *protocol;
    void (*open)(struct fake *f);
    void (*close)(struct fake *f);
    /* Reads all that the client has sent. */
    void (*read)(struct fake *f, struct client *c);
    /* Writes the answer to a request. HTTP/1.1 has an order. */
    void (*answer)(struct fake *f, const struct seen *request, const struct reply *reply);
};

extern const struct fake_kind fake_grpc, fake_http1;

void fake_write(struct fake *f, const void *bytes, size_t size);
/* Gives what was written to the client, `piece` bytes at a time (0: at once), and forgets it. */
int fake_deliver(struct fake *f, struct client *c, size_t piece);

#endif
