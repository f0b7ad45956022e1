/* compare.c - two reports side by side: what was set differently, then each stage by its name with
 * ratios of B to A. Stages that only one has are marked; the k-th stage of a name is compared with
 * the k-th of that name. Fails only if memory or the file does. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/figures.h"
#include "loadgen/report.h"

static const struct column columns[] = {
    {"stage", false, NULL},     {"offered/s A", true, NULL}, {"offered/s B", true, NULL},
    {"achieved A", true, NULL}, {"achieved B", true, NULL},  {"B/A", true, NULL},
    {"p50 A", true, NULL},      {"p50 B", true, NULL},       {"B/A", true, NULL},
    {"p99 A", true, NULL},      {"p99 B", true, NULL},       {"B/A", true, NULL},
    {"errors A", true, "0"},    {"errors B", true, "0"},     {"", false, NULL},
};

static void add_pair(struct columns *t, struct figure a, struct figure b)
{
    columns_add(t, a);
    columns_add(t, b);
}

/* Either may be NULL, not both. */
static void add_stage(struct columns *t, const struct report_stage *a, const struct report_stage *b)
{
    const struct figure none = {0};
    double achieved_a = a ? stage_achieved_per_s(a) : 0;
    double achieved_b = b ? stage_achieved_per_s(b) : 0;
    struct latency la = a ? a->latency : (struct latency){0};
    struct latency lb = b ? b->latency : (struct latency){0};
    bool both = a && b;
    columns_add(t, figure_text(a ? a->name : b->name));
    add_pair(t, a ? figure_rate(stage_offered_per_s(a)) : none,
             b ? figure_rate(stage_offered_per_s(b)) : none);
    add_pair(t, a ? figure_rate(achieved_a) : none, b ? figure_rate(achieved_b) : none);
    columns_add(t, both ? figure_ratio(achieved_b, achieved_a) : none);
    add_pair(t, a ? figure_ms(la.p50) : none, b ? figure_ms(lb.p50) : none);
    columns_add(t, both ? figure_ratio(lb.p50, la.p50) : none);
    add_pair(t, a ? figure_ms(la.p99) : none, b ? figure_ms(lb.p99) : none);
    columns_add(t, both ? figure_ratio(lb.p99, la.p99) : none);
    add_pair(t, a ? figure_count(stage_errors(a)) : none, b ? figure_count(stage_errors(b)) : none);
    columns_add(t, figure_text(both ? "" : a ? "only in A" : "only in B"));
}

/* The stage of `r` with this name that has `before` others of the name before it; NULL. */
static const struct report_stage *find(const struct report *r, const char *name, uint32_t before)
{
    for (uint32_t i = 0; i < r->stage_count; i++) {
        if (strcmp(r->stages[i].name, name) == 0 && before-- == 0)
            return &r->stages[i];
    }
    return NULL;
}

static const struct report_stage *partner(const struct report *of, uint32_t index,
                                          const struct report *in)
{
    assert(of->stages && index < of->stage_count);
    uint32_t before = 0;
    for (uint32_t i = 0; i < index; i++)
        before += strcmp(of->stages[i].name, of->stages[index].name) == 0;
    return find(in, of->stages[index].name, before);
}

static bool print_stages(const struct report *a, const struct report *b, FILE *to)
{
    struct columns t;
    columns_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
    for (uint32_t i = 0; i < a->stage_count; i++)
        add_stage(&t, &a->stages[i], partner(a, i, b));
    for (uint32_t i = 0; i < b->stage_count; i++) {
        if (!partner(b, i, a))
            add_stage(&t, NULL, &b->stages[i]);
    }
    struct report_stage all_a, all_b;
    report_total(a, &all_a);
    report_total(b, &all_b);
    add_stage(&t, &all_a, &all_b);
    columns_print(&t, to, 40);
    bool done = !t.failed;
    columns_close(&t);
    return done;
}

static const char *value_of(const struct report_entry *list, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, name) == 0)
            return list[i].value;
    }
    return "-";
}

static uint32_t print_difference(const char *name, const char *a, const char *b, FILE *to)
{
    if (strcmp(a, b) == 0)
        return 0;
    fputs("  ", to);
    print_printable(name, to);
    fprintf(to, "%*s", strlen(name) < 22 ? (int)(22 - strlen(name)) : 1, "");
    print_printable(a, to);
    fputs(" -> ", to);
    print_printable(b, to);
    fputc('\n', to);
    return 1;
}

/* Returns how many there are. */
static uint32_t print_differences(const struct report_entry *a, uint32_t count_a,
                                  const struct report_entry *b, uint32_t count_b, FILE *to)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count_a; i++)
        found += print_difference(a[i].name, a[i].value, value_of(b, count_b, a[i].name), to);
    for (uint32_t i = 0; i < count_b; i++) {
        if (strcmp(value_of(a, count_a, b[i].name), "-") == 0)
            found += print_difference(b[i].name, "-", b[i].value, to);
    }
    return found;
}

static void print_run(char letter, const struct report *r, FILE *to)
{
    static const char *const verdicts[] = {"nothing wrong", "WRONG", "not complete"};
    const struct audit_result *audit = &r->audit;
    fprintf(to, "%c  ", letter);
    print_printable(r->started_at, to);
    fputs("  ", to);
    print_printable(r->command, to);
    fprintf(to,
            "\n   audit: %s (%" PRId64 " oversold, %" PRId64 " undersold, %" PRId64
            " lost, %" PRId64 " duplicated",
            verdicts[report_verdict(r)], audit->oversold, audit->undersold, audit->lost,
            audit->duplicated);
    if (report_has_groups(r))
        fprintf(to, ", %" PRId64 " groups wrong, %" PRId64 " beyond a limit", audit->groups_wrong,
                audit->limits_broken);
    fputc(')', to);
    if (r->end != END_COMPLETE)
        fputs(r->end == END_INTERRUPTED ? "; interrupted" : "; the server was gone", to);
    fputc('\n', to);
}

int report_print_comparison(const struct report *a, const struct report *b, FILE *to,
                            struct error *e)
{
    print_run('A', a, to);
    print_run('B', b, to);
    fputs("\nSet differently (A -> B)\n", to);
    uint32_t found =
        print_differences(a->settings, a->setting_count, b->settings, b->setting_count, to) +
        print_differences(a->machine, a->machine_count, b->machine, b->machine_count, to);
    if (found == 0)
        fputs("  nothing\n", to);
    fputs("\nLatency in ms; B/A above 1 is more in B\n\n", to);
    if (!print_stages(a, b, to))
        return error_set(e, TLY_ENO_MEMORY, "", "the comparison is not complete: out of memory");
    if (fflush(to) || ferror(to))
        return error_set(e, TLY_EIO, "", "the comparison cannot be printed: %s", strerror(errno));
    return 0;
}
