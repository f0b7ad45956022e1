/* verify_report.c - what was found. All findings are counted; the first findings_max are kept. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/verify_internal.h"

const char *const verify_promises[VERIFY_CHECK_COUNT] = {
#define X(id, promise, text) promise,
    VERIFY_CHECKS(X)
#undef X
};
const char *const verify_names[VERIFY_CHECK_COUNT] = {
#define X(id, promise, text) #id,
    VERIFY_CHECKS(X)
#undef X
};
const char *const verify_texts[VERIFY_CHECK_COUNT] = {
#define X(id, promise, text) text,
    VERIFY_CHECKS(X)
#undef X
};

static void keep(struct verify_report *r, const struct finding *f)
{
    if (r->finding_count == r->findings_max)
        return;
    if ((r->finding_count & (r->finding_count - 1)) == 0) {
        size_t capacity = r->finding_count ? 2 * (size_t)r->finding_count : 1;
        struct finding *findings = realloc(r->findings, capacity * sizeof(*findings));
        if (!findings)
            return;
        r->findings = findings;
    }
    r->findings[r->finding_count++] = *f;
}

static void find(struct verify *v, enum verify_check check, bool note, struct place where,
                 const char *format, va_list args)
{
    struct finding f = {.check = check,
                        .note = note,
                        .seq = where.seq,
                        .reservation_id = where.reservation_id,
                        .lot_id = where.lot_id};
    vsnprintf(f.text, sizeof(f.text), format, args);
    if (note) {
        v->report->notes[check]++;
    } else {
        v->report->faults[check]++;
        v->report->fault_count++;
    }
    keep(v->report, &f);
}

void verify_fault(struct verify *v, enum verify_check check, struct place where, const char *format,
                  ...)
{
    va_list args;
    va_start(args, format);
    find(v, check, false, where, format, args);
    va_end(args);
}

void verify_note(struct verify *v, enum verify_check check, struct place where, const char *format,
                 ...)
{
    va_list args;
    va_start(args, format);
    find(v, check, true, where, format, args);
    va_end(args);
}

void verify_report_close(struct verify_report *report)
{
    free(report->findings);
    report->findings = NULL;
    report->finding_count = 0;
}
