/* order_text.c - see order_text.h. */
#include "order_text.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tally.pb-c.h>
#include <time.h>

enum {
    ID_DIGITS = 12, /* the part of an order_id or user_id that differs */
    PREFIX = 5,     /* of a gRPC message */
    USER_LIMIT = 5,
};
#define HOLD_MS_LEAST INT64_C(16384) /* a varint of three bytes ... */
#define HOLD_MS_MOST  INT64_C(2097151)
#define SHARE         INT64_C(1000000000)

static _Noreturn void out_of_memory(void)
{
    fprintf(stderr, "order_load: out of memory\n");
    exit(1);
}

static uint64_t next_random(struct order_text *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random;
}

static void make_room(struct order_body *b, size_t size)
{
    b->size = size;
    b->sent = 0;
    if (size <= b->capacity)
        return;
    b->bytes = realloc(b->bytes, size);
    if (!b->bytes)
        out_of_memory();
    b->capacity = size;
}

static uint8_t *begin_message(struct order_body *b, size_t size)
{
    make_room(b, PREFIX + size);
    uint32_t length = htonl((uint32_t)size);
    b->bytes[0] = 0;
    memcpy(b->bytes + 1, &length, 4);
    return b->bytes + PREFIX;
}

/* ---- orders ---- */

struct order {
    Tally__V1__ReserveRequest message;
    Tally__V1__WantedLine line;
    Tally__V1__WantedLine *lines[1];
    char order_id[48];
    char user_id[40];
};

static void make_order(struct order_text *t, struct order *o, uint64_t number)
{
    tally__v1__reserve_request__init(&o->message);
    tally__v1__wanted_line__init(&o->line);
    o->order_id[0] = 0;
    if (t->order_ids)
        snprintf(o->order_id, sizeof o->order_id, "%016" PRIx64 "-%012" PRIu64, t->run, number);
    if (t->users)
        snprintf(o->user_id, sizeof o->user_id, "u%016" PRIx64 "-%012" PRIu64, t->run, number);
    else
        snprintf(o->user_id, sizeof o->user_id, "u%u", (unsigned)(next_random(t) % 1000000));
    o->line.lot = t->lots[t->lot_count == 1 ? 0 : next_random(t) % t->lot_count];
    o->line.quantity = 1;
    o->lines[0] = &o->line;
    o->message.order_id = o->order_id;
    o->message.user_id = o->user_id;
    o->message.lines = o->lines;
    o->message.n_lines = 1;
    if (t->expire_at_ms)
        o->message.hold_ms = HOLD_MS_MOST;
    if (t->group_count) {
        o->message.sale_id = t->groups[0].sale_id;
        o->message.group_id = t->groups[0].group_id;
    }
}

static void pack_order(struct order_text *t, uint64_t number, struct order_body *b)
{
    struct order o;
    make_order(t, &o, number);
    size_t size = tally__v1__reserve_request__get_packed_size(&o.message);
    tally__v1__reserve_request__pack(&o.message, begin_message(b, size));
}

static void pack_batch(struct order_text *t, uint64_t number, struct order_body *b)
{
    struct order *orders = calloc(t->batch, sizeof *orders);
    Tally__V1__ReserveRequest **pointers = calloc(t->batch, sizeof *pointers);
    if (!orders || !pointers)
        out_of_memory();
    for (unsigned i = 0; i < t->batch; i++) {
        make_order(t, &orders[i], number * t->batch + i);
        pointers[i] = &orders[i].message;
    }
    Tally__V1__ReserveBatchRequest m = TALLY__V1__RESERVE_BATCH_REQUEST__INIT;
    m.orders = pointers;
    m.n_orders = t->batch;
    size_t size = tally__v1__reserve_batch_request__get_packed_size(&m);
    tally__v1__reserve_batch_request__pack(&m, begin_message(b, size));
    free(orders);
    free(pointers);
}

/* ---- sales and groups ---- */

void order_text_sale_id(unsigned sale, char *sale_id)
{
    snprintf(sale_id, SALE_ID_SIZE, "sale-%06u", sale);
}

static void day_from_now(int days, char *out, size_t size)
{
    time_t at = time(NULL) + (time_t)days * 86400;
    struct tm day;
    gmtime_r(&at, &day);
    strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &day);
}

static void pack_sale(const struct order_text *t, uint64_t number, struct order_body *b)
{
    char sale_id[SALE_ID_SIZE], starts_at[32], ends_at[32];
    char *lots[1] = {t->lots[0]};
    Tally__V1__CreateSaleRequest m = TALLY__V1__CREATE_SALE_REQUEST__INIT;
    Tally__V1__GroupTerms group = TALLY__V1__GROUP_TERMS__INIT;
    order_text_sale_id((unsigned)number, sale_id);
    day_from_now(-1, starts_at, sizeof starts_at);
    day_from_now(1, ends_at, sizeof ends_at);
    group.size = (int32_t)t->group_size;
    group.window_ms = 3600000;
    m.sale_id = sale_id;
    m.title = "a sale";
    m.lots = lots;
    m.n_lots = 1;
    m.starts_at = starts_at;
    m.ends_at = ends_at;
    m.per_user_limit = USER_LIMIT;
    m.total_limit = SHARE;
    m.group = &group;
    size_t size = tally__v1__create_sale_request__get_packed_size(&m);
    tally__v1__create_sale_request__pack(&m, begin_message(b, size));
}

static void pack_group(const struct order_text *t, uint64_t number, struct order_body *b)
{
    char sale_id[SALE_ID_SIZE];
    Tally__V1__OpenGroupRequest m = TALLY__V1__OPEN_GROUP_REQUEST__INIT;
    order_text_sale_id((unsigned)(number % t->sales), sale_id);
    m.sale_id = sale_id;
    m.user_id = "opener";
    size_t size = tally__v1__open_group_request__get_packed_size(&m);
    tally__v1__open_group_request__pack(&m, begin_message(b, size));
}

bool order_text_group(const uint8_t *message, size_t size, char *group_id)
{
    if (size < PREFIX)
        return false;
    Tally__V1__OpenGroupResponse *m =
        tally__v1__open_group_response__unpack(NULL, size - PREFIX, message + PREFIX);
    bool known = m && m->group_id[0];
    if (known)
        snprintf(group_id, GROUP_ID_SIZE, "%s", m->group_id);
    if (m)
        tally__v1__open_group_response__free_unpacked(m, NULL);
    return known;
}

/* ---- the pattern ---- */

/* Where `text` stands in the pattern, and how far behind that what differs begins. */
static struct order_places find_places(const struct order_text *t, const void *text, size_t size,
                                       size_t behind)
{
    struct order_places p = {calloc(t->batch ? t->batch : 1, sizeof *p.at), 0};
    if (!p.at)
        out_of_memory();
    const uint8_t *at = t->pattern.bytes, *end = at + t->pattern.size;
    while ((at = memmem(at, (size_t)(end - at), text, size))) {
        p.at[p.count++] = (size_t)(at - t->pattern.bytes) + behind;
        at += size;
    }
    return p;
}

static void write_varint(uint8_t *to, int64_t number)
{
    for (int i = 0; i < 3; i++, number >>= 7)
        to[i] = (uint8_t)((number & 127) | (i < 2 ? 128 : 0));
}

static void make_pattern(struct order_text *t)
{
    char run[24];
    size_t run_size = (size_t)snprintf(run, sizeof run, "%016" PRIx64 "-", t->run);
    if (t->call == CALL_RESERVE_BATCH)
        pack_batch(t, 0, &t->pattern);
    else
        pack_order(t, 0, &t->pattern);
    char user[26] = "u";
    memcpy(user + 1, run, run_size);
    if (t->users)
        t->user_places = find_places(t, user, run_size + 1, run_size + 1);
    if (t->order_ids) { /* behind the length of the field, which a user_id's text is not */
        user[0] = (char)(run_size + ID_DIGITS);
        t->id_places = find_places(t, user, run_size + 1, run_size + 1);
    }
    if (t->expire_at_ms) {
        uint8_t most[4] = {4 << 3}; /* the field's number, of the kind varint */
        write_varint(most + 1, HOLD_MS_MOST);
        t->hold_places = find_places(t, most, sizeof most, 1);
    }
    if (t->group_count) {
        const struct order_group *g = &t->groups[0];
        t->sale_places = find_places(t, g->sale_id, strlen(g->sale_id), 0);
        t->group_places = find_places(t, g->group_id, strlen(g->group_id), 0);
    }
}

void order_text_init(struct order_text *t)
{
    t->random = t->run | 1;
    bool orders = t->call == CALL_RESERVE || t->call == CALL_RESERVE_BATCH;
    if (orders && t->alike)
        make_pattern(t);
}

static void write_digits(uint8_t *to, uint64_t number)
{
    for (int i = ID_DIGITS; i-- > 0; number /= 10)
        to[i] = (uint8_t)('0' + number % 10);
}

static void number_orders(const struct order_places *p, uint64_t first, uint8_t *bytes)
{
    for (size_t i = 0; i < p->count; i++)
        write_digits(bytes + p->at[i], first + i);
}

static void write_holds(const struct order_text *t, uint64_t first, uint8_t *bytes)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t left_ms = t->expire_at_ms - (int64_t)now.tv_sec * 1000 - now.tv_nsec / 1000000;
    if (left_ms < HOLD_MS_LEAST || left_ms + t->expire_over_ms > HOLD_MS_MOST) {
        fprintf(stderr, "order_load: holds cannot end in %" PRId64 " ms\n", left_ms);
        exit(1);
    }
    for (size_t i = 0; i < t->hold_places.count; i++) {
        int64_t later_ms = t->expire_over_ms * (int64_t)(first + i) / (int64_t)t->order_count;
        write_varint(bytes + t->hold_places.at[i], left_ms + later_ms);
    }
}

static void join_groups(const struct order_text *t, uint64_t first, uint8_t *bytes)
{
    for (size_t i = 0; i < t->group_places.count; i++) {
        const struct order_group *g = &t->groups[(first + i) % t->group_count];
        memcpy(bytes + t->sale_places.at[i], g->sale_id, strlen(g->sale_id));
        memcpy(bytes + t->group_places.at[i], g->group_id, strlen(g->group_id));
    }
}

void order_text_fill(struct order_text *t, uint64_t number, struct order_body *body)
{
    const struct order_body *p = &t->pattern;
    if (t->call == CALL_CREATE_SALES) {
        pack_sale(t, number, body);
    } else if (t->call == CALL_OPEN_GROUPS) {
        pack_group(t, number, body);
    } else if (!p->bytes && t->call == CALL_RESERVE_BATCH) {
        pack_batch(t, number, body);
    } else if (!p->bytes) {
        pack_order(t, number, body);
    } else {
        uint64_t first = t->call == CALL_RESERVE_BATCH ? number * t->batch : number;
        make_room(body, p->size);
        memcpy(body->bytes, p->bytes, p->size);
        number_orders(&t->id_places, first, body->bytes);
        number_orders(&t->user_places, first, body->bytes);
        if (t->expire_at_ms)
            write_holds(t, first, body->bytes);
        if (t->group_count)
            join_groups(t, first, body->bytes);
    }
}

const char *order_text_path(const struct order_text *t)
{
    static const char *const paths[] = {
        [CALL_RESERVE] = "/tally.v1.Inventory/Reserve",
        [CALL_RESERVE_BATCH] = "/tally.v1.Inventory/ReserveBatch",
        [CALL_CREATE_SALES] = "/tally.v1.Sales/CreateSale",
        [CALL_OPEN_GROUPS] = "/tally.v1.Sales/OpenGroup",
    };
    return paths[t->call];
}
