/* verify_orders.h - finds equal 64-bit hashes among any number of entries in bounded memory: sorted
 * runs go to an unnamed temporary file and are merged. */
#ifndef TALLY_CLI_VERIFY_ORDERS_H
#define TALLY_CLI_VERIFY_ORDERS_H

#include <stdint.h>

#include "base/error.h"

struct order_sort;

/* `entries` are sorted in memory at a time, at 32 bytes each. */
int order_sort_create(struct order_sort **out, uint32_t entries, struct error *e) MUST_CHECK;
void order_sort_destroy(struct order_sort *s);
int order_sort_add(struct order_sort *s, uint64_t hash, int64_t seq, struct error *e) MUST_CHECK;
/* Calls `same` for each neighbouring pair of equal hashes, earlier seq first. */
int order_sort_finish(struct order_sort *s,
                      int (*same)(void *context, int64_t earlier, int64_t later, struct error *e),
                      void *context, struct error *e) MUST_CHECK;

#endif
