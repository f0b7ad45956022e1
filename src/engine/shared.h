/* shared.h - turns over a ledger that others write to as well: what a load has, and what is asked
 * of it. */
#ifndef TALLY_ENGINE_SHARED_H
#define TALLY_ENGINE_SHARED_H

#include "engine/command_list.h"
#include "ledger/ledger.h"

struct engine;

/* Keys of a load. */
struct key_list {
    struct load_key *keys;
    uint32_t count;
    uint32_t room;
};

enum load_state {
    LOAD_NONE,
    LOAD_ASKED, /* with the ledger */
    LOAD_HELD,  /* installed, until its batch has its outcome or it is released */
};

/* Turns over a ledger that others write to (shared.c). */
struct shared {
    struct load loads[2]; /* the present one, and one that the ledger may still be ending */
    struct key_list keys[2];
    uint32_t *slots; /* a hash table of the present load's keys: their numbers from 1 */
    uint32_t slot_count;
    uint8_t current;
    uint8_t state;
    bool deciding;   /* the rows of the present load are the truth */
    bool wrote_last; /* the last load was not one of look-ups */
    bool stale;      /* the last batch was: the next load assumes nothing */
    bool more_due;   /* the present load lacks holds that are due */
    uint32_t serial; /* of the present load: stands in its lots */
    lot_id *lots;    /* of the present load, ascending */
    uint32_t lot_count;
    uint32_t lot_room;
    lot_id lots_highest;
    sale_number sales_highest;
    const struct reservation_record **records; /* of the present load, by reservation_id */
    uint32_t record_count;
    uint32_t record_room;
    sale_number *sales; /* of the present load */
    uint32_t sale_count;
    uint32_t sale_room;
    int64_t look_ms;               /* look for due holds then */
    struct command_list chosen;    /* whose keys are in the present load */
    struct command_list uncertain; /* answered by what was only assumed */
};

int shared_init(struct engine *e);
void shared_close(struct engine *e);
/* The load's batch has its final outcome. */
void shared_ended(struct engine *e);
/* The answer rests on rows that only a commit proves, and there will be none. */
bool shared_is_uncertain(const struct engine *e, const struct command *c);
/* The reservation of that order, as far as a load or this turn has brought it; 0: none. */
int64_t shared_find_order(const struct engine *e, struct str order_id, uint64_t order_hash);
/* What the present load has; NULL if it has not. */
const struct reservation_record *shared_record(const struct engine *e, int64_t reservation_id);
void shared_adjustment(const struct engine *e, struct str adjustment_id, struct question *answer);
/* Also of one that has ended. */
const struct group_record *shared_group(const struct engine *e, int64_t group_id);
void shared_list(struct engine *e, struct command *c);
/* GET_RESERVATION. */
void shared_look_up(struct engine *e, struct command *c);

/* ---- shared_install.c ---- */
/* The rows of the present load; false: some are missing, or no memory. */
bool shared_install(struct engine *e, const struct load *load);
/* A lot or a sale that was made while it holds. */
void shared_made_lot(struct engine *e, lot_id id);
void shared_made_sale(struct engine *e, sale_number number);
/* The load has ended: what came with it is forgotten. */
void shared_forget(struct engine *e);

#endif
