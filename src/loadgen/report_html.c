/* report_html.c - a report as one page that needs nothing else: page/page.html with its
 * {{markers}} filled in. Everything that did not come from here is escaped. Fails with the file's
 * name if it cannot be written, and when memory runs short; then there is no file. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "loadgen/chart.h"
#include "loadgen/page.h"
#include "loadgen/report_charts.h"
#include "loadgen/report_columns.h"
#include "loadgen/report_file.h"

struct page {
    const struct report *r;
    struct report_stage total;
    FILE *to;
    struct error *e;
    int status; /* of the first failure */
};

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void write_title(struct page *p)
{
    const char *model = report_setting(p->r, "model"), *target = report_setting(p->r, "target");
    html_text(model ? model : "load", p->to);
    if (target) {
        fputs(" against ", p->to);
        html_text(target, p->to);
    }
}

static void write_style(struct page *p)
{
    fputs(page_css, p->to);
}

static void write_script(struct page *p)
{
    fputs(page_js, p->to);
}

static void write_when(struct page *p)
{
    const char *protocol = report_setting(p->r, "protocol");
    html_text(p->r->started_at, p->to);
    fprintf(p->to, " &middot; %s", figure_duration(p->r->ended_at_s).text);
    if (protocol) {
        fputs(" &middot; ", p->to);
        html_text(protocol, p->to);
    }
}

/* "3 units oversold, 1 order lost" */
static void write_wrongs(const struct audit_result *a, FILE *to)
{
    const struct {
        int64_t count;
        const char *what, *how;
    } wrongs[] = {
        {a->oversold, "unit", "oversold"},   {a->undersold, "unit", "undersold"},
        {a->lost, "order", "lost"},          {a->duplicated, "order", "duplicated"},
        {a->groups_wrong, "group", "wrong"}, {a->limits_broken, "unit", "beyond a limit"}};
    const char *between = "";
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        if (wrongs[i].count == 0)
            continue;
        fprintf(to, "%s%s %s%s %s", between, figure_count((uint64_t)wrongs[i].count).text,
                wrongs[i].what, plural((uint64_t)wrongs[i].count), wrongs[i].how);
        between = ", ";
    }
}

static void write_paragraph(const char *begin, const char *text, FILE *to)
{
    fputs("<p>", to);
    html_text(begin, to);
    if (*begin && *text)
        fputs(": ", to);
    html_text(text, to);
    fputs("</p>\n", to);
}

static void write_verdict(struct page *p)
{
    static const char *const styles[] = {"right", "wrong", "unknown"};
    const struct audit_result *a = &p->r->audit;
    enum report_verdict verdict = report_verdict(p->r);
    fprintf(p->to, "<section class=\"verdict %s\">\n<strong>", styles[verdict]);
    if (verdict == VERDICT_RIGHT && report_has_groups(p->r))
        fputs("Nothing oversold, undersold, lost or duplicated, no group wrong, no limit broken",
              p->to);
    else if (verdict == VERDICT_RIGHT)
        fputs("Nothing oversold, undersold, lost or duplicated", p->to);
    else if (verdict == VERDICT_WRONG)
        write_wrongs(a, p->to);
    else
        fputs("Not known whether anything is wrong", p->to);
    fputs("</strong>\n", p->to);
    if (!a->complete)
        write_paragraph("The audit is not complete", a->reason, p->to);
    fprintf(p->to, "<p>%s of %s acknowledged order%s looked up through the API",
            figure_count(a->looked_up).text, figure_count(a->acknowledged).text,
            plural(a->acknowledged));
    fprintf(p->to, ", %s refused, %s lot%s counted", figure_count(a->refused_checked).text,
            figure_count(a->lots_checked).text, plural(a->lots_checked));
    if (a->in_doubt > 0)
        fprintf(p->to, "; %s order%s in doubt, of which %s %s held", figure_count(a->in_doubt).text,
                plural(a->in_doubt), figure_count(a->in_doubt_held).text,
                a->in_doubt_held == 1 ? "was" : "were");
    fputs(".</p>\n", p->to);
    if (p->r->end != END_COMPLETE || p->r->end_text[0])
        write_paragraph("Ended early", report_end_reason(p->r), p->to);
    if (a->finding_count > 0)
        fputs("<ul>\n", p->to);
    for (uint32_t i = 0; i < a->finding_count && i < FINDINGS_MAX; i++) {
        fputs("<li>", p->to);
        html_text(a->findings[i], p->to);
        fputs("</li>\n", p->to);
    }
    if (a->finding_count > 0)
        fputs("</ul>\n", p->to);
    fputs("</section>", p->to);
}

static void tile(struct page *p, const char *name, struct figure number, const char *unit)
{
    fprintf(p->to, "<div><dt>%s</dt><dd%s>%s <small>%s</small></dd></div>\n", name,
            strlen(number.text) > 8 ? " class=\"long\"" : "", number.text, unit);
}

static void write_tiles(struct page *p)
{
    double peak = 0;
    for (uint32_t i = 0; i < p->r->point_count; i++)
        peak = fmax(peak, p->r->points[i].achieved_per_s);
    const struct latency *l = &p->r->latency;
    fputs("<dl class=\"tiles\">\n", p->to);
    uint32_t breaks = report_breaking_stage(p->r);
    if (breaks != UINT32_MAX && breaks > 0)
        tile(p, "keeps up to", figure_text(p->r->stages[breaks - 1].name), "");
    else
        tile(p, "peak", figure_rate(peak), "/s");
    tile(p, "accepted", figure_count(stage_accepted(&p->total)), "");
    tile(p, "refused", figure_count(stage_refused(&p->total)), "");
    tile(p, "errors", figure_count(stage_errors(&p->total)), "");
    if (report_has_groups(p->r)) {
        tile(p, "groups opened", figure_count(p->r->audit.groups_opened), "");
        tile(p, "succeeded", figure_count(p->r->audit.groups_succeeded), "groups");
        tile(p, "failed", figure_count(p->r->audit.groups_failed), "groups");
        tile(p, "refunded", figure_count(p->r->audit.groups_refunded), "orders");
    }
    tile(p, "p50", figure_ms(l->p50), "ms");
    tile(p, "p99", figure_ms(l->p99), "ms");
    tile(p, "p99.9", figure_ms(l->p999), "ms");
    tile(p, "max", figure_ms(l->max), "ms");
    fputs("</dl>", p->to);
}

static void write_charts(struct page *p)
{
    int status = report_charts_write(p->r, p->to, p->e);
    p->status = p->status ? p->status : status;
}

/* The stage that a row of the table shows. */
static const struct report_stage *stage_at(const struct page *p, size_t row)
{
    return row < p->r->stage_count ? &p->r->stages[row] : &p->total;
}

static const char *cell_style(const struct page *p, size_t row, const char *head)
{
    const struct report_stage *s = stage_at(p, row);
    if (strcmp(head, "errors") == 0 && stage_errors(s) > 0)
        return " class=\"bad\"";
    if (strcmp(head, "achieved/s") == 0 && (double)s->answered < 0.98 * (double)s->offered)
        return " class=\"short\"";
    return "";
}

static void write_row(struct page *p, const struct columns *t, size_t row)
{
    fputs(row == p->r->stage_count ? "<tr class=\"all\">" : "<tr>", p->to);
    for (size_t c = 0; c < t->column_count; c++) {
        if (!columns_shown(t, c))
            continue;
        fprintf(p->to, "<td%s>", cell_style(p, row, t->columns[c].head));
        html_text(t->cells[row * t->column_count + c].text, p->to);
        fputs("</td>", p->to);
    }
    fputs("</tr>\n", p->to);
}

static void write_stages(struct page *p)
{
    struct columns t;
    report_columns_fill(&t, p->r);
    if (t.failed && p->status == 0)
        p->status = error_set(p->e, TLY_ENO_MEMORY, "", "the page is not complete: out of memory");
    fputs("<div class=\"scroll\" tabindex=\"0\">\n<table id=\"stages\">\n<thead><tr>", p->to);
    for (size_t c = 0; c < t.column_count; c++) {
        if (columns_shown(&t, c))
            fprintf(p->to, "<th scope=\"col\">%s</th>", t.columns[c].head);
    }
    fputs("</tr></thead>\n<tbody>\n", p->to);
    for (size_t row = 0; row < columns_rows(&t); row++)
        write_row(p, &t, row);
    fputs("</tbody>\n</table>\n</div>", p->to);
    columns_close(&t);
}

static void write_where(struct page *p, int code)
{
    enum { NAMED_MAX = 6 };
    uint32_t named = 0, others = 0;
    for (uint32_t i = 0; i < p->r->stage_count; i++) {
        const struct report_stage *s = &p->r->stages[i];
        if (s->codes[code] == 0)
            continue;
        if (named == NAMED_MAX) {
            others++;
            continue;
        }
        fputs(named++ > 0 ? ", " : "", p->to);
        html_text(s->name, p->to);
        fprintf(p->to, " %s", figure_count(s->codes[code]).text);
    }
    if (others > 0)
        fprintf(p->to, " and %" PRIu32 " more stage%s", others, plural(others));
}

/* A table of codes, the calls that got them, and in which stages. */
static void write_codes(struct page *p, enum answer_group group, const char *title, const char *id)
{
    fprintf(p->to,
            "<section>\n<h2>%s</h2>\n<div class=\"scroll\" tabindex=\"0\">\n<table id=\"%s\" "
            "class=\"codes\">\n<thead><tr><th scope=\"col\">why</th><th scope=\"col\">calls</th>"
            "<th scope=\"col\">in</th></tr></thead>\n<tbody>\n",
            title, id);
    for (int c = 0; c < ANSWER_CODE_COUNT; c++) {
        if (answer_group((enum answer_code)c) != group || p->total.codes[c] == 0)
            continue;
        fprintf(p->to, "<tr><td>%s</td><td>%s</td><td>", answer_text((enum answer_code)c),
                figure_count(p->total.codes[c]).text);
        write_where(p, c);
        fputs("</td></tr>\n", p->to);
    }
    fputs("</tbody>\n</table>\n</div>\n</section>", p->to);
}

/* Refusals are told by their reasons where there are several. */
static void write_errors(struct page *p)
{
    if (stage_errors(&p->total) > 0)
        write_codes(p, ANSWER_GROUP_ERROR, "Errors", "errors");
    if (report_has_groups(p->r) && stage_refused(&p->total) > 0)
        write_codes(p, ANSWER_GROUP_REFUSED, "Refused", "refused");
}

static void write_entries(struct page *p, const struct report_entry *list, uint32_t count)
{
    fputs("<dl class=\"list\">\n", p->to);
    for (uint32_t i = 0; i < count; i++) {
        fputs("<dt>", p->to);
        html_text(list[i].name, p->to);
        fputs("</dt><dd>", p->to);
        html_text(list[i].value, p->to);
        fputs("</dd>\n", p->to);
    }
    fputs("</dl>", p->to);
}

static void write_settings(struct page *p)
{
    write_entries(p, p->r->settings, p->r->setting_count);
}

static void write_machine(struct page *p)
{
    write_entries(p, p->r->machine, p->r->machine_count);
}

static void write_command(struct page *p)
{
    html_text(p->r->command, p->to);
}

static const struct {
    const char *name;
    void (*write)(struct page *p);
} markers[] = {
    {"title", write_title},       {"style", write_style},     {"script", write_script},
    {"when", write_when},         {"verdict", write_verdict}, {"tiles", write_tiles},
    {"charts", write_charts},     {"stages", write_stages},   {"errors", write_errors},
    {"settings", write_settings}, {"machine", write_machine}, {"command", write_command},
};

static void fill(struct page *p, const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof(markers) / sizeof(markers[0]); i++) {
        if (strlen(markers[i].name) == size && memcmp(markers[i].name, name, size) == 0)
            markers[i].write(p);
    }
}

static void write_page(struct page *p)
{
    const char *at = page_html, *open;
    while ((open = strstr(at, "{{")) != NULL) {
        const char *close = strstr(open, "}}");
        if (!close)
            break;
        fwrite(at, 1, (size_t)(open - at), p->to);
        fill(p, open + 2, (size_t)(close - open - 2));
        at = close + 2;
    }
    fputs(at, p->to);
}

int report_write_html(const struct report *r, const char *path, struct error *e)
{
    struct report_file file;
    int status = report_file_open(&file, path, e);
    if (status)
        return status;
    struct page p = {.r = r, .to = file.to, .e = e};
    report_total(r, &p.total);
    write_page(&p);
    if (p.status) {
        report_file_drop(&file);
        return p.status;
    }
    return report_file_keep(&file, e);
}
