/* late_gate.h - a gate that answers when the test says so: later, out of order, BLIND if told to.
 *
 * It keeps what a gate behind a network would: of each lot what the ledger said at a version, and
 * the units of passed orders whose outcome it was not told. It goes by committed() alone. All its
 * sessions share one lock. */
#ifndef TALLY_TEST_LATE_GATE_H
#define TALLY_TEST_LATE_GATE_H

#include "gate/gate.h"

struct gate *late_gate_create(uint64_t seed);
/* Answers up to `max` of what this session has flushed, in an order drawn from the seed, one call
 * of answered() each. On the session's thread. How many it answered. */
size_t late_gate_deliver(struct gate_session *s, size_t max);
/* How many asks of the session were flushed and are not answered. */
size_t late_gate_waiting(const struct gate_session *s);
/* From now on: the backend is away, every ask is BLIND. */
void late_gate_away(struct gate *g, bool away);
/* In a thousand: how many asks are BLIND although the backend is there. */
void late_gate_flaky(struct gate *g, unsigned per_mille);
/* Units held for orders that are not settled. */
int64_t late_gate_open_units(struct gate *g, lot_id lot);

#endif
