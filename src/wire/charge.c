/* charge.c - see charge.h. A refusal leaves everything as it was. */
#include "wire/charge.h"

enum {
    EXCHANGES_MAX = 256 * 1024,
    BULK_BYTES = 64 * 1024, /* a request that needs more is a long one */
};

/* `others`: what the connection is charged for beside this exchange. One that is charged for
 * nothing else may have what the worker can give. */
static enum charge take(struct session_host *host, struct session *s, enum budget_class class,
                        size_t more, size_t others)
{
    size_t max = host->limits->memory_max;
    size_t height = class == BUDGET_BEGIN ? budget_height(class, max) : max;
    if (max && others && (more > height || s->charged > height - more))
        return CHARGE_CONNECTION_FULL;
    if (host->budget && !budget_take(host->budget, class, more))
        return CHARGE_WORKER_FULL;
    s->charged += more;
    return CHARGE_DONE;
}

void *exchange_memory(struct session_host *host, struct session *s, size_t size, size_t charged)
{
    uint32_t max = host->limits->exchanges_max ? host->limits->exchanges_max : EXCHANGES_MAX;
    if (host->exchanges >= max)
        return NULL;
    if (charged && take(host, s, BUDGET_BEGIN, charged, s->charged))
        return NULL;
    void *memory = wire_pool_alloc(host->pool, size);
    host->exchanges += memory != NULL;
    if (memory || !charged)
        return memory;
    s->charged -= charged;
    if (host->budget)
        budget_give(host->budget, BUDGET_BEGIN, charged);
    return NULL;
}

bool exchange_room(const struct session_host *host, const struct session *s, size_t size)
{
    size_t max = host->limits->memory_max;
    const struct budget *b = host->budget;
    return (!max || s->charged + size <= budget_height(BUDGET_BEGIN, max)) &&
           (!b || b->used + size <= budget_height(BUDGET_BEGIN, b->max));
}

void exchange_memory_free(struct session_host *host, struct session *s, void *memory,
                          struct exchange *x)
{
    host->exchanges--;
    if (s)
        exchange_detach(s, x);
    if (host->budget)
        budget_give(host->budget, (enum budget_class)x->charged_as, x->charged);
    arena_close(&x->arena);
    wire_pool_free(host->pool, memory);
}

void exchange_detach(struct session *s, const struct exchange *x)
{
    if (x->charged_as != BUDGET_VITAL)
        s->charged -= x->charged;
}

static void charge_less(struct session_host *host, struct session *s, struct exchange *x,
                        size_t less)
{
    x->charged -= less;
    if (host->budget)
        budget_give(host->budget, (enum budget_class)x->charged_as, less);
    if (s && x->charged_as != BUDGET_VITAL)
        s->charged -= less;
}

/* From the common budget to the reserve. */
static enum charge make_vital(struct session_host *host, struct session *s, struct exchange *x,
                              size_t total)
{
    if (host->budget && !budget_take(host->budget, BUDGET_VITAL, total))
        return CHARGE_WORKER_FULL;
    charge_less(host, s, x, x->charged);
    x->charged_as = BUDGET_VITAL;
    x->charged = total;
    return CHARGE_DONE;
}

enum charge exchange_charge(struct session_host *host, struct session *s, struct exchange *x,
                            enum budget_class class, size_t total)
{
    if (x->charged_as == BUDGET_VITAL)
        class = BUDGET_VITAL;
    else if (class == BUDGET_VITAL)
        return make_vital(host, s, x, total);
    if (total <= x->charged) {
        charge_less(host, s, x, x->charged - total);
        return CHARGE_DONE;
    }
    size_t more = total - x->charged;
    if (class == BUDGET_VITAL) {
        if (host->budget && !budget_take(host->budget, class, more))
            return CHARGE_WORKER_FULL;
    } else {
        enum charge rv = take(host, s, class, more, s->charged - x->charged);
        if (rv)
            return rv;
    }
    x->charged = total;
    return CHARGE_DONE;
}

enum charge exchange_admit(struct session_host *host, struct session *s, struct exchange *x,
                           struct exchange_need *need)
{
    *need = (struct exchange_need){.bytes = EXCHANGE_NEED_BYTES};
    if (host->handler->need)
        host->handler->need(host->handler->context, x, need);
    if (s->over && !need->vital)
        return CHARGE_NOT_VITAL;
    enum budget_class class = need->vital                ? BUDGET_VITAL
                              : need->bytes > BULK_BYTES ? BUDGET_BULK
                                                         : BUDGET_SMALL;
    return exchange_charge(host, s, x, class, x->base + x->arena.chunk_bytes + need->bytes);
}

void exchange_settle(struct session_host *host, struct session *s, struct exchange *x, size_t extra)
{
    size_t total = x->base + x->arena.chunk_bytes + extra;
    if (total <= x->charged) {
        charge_less(host, s, x, x->charged - total);
        return;
    }
    size_t more = total - x->charged;
    x->charged = total;
    if (x->charged_as == BUDGET_VITAL) {
        if (host->budget)
            host->budget->vital_used += more;
        return;
    }
    if (host->budget)
        budget_force(host->budget, more);
    if (s)
        s->charged += more;
}

bool exchange_charge_arena(struct session_host *host, struct session *s, struct exchange *x)
{
    size_t total = x->base + x->arena.chunk_bytes;
    return total <= x->charged || exchange_charge(host, s, x, BUDGET_SMALL, total) == CHARGE_DONE;
}
