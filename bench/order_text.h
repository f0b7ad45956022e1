/* order_text.h - the requests of order_load as bytes: a gRPC message that is packed once, and
 * copied with what differs from one to the next written over it, so that the client costs as little
 * as it can, and the same whatever it sends. Where the lots differ each is packed anew. Nothing
 * here fails but for memory, which ends the program.
 */
#ifndef TALLY_BENCH_ORDER_TEXT_H
#define TALLY_BENCH_ORDER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOT_SIZE = 96, SALE_ID_SIZE = 16, GROUP_ID_SIZE = 24 };

enum order_call {
    CALL_RESERVE,
    CALL_RESERVE_BATCH,
    CALL_CREATE_SALES, /* with groups, a limit per user, and a share of the lot */
    CALL_OPEN_GROUPS,  /* without members, a sale after the other */
};

/* A group that orders join; all sale_ids are of one length, and all group_ids. */
struct order_group {
    char sale_id[SALE_ID_SIZE];
    char group_id[GROUP_ID_SIZE];
};

struct order_body {
    uint8_t *bytes; /* the gRPC prefix and the message */
    size_t size, capacity, sent;
};

/* Of what differs in a pattern, where it stands in the bytes. */
struct order_places {
    size_t *at;
    size_t count;
};

struct order_text {
    enum order_call call;
    unsigned batch; /* orders of a CALL_RESERVE_BATCH */
    bool order_ids; /* a distinct one in each order, else the server makes it */
    bool users;     /* a distinct one in each order */
    char (*lots)[LOT_SIZE];
    size_t lot_count;
    bool alike;                 /* all orders want the one lot: copied from a pattern */
    struct order_group *groups; /* the orders join them in turn; one that comes round again takes
                                 * the next place */
    size_t group_count;
    unsigned sales;         /* CALL_CREATE_SALES, CALL_OPEN_GROUPS: how many there are */
    unsigned group_size;    /* CALL_CREATE_SALES */
    int64_t expire_at_ms;   /* orders' holds end then, whenever they are made; 0: by default */
    int64_t expire_over_ms; /* ... or so long after at most, in the order of their numbers */
    uint64_t order_count;   /* so many there will be */
    uint64_t run, random;
    struct order_body pattern;
    struct order_places id_places, user_places, hold_places, sale_places, group_places;
};

/* After the fields above are set. */
void order_text_init(struct order_text *t);
/* The path of the call. */
const char *order_text_path(const struct order_text *t);
/* The request with that number, from 0. */
void order_text_fill(struct order_text *t, uint64_t number, struct order_body *body);
/* The group_id in the answer to a CALL_OPEN_GROUPS; false: there is none. */
bool order_text_group(const uint8_t *message, size_t size, char *group_id);
/* As the CALL_CREATE_SALES names them. */
void order_text_sale_id(unsigned sale, char *sale_id);

#endif
