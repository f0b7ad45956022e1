/* webhook_store.h - DIR/webhook.db: the events that could not be delivered, with their bodies. */
#ifndef TALLY_BUS_WEBHOOK_STORE_H
#define TALLY_BUS_WEBHOOK_STORE_H

#include <sqlite3.h>

#include "base/str.h"
#include "bus/webhook.h"

struct webhook_store {
    sqlite3 *db;
};

int webhook_store_open(struct webhook_store *s, const char *dir, struct error *e) MUST_CHECK;
void webhook_store_close(struct webhook_store *s);
/* Calls `fn` for each, in order of id, until it returns false. */
int webhook_store_each(struct webhook_store *s,
                       bool (*fn)(void *context, const struct webhook_failure *f), void *context,
                       struct error *e) MUST_CHECK;
/* Durable when it returns. Replaces one of the same id; a body of NULL keeps the one there is. */
int webhook_store_put(struct webhook_store *s, const struct webhook_failure *f, struct str body,
                      struct error *e) MUST_CHECK;
/* All of them are to be sent again; of 0, every one there is. Durable when it returns. */
int webhook_store_mark(struct webhook_store *s, const int64_t *ids, size_t count,
                       struct error *e) MUST_CHECK;
int webhook_store_remove(struct webhook_store *s, int64_t id, struct error *e) MUST_CHECK;
/* The body, malloc'ed. TLY_ENOT_FOUND. */
int webhook_store_body(struct webhook_store *s, int64_t id, char **body, uint32_t *size,
                       struct error *e) MUST_CHECK;

#endif
