/* report_text.c - a report for the terminal: a line a stage, errors by code, the audit. Plain ASCII
 * without colours. Fails only if memory or the file does. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "loadgen/report_columns.h"

enum { STAGES_UNDER_ONE_HEAD = 40, ERROR_STAGES_MAX = 4 };

static bool print_stages(const struct report *r, FILE *to)
{
    struct columns t;
    report_columns_fill(&t, r);
    fputs("Latency in ms, from when a call was due; processor time in % of one core; streams of a "
          "connection\n\n",
          to);
    columns_print(&t, to, r->stage_count > STAGES_UNDER_ONE_HEAD ? STAGES_UNDER_ONE_HEAD : 0);
    bool done = !t.failed;
    columns_close(&t);
    return done;
}

/* Where not all calls were: a refusal's latency says nothing of an order's. */
static void print_accepted(const struct report *r, FILE *to)
{
    if (r->accepted.count == 0 || r->accepted.count == r->histogram.count)
        return;
    struct latency l = latency_of(&r->accepted);
    fprintf(to, "\nAccepted calls: p50 %s, p99 %s, max %s ms\n", figure_ms(l.p50).text,
            figure_ms(l.p99).text, figure_ms(l.max).text);
}

/* "  no answer in time  1,204  in opening 1,200, tail 4" */
static void print_error(const struct report *r, enum answer_code c, uint64_t count, FILE *to)
{
    fprintf(to, "  %-20s %9s  in", answer_text(c), figure_count(count).text);
    uint32_t named = 0, others = 0;
    for (uint32_t i = 0; i < r->stage_count; i++) {
        if (r->stages[i].codes[c] == 0)
            continue;
        if (named == ERROR_STAGES_MAX) {
            others++;
            continue;
        }
        fputs(named++ > 0 ? ", " : " ", to);
        print_printable(r->stages[i].name, to);
        fprintf(to, " %s", figure_count(r->stages[i].codes[c]).text);
    }
    if (others > 0)
        fprintf(to, " and %" PRIu32 " more stage%s", others, others == 1 ? "" : "s");
    fputc('\n', to);
}

static void print_capacity(const struct report *r, FILE *to)
{
    uint32_t at = report_breaking_stage(r);
    if (at == UINT32_MAX)
        return;
    if (at == r->stage_count) {
        fputs("\nEvery step was kept up with\n", to);
        return;
    }
    fputs("\nFalls short from the step ", to);
    print_printable(r->stages[at].name, to);
    if (at > 0) {
        fputs(" on; keeps up to ", to);
        print_printable(r->stages[at - 1].name, to);
        fprintf(to, " (p99 %s ms)", figure_ms(r->stages[at - 1].latency.p99).text);
    }
    fputc('\n', to);
}

static void print_errors(const struct report *r, const struct report_stage *total, FILE *to)
{
    if (stage_errors(total) == 0)
        return;
    fputs("\nErrors\n", to);
    for (int c = 0; c < ANSWER_CODE_COUNT; c++) {
        if (answer_group((enum answer_code)c) == ANSWER_GROUP_ERROR && total->codes[c] > 0)
            print_error(r, (enum answer_code)c, total->codes[c], to);
    }
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* Groups, and what was refused, by its reason. */
static void print_groups(const struct report *r, const struct report_stage *total, FILE *to)
{
    static const struct {
        enum answer_code code;
        const char *text;
    } refusals[] = {{ANSWER_SALE_NOT_OPEN, "before the opening"},
                    {ANSWER_SOLD_OUT, "sold out"},
                    {ANSWER_LIMIT_EXCEEDED, "over a buyer's limit"},
                    {ANSWER_GROUP_FULL, "group full"},
                    {ANSWER_GROUP_CLOSED, "group over"},
                    {ANSWER_TOO_LATE, "too late"},
                    {ANSWER_SALE_CLOSED, "after the sale"}};
    const struct audit_result *a = &r->audit;
    if (!report_has_groups(r))
        return;
    fprintf(to, "\nGroups: %s opened, %s succeeded, %s failed; %s order%s refunded with them\n",
            figure_count(a->groups_opened).text, figure_count(a->groups_succeeded).text,
            figure_count(a->groups_failed).text, figure_count(a->groups_refunded).text,
            plural(a->groups_refunded));
    const char *between = "  Refused: ";
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        uint64_t count = total->codes[refusals[i].code];
        if (count == 0)
            continue;
        fprintf(to, "%s%s %s", between, figure_count(count).text, refusals[i].text);
        between = ", ";
    }
    if (*between == ',')
        fputc('\n', to);
}

static void print_audit(const struct report *r, FILE *to)
{
    const struct audit_result *a = &r->audit;
    fprintf(to,
            "\nAudit: %" PRId64 " oversold, %" PRId64 " undersold, %" PRId64 " lost, %" PRId64
            " duplicated",
            a->oversold, a->undersold, a->lost, a->duplicated);
    if (report_has_groups(r))
        fprintf(to, ", %" PRId64 " groups wrong, %" PRId64 " beyond a limit", a->groups_wrong,
                a->limits_broken);
    fputc('\n', to);
    fprintf(to, "  %s of %s acknowledged order%s looked up, %s refused one%s",
            figure_count(a->looked_up).text, figure_count(a->acknowledged).text,
            plural(a->acknowledged), figure_count(a->refused_checked).text,
            plural(a->refused_checked));
    fprintf(to, ", %s lot%s counted, %s probed\n", figure_count(a->lots_checked).text,
            plural(a->lots_checked), figure_count(a->probed).text);
    if (a->in_doubt > 0)
        fprintf(to, "  %s order%s in doubt after the run, of which %s %s held\n",
                figure_count(a->in_doubt).text, plural(a->in_doubt),
                figure_count(a->in_doubt_held).text, a->in_doubt_held == 1 ? "was" : "were");
    for (uint32_t i = 0; i < a->finding_count && i < FINDINGS_MAX; i++) {
        fputs("  ", to);
        print_printable(a->findings[i], to);
        fputc('\n', to);
    }
    if (!a->complete) {
        fputs("  The audit is not complete", to);
        if (a->reason[0]) {
            fputs(": ", to);
            print_printable(a->reason, to);
        }
        fputc('\n', to);
    } else if (report_verdict(r) == VERDICT_RIGHT) {
        fputs("  Nothing wrong\n", to);
    }
}

int report_print(const struct report *r, FILE *to, struct error *e)
{
    struct report_stage total;
    report_total(r, &total);
    bool done = print_stages(r, to);
    if (r->histogram.lost > 0)
        fprintf(to, "\n%s latencies are missing: memory ran short\n",
                figure_count(r->histogram.lost).text);
    print_accepted(r, to);
    print_errors(r, &total, to);
    print_capacity(r, to);
    if (r->end != END_COMPLETE || r->end_text[0]) {
        fputs("\nEnded early: ", to);
        print_printable(report_end_reason(r), to);
        fputc('\n', to);
    }
    print_groups(r, &total, to);
    print_audit(r, to);
    if (!done)
        return error_set(e, TLY_ENO_MEMORY, "", "the report is not complete: out of memory");
    if (fflush(to) || ferror(to))
        return error_set(e, TLY_EIO, "", "the report cannot be printed: %s", strerror(errno));
    return 0;
}
