/* needs: mariadb */
/* What every ledger must do, whatever it is made of. Runs against each factory. */
#include "engine/order_index.h"
#include "fixture_ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"

/* Two lots, and one reservation in each way that one can go. */
static void live_a_little(struct rig *rig)
{
    rig_create(rig, 100);
    rig_create(rig, 50);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    int64_t kept = rig_reserve(rig, 1, 3, "kept");
    int64_t expired = rig_reserve(rig, 1, 2, "expired");
    int64_t part = rig_reserve(rig, 2, 10, "part");
    int64_t returned = rig_reserve(rig, 2, 1, "returned");
    int64_t pending = rig_reserve(rig, 1, 5, "pending");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_step(rig, MOVE_CONFIRM, kept, 1, 3);
    rig_step(rig, MOVE_REFUND, expired, 1, 2);
    rig_step(rig, MOVE_CONFIRM, part, 2, 4);
    rig_step(rig, MOVE_RELEASE, part, 2, 6);
    rig_step(rig, MOVE_CONFIRM, returned, 2, 1);
    rig_step(rig, MOVE_EXTEND, pending, 1, 5);
    rig_adjust(rig, 2, -7, "count-1", "broken in the cellar");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_step(rig, MOVE_RETURN, returned, 2, 1);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
}

static void its_traits_are_within_their_bounds(void **state)
{
    struct rig *rig = *state;
    const struct ledger *l = rig->ledger;
    assert_true(l->traits.batches_max >= 1 && l->traits.batches_max <= LEDGER_BATCHES_MAX);
    assert_true(l->traits.shared == (l->ops->load != NULL));
    assert_true(l->traits.shared == (l->ops->release != NULL));
}

static void an_empty_ledger_recovers_to_nothing(void **state)
{
    struct rig *rig = *state;
    rig_reopen(rig);
    assert_int_equal(rig->loaded_lots.count, 0);
    assert_int_equal(rig->loaded.count, 0);
}

static void what_was_committed_is_what_is_recovered(void **state)
{
    struct rig *rig = *state;
    live_a_little(rig);
    rig_reopen(rig);
    assert_int_equal(rig->loaded_lots.count, 2);
    rig_check_loaded(rig);
    rig_check_stock(rig);
}

static void the_data_folders_seed_survives_a_restart(void **state)
{
    struct rig *rig = *state;
    uint64_t seed = rig->seed;
    rig_reopen(rig);
    assert_int_equal(rig->seed, seed);
}

static void a_snapshot_and_the_moves_after_it_make_the_stock(void **state)
{
    struct rig *rig = *state;
    rig_create(rig, 1000);
    for (int i = 0; i < 40; i++) { /* enough moves a row for snapshots to ride along */
        char id[32];
        snprintf(id, sizeof id, "order-%d", i);
        int64_t r = rig_reserve(rig, 1, 2, id);
        if (i % 3 == 0)
            rig_step(rig, MOVE_CONFIRM, r, 1, 2);
        if (i % 3 == 1)
            rig_step(rig, MOVE_REFUND, r, 1, 2);
        if (i % 5 == 0) {
            assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
            rig_check_stock(rig);
        }
    }
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_check_stock(rig);
    rig_reopen(rig);
    rig_check_loaded(rig);
}

static void lines_of_several_lots_are_kept_in_order_of_lot(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 5; i++)
        rig_create(rig, 100);
    struct line lines[3] = {{1, 4}, {3, 2}, {5, 9}};
    int64_t r = rig_reserve_lines(rig, lines, 3, "several");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    struct rig_move *confirm = rig_step(rig, MOVE_CONFIRM, r, 0, 11);
    confirm->move.line_count = 2;
    confirm->lines[0] = (struct line){1, 4};
    confirm->lines[1] = (struct line){5, 7};
    struct rig_move *release = rig_step(rig, MOVE_RELEASE, r, 0, 4);
    release->move.line_count = 2;
    release->lines[0] = (struct line){3, 2};
    release->lines[1] = (struct line){5, 2};
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_check_stock(rig);
    struct reservation_record *record;
    assert_int_equal(rig_read_reservation(rig, r, &record), 0);
    assert_int_equal(record->line_count_reserved, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(record->reserved_lines[i].lot, lines[i].lot);
        assert_int_equal(record->reserved_lines[i].quantity, lines[i].quantity);
    }
    assert_int_equal(record->line_count, 2);
    assert_int_equal(record->lines[1].lot, 5);
    assert_int_equal(record->lines[1].quantity, 7);
    free(record);
    rig_reopen(rig);
    rig_check_loaded(rig);
}

static void a_reservation_is_read_with_its_history(void **state)
{
    struct rig *rig = *state;
    live_a_little(rig);
    int64_t part = rig->told.at[4].move.seq;
    struct reservation_record *r;
    assert_int_equal(rig_read_reservation(rig, part, &r), 0);
    assert_int_equal(r->reservation_id, part);
    assert_int_equal(r->state, HOLD_CONFIRMED);
    assert_int_equal(r->reason, REASON_NONE);
    assert_true(str_equal(r->order_id, STR("part")));
    assert_true(str_equal(r->user_id, STR("user-1")));
    assert_true(str_equal(r->payment_id, STR("payment-7")));
    assert_int_equal(r->created_ms, rig->told.at[4].move.at_ms);
    assert_int_equal(r->confirmed_ms, rig->told.at[9].move.at_ms);
    assert_int_equal(r->line_count, 1);
    assert_int_equal(r->lines[0].quantity, 4);
    assert_int_equal(r->reserved_lines[0].quantity, 10);
    assert_int_equal(r->move_count, 3);
    assert_int_equal(r->moves[0].kind, MOVE_RESERVE);
    assert_int_equal(r->moves[1].kind, MOVE_CONFIRM);
    assert_true(str_equal(r->moves[1].detail, STR("payment-7")));
    assert_int_equal(r->moves[2].kind, MOVE_RELEASE);
    free(r);
}

static void each_state_is_read_as_it_is(void **state)
{
    struct rig *rig = *state;
    struct reservation_record *r;
    live_a_little(rig);
    assert_int_equal(rig_read_reservation(rig, rig->told.at[3].move.seq, &r), 0);
    assert_int_equal(r->state, HOLD_REFUNDED);
    assert_int_equal(r->reason, REASON_EXPIRED);
    assert_int_equal(r->confirmed_ms, 0);
    free(r);
    assert_int_equal(rig_read_reservation(rig, rig->told.at[5].move.seq, &r), 0);
    assert_int_equal(r->state, HOLD_REFUNDED);
    assert_int_equal(r->reason, REASON_RETURNED);
    assert_int_not_equal(r->confirmed_ms, 0);
    free(r);
    assert_int_equal(rig_read_reservation(rig, rig->told.at[6].move.seq, &r), 0);
    assert_int_equal(r->state, HOLD_PENDING);
    assert_int_equal(r->deadline_ms, rig->told.at[12].move.deadline_ms);
    free(r);
}

static void a_reservation_that_is_not_there_is_not_found(void **state)
{
    struct rig *rig = *state;
    struct reservation_record *r;
    live_a_little(rig);
    assert_int_equal(rig_read_reservation(rig, 12345, &r), TLY_ENOT_FOUND);
    assert_null(r);
    int64_t create = rig->told.at[0].move.seq;
    assert_int_equal(rig_read_reservation(rig, create, &r), TLY_ENOT_FOUND);
}

static void an_adjustment_is_found_by_its_id(void **state)
{
    struct rig *rig = *state;
    live_a_little(rig);
    struct question read = {.kind = QUESTION_ADJUSTMENT, .order_id = STR("count-1")};
    assert_int_equal(rig_read(rig, &read), 0);
    assert_int_equal(read.adjusted.lot, 2);
    assert_int_equal(read.adjusted.quantity, -7);
    struct question other = {.kind = QUESTION_ADJUSTMENT, .order_id = STR("count-2")};
    assert_int_equal(rig_read(rig, &other), TLY_ENOT_FOUND);
    struct question payment = {.kind = QUESTION_ADJUSTMENT, .order_id = STR("payment-7")};
    assert_int_equal(rig_read(rig, &payment), TLY_ENOT_FOUND);
}

/* ---- the index's part on disk ---- */

static bool segment_stored(struct rig *rig)
{
    for (int i = 0; i < PATIENCE_MS / 5; i++) {
        pthread_mutex_lock(&rig->lock);
        int stored = rig->segments_stored;
        pthread_mutex_unlock(&rig->lock);
        if (stored)
            return true;
        pause_ms(5);
    }
    return false;
}

/* Fills the index until it gives out a segment; all its orders are committed. */
static struct order_segment *fill_segment(struct rig *rig, int *orders)
{
    struct error e;
    struct order_segment *segment = NULL;
    if (!rig->ledger->ops->store_segment)
        skip(); /* it finds order_ids by itself */
    assert_int_equal(order_index_create(&rig->index, 4096, &e), 0);
    rig_create(rig, 1000000);
    for (int i = 0; !segment; i++) {
        char id[32];
        snprintf(id, sizeof id, "order-%d", i);
        int64_t seq = rig_reserve(rig, 1, 1, id);
        pthread_mutex_lock(&rig->lock);
        int rc = order_index_add(rig->index, hash64(str_of(id), rig->seed), seq);
        segment = order_index_next_segment(rig->index);
        pthread_mutex_unlock(&rig->lock);
        assert_int_equal(rc, 0);
        *orders = i;
    }
    return segment;
}

static void an_order_is_found_once_its_segment_is_stored(void **state)
{
    struct rig *rig = *state;
    struct reservation_record *r;
    int orders;
    struct order_segment *segment = fill_segment(rig, &orders);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig->ledger->ops->store_segment(rig->ledger, segment);
    assert_true(segment_stored(rig));
    assert_int_equal(order_index_runs(rig->index), 1);
    for (int i = 0; i < orders; i += 97) {
        char id[32];
        snprintf(id, sizeof id, "order-%d", i);
        assert_true(order_index_on_disk(rig->index, hash64(str_of(id), rig->seed)));
        assert_int_equal(rig_read_order(rig, id, &r), 0);
        assert_int_equal(r->reservation_id, rig->told.at[1 + i].move.seq);
        assert_true(str_equal(r->order_id, str_of(id)));
        free(r);
    }
    assert_int_equal(rig_read_order(rig, "never", &r), TLY_ENOT_FOUND);
    rig_stop(rig);
    order_index_destroy(rig->index);
    rig->index = NULL;
}

static void stored_orders_are_known_after_a_restart(void **state)
{
    struct rig *rig = *state;
    struct error e;
    struct reservation_record *r;
    int orders;
    struct order_segment *segment = fill_segment(rig, &orders);
    rig->oldest_pending = INT64_MAX; /* so that nothing but the index needs the moves */
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig->ledger->ops->store_segment(rig->ledger, segment);
    assert_true(segment_stored(rig));
    rig_stop(rig);
    order_index_destroy(rig->index);
    assert_int_equal(order_index_create(&rig->index, 4096, &e), 0);
    rig_reopen(rig);
    assert_int_equal(order_index_runs(rig->index), 1);
    assert_true(rig->loaded.count < (size_t)orders);
    rig_check_loaded(rig);
    assert_int_equal(rig_read_order(rig, "order-0", &r), 0);
    free(r);
    rig_stop(rig);
    order_index_destroy(rig->index);
    rig->index = NULL;
}

static void a_segment_with_uncommitted_orders_waits_for_them(void **state)
{
    struct rig *rig = *state;
    int orders;
    struct order_segment *segment = fill_segment(rig, &orders);
    rig->ledger->ops->store_segment(rig->ledger, segment);
    factory->await_segments_seen(rig);
    pthread_mutex_lock(&rig->lock);
    int stored = rig->segments_stored;
    pthread_mutex_unlock(&rig->lock);
    assert_int_equal(stored, 0);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    assert_true(segment_stored(rig));
    rig_stop(rig);
    order_index_destroy(rig->index);
    rig->index = NULL;
}

/* ---- the log and its readers ---- */

struct seen {
    int64_t seqs[64];
    int count;
    int stop_after;
};

static int see(void *context, const struct move *m)
{
    struct seen *seen = context;
    seen->seqs[seen->count++] = m->seq;
    return seen->count == seen->stop_after;
}

static void the_log_is_read_in_order_from_any_place(void **state)
{
    struct rig *rig = *state;
    struct error e;
    struct seen all = {0}, some = {0}, two = {0}, stopped = {.stop_after = 3};
    live_a_little(rig);
    int n = (int)rig->told.count;
    assert_int_equal(rig->ledger->ops->read_log(rig->ledger, 0, 64, see, &all, &e), n);
    for (int i = 0; i < n; i++)
        assert_int_equal(all.seqs[i], rig->told.at[i].move.seq);
    int64_t middle = rig->told.at[5].move.seq;
    assert_int_equal(rig->ledger->ops->read_log(rig->ledger, middle, 64, see, &some, &e), n - 6);
    assert_int_equal(some.seqs[0], rig->told.at[6].move.seq);
    assert_int_equal(rig->ledger->ops->read_log(rig->ledger, 0, 2, see, &two, &e), 2);
    assert_int_equal(rig->ledger->ops->read_log(rig->ledger, 0, 64, see, &stopped, &e), 3);
}

static void the_log_ends_at_the_newest_move_and_never_before_it(void **state)
{
    struct rig *rig = *state;
    const struct ledger_ops *ops = rig->ledger->ops;
    int64_t end = ops->log_end(rig->ledger);
    live_a_little(rig);
    for (size_t i = 0; i < rig->told.count; i++)
        assert_true(rig->told.at[i].move.seq > end); /* it said that these could still appear */
    end = ops->log_end(rig->ledger);
    assert_int_equal(end, rig->seq);
    rig_reopen(rig);
    assert_int_equal(rig->ledger->ops->log_end(rig->ledger), end);
}

struct orders_seen {
    char order_id[64][RIG_TEXT_MAX];
    char user_id[64][RIG_TEXT_MAX];
    uint8_t kind[64];
    int count;
};

static int see_order(void *context, const struct move *m)
{
    struct orders_seen *seen = context;
    int i = seen->count++;
    seen->kind[i] = m->kind;
    snprintf(seen->order_id[i], RIG_TEXT_MAX, "%.*s", STR_ARG(m->order_id));
    snprintf(seen->user_id[i], RIG_TEXT_MAX, "%.*s", STR_ARG(m->user_id));
    return 0;
}

static void a_reader_of_the_log_hears_whose_reservation_moves(void **state)
{
    struct rig *rig = *state;
    struct error e;
    struct orders_seen seen = {0};
    rig_create(rig, 10);
    int64_t a = rig_reserve(rig, 1, 2, "order-a"), b = rig_reserve(rig, 1, 2, "order-b");
    rig_step(rig, MOVE_CONFIRM, b, 1, 2);
    rig_step(rig, MOVE_REFUND, a, 1, 2);
    rig_adjust(rig, 1, 1, "found", "more");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    assert_int_equal(rig->ledger->ops->read_log(rig->ledger, 0, 64, see_order, &seen, &e), 6);
    assert_int_equal(seen.kind[3], MOVE_CONFIRM);
    assert_string_equal(seen.order_id[3], "order-b");
    assert_string_equal(seen.order_id[4], "order-a");
    assert_string_equal(seen.user_id[4], seen.user_id[1]);
    assert_true(seen.user_id[4][0] != 0);
    assert_string_equal(seen.order_id[0], "");
    assert_string_equal(seen.order_id[5], "");
}

static void a_lot_is_called_the_same_by_every_ledger_that_tells(void **state)
{
    struct rig *rig = *state;
    const struct ledger_ops *ops = rig->ledger->ops;
    live_a_little(rig);
    if (!ops->lot_dims)
        skip(); /* who recovered it knows */
    const struct lot_dims *dims = ops->lot_dims(rig->ledger, 2);
    assert_non_null(dims);
    assert_true(str_equal(dims->key, STR("cola#00000002")));
    assert_true(str_equal(dims->size, STR("330ml_can")));
    assert_null(ops->lot_dims(rig->ledger, 3));
    rig_create(rig, 1);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    assert_ptr_equal(ops->lot_dims(rig->ledger, 2), dims);
    assert_true(str_equal(ops->lot_dims(rig->ledger, 3)->key, STR("cola#00000003")));
}

static void a_log_of_which_nothing_was_taken_starts_at_its_beginning(void **state)
{
    struct rig *rig = *state;
    struct error e;
    int64_t seq = 7;
    live_a_little(rig);
    assert_int_equal(rig->ledger->ops->log_start(rig->ledger, &seq, &e), 0);
    assert_int_equal(seq, 0);
}

static void a_cursor_below_0_is_forgotten(void **state)
{
    struct rig *rig = *state;
    struct error e;
    int64_t seq = 0;
    const struct ledger_ops *ops = rig->ledger->ops;
    assert_int_equal(ops->cursor_set(rig->ledger, "webhooks", 77, &e), 0);
    assert_int_equal(ops->cursor_set(rig->ledger, "other", 78, &e), 0);
    assert_int_equal(ops->cursor_set(rig->ledger, "webhooks", -1, &e), 0);
    assert_int_equal(ops->cursor_get(rig->ledger, "webhooks", &seq, &e), TLY_ENOT_FOUND);
    assert_int_equal(ops->cursor_get(rig->ledger, "other", &seq, &e), 0);
    assert_int_equal(ops->cursor_set(rig->ledger, "never-was", -1, &e), 0);
}

static void a_reservation_keeps_the_fingerprint_of_its_order(void **state)
{
    struct rig *rig = *state;
    struct reservation_record *r;
    rig_create(rig, 10);
    int64_t id = rig_reserve(rig, 1, 2, "a");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_step(rig, MOVE_CONFIRM, id, 1, 2);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_reopen(rig);
    rig_check_loaded(rig);
    assert_int_equal(rig_read_reservation(rig, id, &r), 0);
    assert_int_equal(r->fingerprint, rig_fingerprint("a"));
    free(r);
}

static void a_cursor_is_where_it_was_left(void **state)
{
    struct rig *rig = *state;
    struct error e;
    int64_t seq = 0;
    const struct ledger_ops *ops = rig->ledger->ops;
    assert_int_equal(ops->cursor_get(rig->ledger, "webhooks", &seq, &e), TLY_ENOT_FOUND);
    assert_int_equal(ops->cursor_set(rig->ledger, "webhooks", 77, &e), 0);
    assert_int_equal(ops->cursor_set(rig->ledger, "cache", 5, &e), 0);
    assert_int_equal(ops->cursor_set(rig->ledger, "webhooks", 78, &e), 0);
    rig_reopen(rig);
    assert_int_equal(ops->cursor_get(rig->ledger, "webhooks", &seq, &e), 0);
    assert_int_equal(seq, 78);
    assert_int_equal(ops->cursor_get(rig->ledger, "cache", &seq, &e), 0);
    assert_int_equal(seq, 5);
}

/* ---- failures ---- */

static void a_rejected_batch_leaves_nothing(void **state)
{
    struct rig *rig = *state;
    live_a_little(rig);
    factory->break_before_commit(rig);
    rig_create(rig, 9);
    rig_reserve(rig, 1, 1, "never");
    assert_int_equal(rig_commit(rig), LEDGER_REJECTED);
    assert_false(rig->writable); /* what broke is not this batch's alone */
    assert_true(rig_wait_available(rig, false));
    factory->heal(rig);
    assert_true(rig_wait_available(rig, true));
    rig_check_stock(rig);
    rig_reopen(rig);
    rig_check_loaded(rig);
}

static void after_a_failure_the_next_batch_is_taken(void **state)
{
    struct rig *rig = *state;
    live_a_little(rig);
    factory->break_before_commit(rig);
    rig_reserve(rig, 1, 1, "never");
    assert_int_equal(rig_commit(rig), LEDGER_REJECTED);
    factory->heal(rig);
    assert_true(rig_wait_available(rig, true));
    rig_create(rig, 9);
    rig_reserve(rig, 1, 1, "later");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_check_stock(rig);
    rig_reopen(rig);
    rig_check_loaded(rig);
}

static void look_ups_go_on_while_nothing_can_be_written(void **state)
{
    struct rig *rig = *state;
    struct reservation_record *r;
    live_a_little(rig);
    factory->break_before_commit(rig);
    rig_reserve(rig, 1, 1, "never");
    assert_int_equal(rig_commit(rig), LEDGER_REJECTED);
    assert_int_equal(rig_read_reservation(rig, rig->told.at[2].move.seq, &r), 0);
    free(r);
    factory->heal(rig);
    assert_true(rig_wait_available(rig, true));
}

static void an_unknown_outcome_is_resolved_to_the_truth(void **state)
{
    struct rig *rig = *state;
    live_a_little(rig);
    factory->break_at_commit(rig);
    rig_reserve(rig, 1, 1, "perhaps");
    assert_int_equal(rig_commit(rig), LEDGER_UNKNOWN);
    assert_true(rig_wait_available(rig, false));
    assert_int_equal(rig->outcome_count, 1);
    factory->heal(rig);
    enum ledger_outcome second = rig_outcome(rig, 1);
    assert_true(second == LEDGER_COMMITTED || second == LEDGER_REJECTED);
    rig_settle(rig);
    assert_true(rig_wait_available(rig, true));
    rig_check_stock(rig);
    rig_reserve(rig, 1, 1, "afterwards");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_reopen(rig);
    rig_check_loaded(rig);
    rig_check_stock(rig);
}

static void stop_finishes_what_was_submitted(void **state)
{
    struct rig *rig = *state;
    live_a_little(rig);
    for (int i = 0; i < 500; i++) {
        char id[32];
        snprintf(id, sizeof id, "late-%d", i);
        rig_reserve(rig, 2, 0, id);
    }
    rig_submit(rig);
    rig_stop(rig);
    assert_int_equal(rig->outcome_count, 1);
    assert_int_equal(rig->outcomes[0], LEDGER_COMMITTED);
    rig_settle(rig);
    rig_reopen(rig);
    rig_check_loaded(rig);
}

static void counters_tell_what_was_written(void **state)
{
    struct rig *rig = *state;
    struct ledger_stats stats;
    live_a_little(rig);
    rig->ledger->ops->stats(rig->ledger, &stats);
    assert_int_equal(stats.rows_total, rig->told.count);
    assert_true(stats.commits_total >= 4);
    assert_int_equal(stats.last_seq, rig->told.at[rig->told.count - 1].move.seq);
    assert_true(stats.db_bytes > 0);
    assert_int_equal(stats.commit_errors_total, 0);
}

#define IN_A_RIG(test) cmocka_unit_test_setup_teardown(test, fixture_empty, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_RIG(its_traits_are_within_their_bounds),
        IN_A_RIG(an_empty_ledger_recovers_to_nothing),
        IN_A_RIG(what_was_committed_is_what_is_recovered),
        IN_A_RIG(the_data_folders_seed_survives_a_restart),
        IN_A_RIG(a_snapshot_and_the_moves_after_it_make_the_stock),
        IN_A_RIG(lines_of_several_lots_are_kept_in_order_of_lot),
        IN_A_RIG(a_reservation_is_read_with_its_history),
        IN_A_RIG(each_state_is_read_as_it_is),
        IN_A_RIG(a_reservation_that_is_not_there_is_not_found),
        IN_A_RIG(an_adjustment_is_found_by_its_id),
        IN_A_RIG(an_order_is_found_once_its_segment_is_stored),
        IN_A_RIG(stored_orders_are_known_after_a_restart),
        IN_A_RIG(a_segment_with_uncommitted_orders_waits_for_them),
        IN_A_RIG(the_log_is_read_in_order_from_any_place),
        IN_A_RIG(the_log_ends_at_the_newest_move_and_never_before_it),
        IN_A_RIG(a_reader_of_the_log_hears_whose_reservation_moves),
        IN_A_RIG(a_lot_is_called_the_same_by_every_ledger_that_tells),
        IN_A_RIG(a_log_of_which_nothing_was_taken_starts_at_its_beginning),
        IN_A_RIG(a_cursor_below_0_is_forgotten),
        IN_A_RIG(a_reservation_keeps_the_fingerprint_of_its_order),
        IN_A_RIG(a_cursor_is_where_it_was_left),
        IN_A_RIG(a_rejected_batch_leaves_nothing),
        IN_A_RIG(after_a_failure_the_next_batch_is_taken),
        IN_A_RIG(look_ups_go_on_while_nothing_can_be_written),
        IN_A_RIG(an_unknown_outcome_is_resolved_to_the_truth),
        IN_A_RIG(stop_finishes_what_was_submitted),
        IN_A_RIG(counters_tell_what_was_written),
    };
    return fixture_run(tests);
}
