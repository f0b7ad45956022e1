/* shared_keys.h - what each kind of command touches, as keys of the load that is being put together
 * (ledger.h). False: no memory. */
#ifndef TALLY_ENGINE_SHARED_KEYS_H
#define TALLY_ENGINE_SHARED_KEYS_H

#include "engine/command.h"

struct engine;

int shared_keys_init(struct engine *e);
void shared_keys_close(struct engine *e);
void shared_keys_clear(struct engine *e); /* another load is put together */

bool keys_reserve(struct engine *e, const struct command *c);
bool keys_batch(struct engine *e, const struct command *c);
bool keys_move(struct engine *e, const struct command *c);
bool keys_change(struct engine *e, const struct command *c);
bool keys_confirm_all(struct engine *e, const struct command *c);
bool keys_create_lot(struct engine *e, const struct command *c);
bool keys_update_lot(struct engine *e, const struct command *c);
bool keys_adjust(struct engine *e, const struct command *c);
bool keys_set_stock(struct engine *e, const struct command *c);
bool keys_sale(struct engine *e, const struct command *c);
bool keys_sale_items(struct engine *e, const struct command *c);
bool keys_list_sales(struct engine *e, const struct command *c);
bool keys_open_group(struct engine *e, const struct command *c);
bool keys_group(struct engine *e, const struct command *c);
bool keys_get_lot(struct engine *e, const struct command *c);
bool keys_get_reservation(struct engine *e, const struct command *c);
bool keys_list_lots(struct engine *e, const struct command *c);
bool keys_list_reservations(struct engine *e, const struct command *c);
/* How many lots LIST_LOTS looks at for a page. */
uint32_t shared_list_scan(const struct command *c);

#endif
