/* engine_bench.c - what the engine costs an order, without ledger and network: single-line orders
 * of one lot and of many, their confirms and expiries, refusals, and recovery.
 *
 *     engine_bench [ORDERS]     1,000,000 if not given
 *     engine_bench ORDERS sale  only orders in sales and groups
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "engine/engine.h"

enum { BATCH = 1000, LOTS = 100000, ID_BYTES = 36, START = 1000 };
#define START_MS INT64_C(1790000000000)

struct order {
    struct command c;
    struct want want;
    struct line line;
    char order_id[ID_BYTES + 1];
};

/* Of this thread alone: others may keep the machine busy. */
static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct engine *engine_new(void)
{
    struct engine_config config = {
        .node = 1,
        .hash_seed = 1,
        .lots_max = 1000000,
        .holds_max = 20000000,
        .batch_moves_max = 8192,
        .waiting_max = 100000,
        .questions_max = 1024,
        .stale_tries_max = 3,
        .hold_default_ms = 900000,
        .hold_max_ms = 3600000,
        .hold_total_max_ms = 7200000,
        .refund_window_ms = INT64_C(72) * 3600000,
        .order_retention_ms = INT64_C(7) * 86400000,
        .order_memory_max = 40000000,
    };
    struct engine *e = NULL;
    struct error error;
    if (engine_create(&e, &config, &error)) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    return e;
}

static void commit(struct engine *e)
{
    struct batch *b = engine_seal(e);
    engine_sealed(e);
    if (b) {
        b->outcome = LEDGER_COMMITTED;
        engine_outcome(e, b);
    }
    engine_replies(e);
}

static void lot_key(char *key, unsigned n)
{
    snprintf(key, 32, "sku-%07u#%08x", n, n);
}

static void load_lots(struct engine *e, unsigned count)
{
    char key[32];
    for (unsigned i = 1; i <= count; i++) {
        lot_key(key, i);
        struct lot_dims dims = {
            .key = str_of(key),
            .expires_on = LOT_NEVER_EXPIRES,
            .sku = {key, 11},
            .flavor = STR("cola-red"),
            .size = STR("330ml_can"),
            .batch = STR("BATCH-20260101-A"),
        };
        struct stock stock = {.on_hand = 2000000000};
        if (engine_load_lot(e, i, &dims, NULL, &stock, NULL))
            exit(1);
    }
}

static void fill(struct order *o, unsigned n, struct str key, lot_id lot)
{
    memset(&o->c, 0, sizeof o->c);
    snprintf(o->order_id, sizeof o->order_id, "0198a7c2-6f00-7000-8000-%012u", n);
    o->want = (struct want){.lot = key, .quantity = 1, .lot_hint = lot};
    o->c.kind = COMMAND_RESERVE;
    o->c.reserve.order_id = (struct str){o->order_id, ID_BYTES};
    o->c.reserve.user_id = STR("user-0001");
    o->c.reserve.order_hash = hash64(o->c.reserve.order_id, 1);
    o->c.reserve.fingerprint = o->c.reserve.order_hash | 1;
    o->c.reserve.wants = &o->want;
    o->c.reserve.want_count = 1;
    o->c.reserve.lines = &o->line;
    o->c.reserve.line_max = 1;
}

static void report(const char *what, double s, unsigned count)
{
    printf("%-52s %7.1f ns  %6.2f M/s\n", what, s / count * 1e9, count / s / 1e6);
}

static struct engine_stats stats_of(struct engine *e)
{
    struct engine_stats stats;
    struct command c = {.kind = COMMAND_STATS, .stats = {.stats = &stats}};
    engine_command(e, &c);
    engine_replies(e);
    return stats;
}

static char keys[LOTS][32];
static struct order batch[BATCH];

/* Reserves `count` orders and keeps their ids. */
static void reserve_all(struct engine *e, const char *name, unsigned lots, unsigned from,
                        unsigned count, int64_t at_ms, int64_t *ids)
{
    double decide = 0, settle = 0;
    for (unsigned n = 0; n < count; n += BATCH) {
        for (unsigned i = 0; i < BATCH; i++) {
            unsigned lot = lots == 1 ? 0 : (unsigned)(((n + i) * UINT64_C(2654435761)) % lots);
            fill(&batch[i], from + n + i, str_of(keys[lot]), lot + 1);
        }
        engine_advance(e, at_ms + n / START, n);
        double t0 = seconds();
        for (unsigned i = 0; i < BATCH; i++) {
            if (i + 8 < BATCH)
                engine_prefetch(e, &batch[i + 8].c);
            engine_command(e, &batch[i].c);
        }
        double t1 = seconds();
        commit(e);
        settle += seconds() - t1;
        decide += t1 - t0;
        for (unsigned i = 0; i < BATCH; i++)
            ids[n + i] = batch[i].c.reserve.reservation_id;
    }
    char what[64];
    snprintf(what, sizeof what, "reserve, %s: engine_command", name);
    report(what, decide, count);
    snprintf(what, sizeof what, "reserve, %s: seal, outcome, replies", name);
    report(what, settle, count);
}

static void confirm_all(struct engine *e, unsigned count, const int64_t *ids)
{
    double spent = 0;
    for (unsigned n = 0; n < count; n += BATCH) {
        for (unsigned i = 0; i < BATCH; i++) {
            struct command *c = &batch[i].c;
            memset(c, 0, sizeof *c);
            c->kind = COMMAND_CONFIRM;
            c->move.reservation_id = ids[n + i];
            c->move.lines = &batch[i].line;
            c->move.line_max = 1;
        }
        double t0 = seconds();
        for (unsigned i = 0; i < BATCH; i++) {
            if (i + 8 < BATCH)
                engine_prefetch(e, &batch[i + 8].c);
            engine_command(e, &batch[i].c);
        }
        commit(e);
        spent += seconds() - t0;
    }
    report("confirm, with commit", spent, count);
}

static void expire_all(struct engine *e, unsigned count, int64_t at_ms)
{
    double t0 = seconds();
    engine_advance(e, at_ms, 1);
    double longest = seconds() - t0;
    for (;;) {
        double t = seconds();
        struct batch *b = engine_seal(e);
        if (!b)
            break;
        b->outcome = LEDGER_COMMITTED;
        engine_outcome(e, b);
        t = seconds() - t;
        longest = t > longest ? t : longest;
    }
    report("expire, with commit", seconds() - t0, count);
    printf("    longest turn %.2f ms\n", longest * 1e3);
}

static void orders(const char *name, unsigned lots, unsigned count)
{
    struct engine *e = engine_new();
    load_lots(e, lots);
    engine_recovered(e, START_MS);
    for (unsigned i = 0; i < lots; i++)
        lot_key(keys[i], i + 1);
    int64_t *ids = malloc(count * sizeof *ids);
    if (!ids)
        exit(1);
    printf("%s, memory growing from nothing:\n", name);
    reserve_all(e, name, lots, 0, count, START_MS, ids);
    struct engine_stats stats = stats_of(e);
    printf("    %.1f bytes an order_id, %.1f a hold, %.1f a lot\n",
           (double)stats.order_index_bytes / (double)stats.orders_in_memory,
           (double)stats.hold_bytes / (double)stats.holds_pending,
           (double)stats.lot_bytes / (double)stats.lots);
    confirm_all(e, count / 2, ids);
    expire_all(e, count - count / 2, START_MS + 2000000);
    printf("%s, holds in memory that was used before:\n", name);
    reserve_all(e, name, lots, count, count, START_MS + 2000000, ids);
    confirm_all(e, count / 2, ids);
    expire_all(e, count - count / 2, START_MS + 4000000);
    free(ids);
    engine_destroy(e);
}

/* ---- orders in a sale, with a limit per user and in a group, against the same without ---- */

enum { SALES = 10000, GROUP_SIZE = 3 };

static struct order_extra extras[BATCH];
static char users[BATCH][24];

static void load_sales(struct engine *e, unsigned count)
{
    static char names[SALES][24];
    const struct sale_item item = {.lot = 1};
    for (unsigned i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "sale-%u", i);
        const struct sale_terms terms = {.number = i + 1,
                                         .sale_id = str_of(names[i]),
                                         .starts_ms = START_MS,
                                         .ends_ms = START_MS + INT64_C(86400000),
                                         .per_user_limit = 5,
                                         .total_limit = 2000000000,
                                         .group_size = GROUP_SIZE,
                                         .group_window_ms = 3600000,
                                         .item_count = 1,
                                         .items = &item};
        if (engine_load_sale(e, &terms, i + 1, NULL))
            exit(1);
    }
}

/* Opens `count` groups, a sale after the other. */
static int64_t open_groups(struct engine *e, unsigned sales, unsigned count)
{
    static struct command c;
    static char name[24];
    int64_t last = 0;
    for (unsigned i = 0; i < count; i++) {
        memset(&c, 0, sizeof c);
        snprintf(name, sizeof name, "sale-%u", sales - 1 - i % sales);
        c.kind = COMMAND_OPEN_GROUP;
        c.group.sale_id = str_of(name);
        engine_command(e, &c);
        commit(e);
        last = c.group.group.group_id;
    }
    return last;
}

static void decide_batch(struct engine *e)
{
    for (unsigned i = 0; i < BATCH; i++) {
        if (i + 10 < BATCH)
            engine_prefetch(e, &batch[i + 10].c);
        if (i + 6 < BATCH)
            engine_prefetch_near(e, &batch[i + 6].c);
        engine_command(e, &batch[i].c);
    }
}

/* A group of its own for every three orders, which are its members. */
static double in_groups(struct engine *e, unsigned from)
{
    static struct command opens[BATCH / GROUP_SIZE + 1];
    double spent = 0;
    for (unsigned i = 0; i < BATCH; i++) {
        fill(&batch[i], from + i, str_of(keys[0]), 1);
        snprintf(users[i], sizeof users[i], "user-%u", from + i);
        batch[i].c.reserve.user_id = str_of(users[i]);
        extras[i] = (struct order_extra){.sale_id = STR("sale-0"),
                                         .sale_hash = hash64(STR("sale-0"), 1),
                                         .user_hash = hash64(str_of(users[i]), 1)};
        batch[i].c.reserve.extra = &extras[i];
    }
    for (unsigned i = 0; i < BATCH; i += GROUP_SIZE) {
        struct command *c = &opens[i / GROUP_SIZE];
        memset(c, 0, sizeof *c);
        c->kind = COMMAND_OPEN_GROUP;
        c->group.sale_id = STR("sale-0");
        engine_command(e, c);
        for (unsigned j = i; j < i + GROUP_SIZE && j < BATCH; j++)
            extras[j].group_id = c->group.group.group_id;
    }
    commit(e);
    double t0 = seconds();
    decide_batch(e);
    spent = seconds() - t0;
    commit(e);
    return spent;
}

static double plain(struct engine *e, unsigned from)
{
    for (unsigned i = 0; i < BATCH; i++) {
        fill(&batch[i], from + i, str_of(keys[0]), 1);
        snprintf(users[i], sizeof users[i], "user-%u", from + i);
        batch[i].c.reserve.user_id = str_of(users[i]);
    }
    double t0 = seconds();
    decide_batch(e);
    double spent = seconds() - t0;
    commit(e);
    return spent;
}

/* By turns, so that both meet the same machine. */
static void in_sales(unsigned sales, unsigned groups, unsigned count)
{
    struct engine *e = engine_new();
    load_lots(e, 1);
    load_sales(e, sales);
    engine_recovered(e, START_MS);
    lot_key(keys[0], 1);
    engine_advance(e, START_MS, 1);
    open_groups(e, sales, groups);
    double without = 0, with = 0;
    for (unsigned n = 0; n < count; n += 2 * BATCH) {
        engine_advance(e, START_MS + n / START, n);
        without += plain(e, n);
        with += in_groups(e, n + BATCH);
        for (unsigned i = 0; i < BATCH; i++)
            batch[i].c.reserve.extra = NULL;
    }
    printf("%u sales, %u groups OPEN besides:\n", sales, groups);
    report("reserve, in no sale", without, count / 2);
    report("reserve, in a sale with a user limit, in a group", with, count / 2);
    struct engine_stats stats = stats_of(e);
    if (stats.reserved_total != (int64_t)count)
        printf("    only %lld of %u orders were accepted\n", (long long)stats.reserved_total,
               count);
    engine_destroy(e);
}

static void refusals(unsigned count)
{
    struct engine *e = engine_new();
    struct lot_dims dims = {
        .key = STR("cola#00000001"),
        .expires_on = LOT_NEVER_EXPIRES,
        .sku = STR("cola"),
        .flavor = STR("cola"),
        .size = STR("330ml_can"),
        .batch = STR("BATCH-20260101-A"),
    };
    if (engine_load_lot(e, 1, &dims, NULL, &(struct stock){0}, NULL))
        exit(1);
    engine_recovered(e, START_MS);
    double spent = 0;
    for (unsigned n = 0; n < count; n += BATCH) {
        for (unsigned i = 0; i < BATCH; i++)
            fill(&batch[i], n + i, STR("cola#00000001"), 1);
        double t0 = seconds();
        for (unsigned i = 0; i < BATCH; i++)
            engine_command(e, &batch[i].c);
        engine_replies(e);
        spent += seconds() - t0;
    }
    report("reserve, sold out (no text asked for)", spent, count);
    engine_destroy(e);
}

static void recovery(unsigned count)
{
    static struct move moves[BATCH];
    static char ids[BATCH][ID_BYTES + 1];
    struct engine *e = engine_new();
    load_lots(e, 1);
    double spent = 0;
    for (unsigned n = 0; n < count; n += BATCH) {
        for (unsigned i = 0; i < BATCH; i++) {
            struct move *m = &moves[i];
            snprintf(ids[i], sizeof ids[i], "0198a7c2-6f00-7000-8000-%012u", n + i);
            *m = (struct move){.kind = MOVE_RESERVE, .line_count = 1, .line = {1, 1}};
            m->at_ms = START_MS + n / START;
            m->seq = seq_first_of_ms(m->at_ms) + i;
            m->reservation_id = m->seq;
            m->deadline_ms = m->at_ms + 900000;
            m->order_id = (struct str){ids[i], ID_BYTES};
            m->user_id = STR("user-0001");
        }
        double t0 = seconds();
        for (unsigned i = 0; i < BATCH; i++) {
            if (engine_load_move(e, &moves[i], true, NULL))
                exit(1);
        }
        spent += seconds() - t0;
    }
    double t0 = seconds();
    engine_recovered(e, START_MS + count / START);
    spent += seconds() - t0;
    report("recovery, RESERVE row", spent, count);
    engine_destroy(e);
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 1000000;
    count = count / BATCH / 2 * BATCH * 2;
    if (argc > 2 && strcmp(argv[2], "sale") == 0) {
        in_sales(1, 0, count);
        in_sales(SALES, 1000000, count);
        return 0;
    }
    orders("one lot", 1, count);
    if (argc > 2)
        return 0;
    orders("100,000 lots", LOTS, count);
    refusals(count);
    in_sales(1, 0, count);
    in_sales(SALES, 1000000, count);
    recovery(count);
    return 0;
}
