/* search.c - was this order_id used before (I4)?
 *
 * Happy path: the index knows no such hash, so the order is new. A candidate that is in memory is
 * compared by its order_id, and its content by fingerprint (content.c). Any other candidate is a
 * question for the ledger (SEEN_ASK); the caller puts it and searches again with the answer. An
 * order_id that its cancel took (FENCE) is used, whatever the content of the order that comes.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/engine_internal.h"

void search_reset(struct order_search *s)
{
    free(s->record);
    *s = (struct order_search){0};
}

static bool ruled_out(const struct order_search *s, int64_t reservation_id)
{
    for (uint8_t i = 0; i < s->ruled_out_count; i++) {
        if (s->ruled_out[i] == reservation_id)
            return true;
    }
    return false;
}

static struct seen_order ask(const struct order_search *s, enum question_kind kind, int64_t id)
{
    const uint8_t max = sizeof s->ruled_out / sizeof s->ruled_out[0];
    if (kind == QUESTION_RESERVATION && s->ruled_out_count == max)
        return (struct seen_order){.verdict = SEEN_NOT_KNOWN};
    return (struct seen_order){.verdict = SEEN_ASK, .ask = kind, .ask_id = id};
}

static struct seen_order same_or_not(const struct engine *e,
                                     const struct reservation_record *record, struct hold *h,
                                     const struct reserve_command *content)
{
    if (content && !record->fence && !order_same_content(e, content, record))
        return (struct seen_order){
            .verdict = SEEN_MISMATCH, .hold = h, .record = h ? NULL : record};
    return (struct seen_order){.verdict = SEEN_REPLAY, .hold = h, .record = h ? NULL : record};
}

static struct seen_order resident(const struct engine *e, const struct order_search *s,
                                  struct hold *h, const struct reserve_command *content)
{
    if (!content || hold_is_fence(h) || h->fingerprint == order_fingerprint(content))
        return (struct seen_order){.verdict = SEEN_REPLAY, .hold = h};
    if (h->fingerprint)
        return (struct seen_order){.verdict = SEEN_MISMATCH, .hold = h};
    if (s->record && s->record->reservation_id == h->reservation_id)
        return same_or_not(e, s->record, h, content);
    const struct reservation_record *loaded =
        e->config.shared ? shared_record(e, h->reservation_id) : NULL;
    if (loaded)
        return same_or_not(e, loaded, h, content);
    return ask(s, QUESTION_RESERVATION, h->reservation_id);
}

struct seen_order search_order(const struct engine *e, const struct order_search *s,
                               struct str order_id, uint64_t order_hash,
                               const struct reserve_command *content)
{
    size_t cursor = 0;
    int64_t id;
    while ((id = order_index_find(e->orders, order_hash, &cursor))) {
        struct hold *h = holds_find(&e->holds, id);
        if (h && str_equal(hold_order_id(h), order_id))
            return resident(e, s, h, content);
        if (h || ruled_out(s, id))
            continue;
        if (!s->record || s->record->reservation_id != id)
            return ask(s, QUESTION_RESERVATION, id);
        return same_or_not(e, s->record, NULL, content);
    }
    if (s->record) {
        struct hold *h = holds_find(&e->holds, s->record->reservation_id);
        return h ? resident(e, s, h, content) : same_or_not(e, s->record, NULL, content);
    }
    /* What has gone to disk since it was asked is not in memory any more. */
    bool disk_asked = s->disk_asked && s->stored == e->segments_stored;
    if (!disk_asked && order_index_on_disk(e->orders, order_hash))
        return ask(s, QUESTION_ORDER, 0);
    return (struct seen_order){.verdict = SEEN_NEW};
}

void search_answer(struct order_search *s, const struct question *r, struct str order_id,
                   struct reservation_record *record)
{
    free(s->record);
    s->record = NULL;
    if (r->kind == QUESTION_ORDER) {
        s->disk_asked = true;
        s->stored = ((const struct question_slot *)r)->stored;
    }
    if (record && str_equal(record->order_id, order_id)) {
        s->record = record;
        return;
    }
    free(record);
    if (r->kind == QUESTION_RESERVATION &&
        s->ruled_out_count < sizeof s->ruled_out / sizeof s->ruled_out[0])
        s->ruled_out[s->ruled_out_count++] = r->reservation_id;
}

static void *move_on(char **at, const void *from, size_t bytes)
{
    void *to = *at;
    if (bytes)
        memcpy(to, from, bytes);
    *at += (bytes + 7) & ~(size_t)7;
    return to;
}

static size_t rounded(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

struct reservation_record *record_clone(const struct reservation_record *record)
{
    size_t details = 0;
    for (uint32_t i = 0; i < record->move_count; i++)
        details += rounded(record->moves[i].detail.len);
    size_t lines = record->line_count * sizeof(struct line);
    size_t after = record->after ? record->line_count * sizeof(struct line_after) : 0;
    size_t reserved = record->line_count_reserved * sizeof(struct line);
    size_t moves = record->move_count * sizeof(struct reservation_move);
    char *at = malloc(rounded(sizeof *record) + lines + after + reserved + moves + details +
                      rounded(record->order_id.len) + rounded(record->user_id.len) +
                      rounded(record->payment_id.len));
    if (!at)
        return NULL;
    struct reservation_record *copy = move_on(&at, record, sizeof *record);
    copy->lines = move_on(&at, record->lines, lines);
    copy->after = after ? move_on(&at, record->after, after) : NULL;
    copy->reserved_lines = move_on(&at, record->reserved_lines, reserved);
    copy->moves = move_on(&at, record->moves, moves);
    copy->order_id.p = move_on(&at, record->order_id.p, record->order_id.len);
    copy->user_id.p = move_on(&at, record->user_id.p, record->user_id.len);
    copy->payment_id.p = move_on(&at, record->payment_id.p, record->payment_id.len);
    for (uint32_t i = 0; i < copy->move_count; i++)
        copy->moves[i].detail.p =
            move_on(&at, record->moves[i].detail.p, record->moves[i].detail.len);
    return copy;
}

bool record_is_current(const struct reservation_record *record, const struct hold *h)
{
    return record->reservation_id == h->reservation_id && (uint8_t)record->move_count == h->moves;
}
