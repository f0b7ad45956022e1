/* confirm_all.c - ConfirmAll: one payment for several reservations. All of them become CONFIRMED,
 * or none. */
#include <stdio.h>
#include <stdlib.h>

#include "service/service_internal.h"

static struct str id_name(uint32_t i, struct arena *a)
{
    enum { NAME_BYTES = 32 };
    char name[NAME_BYTES];
    int len = snprintf(name, sizeof name, "reservation_ids[%u]", i);
    char *copy = arena_copy(a, name, (size_t)len);
    return (struct str){copy, copy ? (uint32_t)len : 0};
}

static void refuse(struct service *s, struct call *c)
{
    const struct command *command = &c->command;
    struct arena *a = &c->origin.exchange->arena;
    struct failure f = {.code = command->code, .text = str_of(command->text)};
    bool of_one = f.code == TLY_EINVALID_TRANSITION || f.code == TLY_ENOT_FOUND ||
                  f.code == TLY_EORDER_MISMATCH || f.code == TLY_EINVALID_ARGUMENT;
    if (of_one && command->confirm_all.failed < command->confirm_all.count) {
        char *id =
            show_number(command->confirm_all.reservation_ids[command->confirm_all.failed], a);
        f.field = id_name(command->confirm_all.failed, a);
        f.reservation_id = id ? str_of(id) : (struct str){0};
    }
    reply_failure(s, &c->origin, &f);
}

static void finish(struct service *s, struct call *c)
{
    Tally__V1__ConfirmAllResponse m = TALLY__V1__CONFIRM_ALL_RESPONSE__INIT;
    struct header replayed = {STR("idempotent-replayed"), STR("true")};
    if (c->command.code) {
        refuse(s, c);
        return;
    }
    m.replayed = c->command.confirm_all.replayed;
    reply_message_with(s, &c->origin, 200, &m.base, &replayed, m.replayed ? 1 : 0);
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static int check_twice(struct call *c, const int64_t *ids, size_t count, struct error *e)
{
    int64_t *sorted = arena_alloc(&c->arena, count * sizeof *sorted);
    if (!sorted)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    for (size_t i = 0; i < count; i++)
        sorted[i] = ids[i];
    qsort(sorted, count, sizeof *sorted, compare);
    for (size_t i = 1; i < count; i++) {
        if (sorted[i] == INT64_MAX) /* a number that is larger than any */
            return error_set(e, TLY_ENOT_FOUND, "reservation_ids", "there is no such reservation");
        if (sorted[i] == sorted[i - 1])
            return rule_broken(e, "reservation_ids", "has %lld twice", (long long)sorted[i]);
    }
    return 0;
}

int confirm_all_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__ConfirmAllRequest *m = (const Tally__V1__ConfirmAllRequest *)c->request;
    size_t count = m->n_reservation_ids;
    if (count < 1 || count > CONFIRM_ALL_MAX)
        return rule_broken(e, "reservation_ids", "must be 1 to %d numbers, is %zu", CONFIRM_ALL_MAX,
                           count);
    int64_t *ids = arena_alloc(&c->arena, count * sizeof *ids);
    c->command.confirm_all.records =
        arena_zalloc(&c->arena, count * sizeof *c->command.confirm_all.records);
    if (!ids || !c->command.confirm_all.records)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    for (size_t i = 0; i < count; i++) {
        char field[ERROR_FIELD_MAX];
        snprintf(field, sizeof field, "reservation_ids[%zu]", i);
        int code = reservation_id_parse(m->reservation_ids[i], field, &ids[i], e);
        if (code)
            return code;
    }
    int code = check_twice(c, ids, count, e);
    if (!code && m->payment_id[0])
        code = rule_text(str_of(m->payment_id), PAYMENT_ID_MAX, "payment_id", e);
    if (code)
        return code;
    c->command.kind = COMMAND_CONFIRM_ALL;
    c->command.confirm_all.reservation_ids = ids;
    c->command.confirm_all.count = (uint32_t)count;
    c->command.confirm_all.payment_id = str_of(m->payment_id);
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
