/* verify_run.c - the steps of a verification, in order. A ledger that cannot be read to its end
 * because it is damaged is a finding, not a failure of the verification. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/verify_internal.h"

/* After the scan: units by lot against the reservations that hold them. */
static void compare_owned(struct verify *v)
{
    for (int64_t id = 1; id <= v->lot_max; id++) {
        const struct verify_lot *lot = &v->lots[id];
        struct place where = {.lot_id = id};
        if (!lot->exists)
            continue;
        if (!lot->created)
            verify_fault(v, VERIFY_LOT, where, "it has no CREATE");
        if (lot->reserved != lot->owned_reserved)
            verify_fault(v, VERIFY_OWNED, where,
                         "%" PRId64 " units are reserved, PENDING reservations hold %" PRId64,
                         lot->reserved, lot->owned_reserved);
        if (lot->confirmed != lot->owned_confirmed)
            verify_fault(v, VERIFY_OWNED, where,
                         "%" PRId64 " units are confirmed, CONFIRMED reservations hold %" PRId64,
                         lot->confirmed, lot->owned_confirmed);
    }
}

static void tell_stage(struct verify *v, const char *text)
{
    if (v->config->stage)
        v->config->stage(v->config->context, text);
}

static int run_steps(struct verify *v, struct error *e)
{
    int code = 0;
    if (!v->config->skip_file_check) {
        tell_stage(v, v->source->check_whole_says);
        code = v->source->check_whole(v, e);
    }
    if (!code && v->source->fetch)
        code = v->source->fetch(v, e);
    if (!code)
        code = verify_load_tables(v, e);
    if (!code)
        code = v->source->check_durable(v, e);
    if (code)
        return code;
    uint64_t started_ns = clock_monotonic_ns();
    code = verify_scan(v, e);
    v->report->seconds = (double)(clock_monotonic_ns() - started_ns) / 1e9;
    if (code)
        return code;
    compare_owned(v);
    tell_stage(v, "comparing with the stored stock");
    code = verify_compare_stock(v, true, e);
    if (!code)
        code = verify_apply(v, v->source->rules, v->source->rule_count, e);
    if (!code)
        code = verify_check_cursors(v, e);
    if (!code)
        code = verify_check_adjustments(v, e);
    if (code || v->report->schema_version < 3)
        return code;
    code = verify_lot_limits(v, e);
    return code ? code : verify_sales(v, e);
}

int verify_run(const struct verify_config *config, struct verify_report *report, struct error *e)
{
    bool mysql = strncmp(config->data, "mysql://", 8) == 0;
    struct verify v = {
        .config = config, .report = report, .source = mysql ? &verify_mysql : &verify_folder};
    struct error why = {0};
    *report = (struct verify_report){.findings_max = config->findings_max};
    v.snapshot_checked = !v.source->has_snapshot;
    int code = v.source->open(&v, e);
    if (!code)
        code = order_sort_create(&v.orders, config->sort_entries, e);
    if (!code) {
        code = run_steps(&v, &why);
        if (code == TLY_ECORRUPT) {
            verify_fault(&v, VERIFY_FILE, (struct place){0}, "reading it ended with: %s", why.text);
            code = 0;
        } else if (code) {
            code = error_set(e, code, why.field, "%s", why.text);
        }
    }
    if (v.source->close)
        v.source->close(&v);
    sqlite3_close(v.db);
    order_sort_destroy(v.orders);
    free(v.lots);
    return code;
}
