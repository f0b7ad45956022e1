/* mysql_known.h - what this node knew last of lots: their names for good, their stock as of a load
 * or a commit of its own. On what stands here a load may be answered without asking (load.assumed).
 *
 * Lots are never deleted, and neither is what is known of them: as many as lots_max allows.
 */
#ifndef TALLY_LEDGER_MYSQL_KNOWN_H
#define TALLY_LEDGER_MYSQL_KNOWN_H

#include <mysql.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "model/model.h"

struct known_lot {
    lot_id id;
    bool proved; /* the stock is as this node knows it from the database, not in doubt */
    struct lot_dims dims;
    struct lot_terms terms;
    struct stock stock;
    int64_t last_seq;
    int64_t due_ms; /* as long as the version is this one, no hold of it is due before */
    int64_t created_ms;
    struct known_lot *of_sku; /* the next of the same */
};

struct known_sku {
    struct known_lot *first;
    uint64_t read_ns; /* when all its lots were asked for; 0: never */
};

struct mydb_known {
    struct known_lot **lots; /* by id */
    uint32_t room;
    struct known_lot **keys; /* hashed by lot key; a power of two, at most half full */
    struct known_sku *skus;  /* hashed by sku */
    uint32_t key_room, key_count, sku_room, sku_count;
};

void mydb_known_close(struct mydb_known *k);
struct known_lot *mydb_known_lot(const struct mydb_known *k, int64_t id);     /* or NULL */
struct known_lot *mydb_known_key(const struct mydb_known *k, struct str key); /* or NULL */
struct known_sku *mydb_known_sku(const struct mydb_known *k, struct str sku); /* or NULL */
/* The lot with these dimensions, whose texts are copied if it is new. NULL: no memory. */
struct known_lot *mydb_known_put(struct mydb_known *k, lot_id id, const struct lot_dims *dims);

#endif
