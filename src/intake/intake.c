/* intake.c - one document at a time, up to INTAKE_JOBS of its rows under way.
 *
 * Happy path: the document is taken, its rows become jobs (job.c) as long as there are free ones,
 * and when all have ended it is finished. Failures: a document or a row that cannot be used is
 * rejected; when the feed itself fails, what is under way is waited for, and the document is given
 * back and comes again.
 */
#include "intake/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "intake/intake_internal.h"

enum { FEED_PAUSE_MS = 1000 };

int intake_create(struct intake **out, struct feed *feed, const struct intake_host *host,
                  struct error *e)
{
    struct intake *in = calloc(1, sizeof *in);
    if (!in)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory for the intake");
    in->feed = feed;
    in->host = *host;
    for (unsigned i = 0; i < INTAKE_JOBS; i++)
        in->free_jobs[in->free_count++] = &in->jobs[i];
    *out = in;
    return 0;
}

void intake_destroy(struct intake *in)
{
    if (!in)
        return;
    stock_file_close(in->file);
    for (unsigned i = 0; i < INTAKE_JOBS; i++)
        free(in->jobs[i].message);
    free(in);
}

void intake_drain(struct intake *in)
{
    in->draining = true;
}

bool intake_idle(const struct intake *in)
{
    return in->at_engine == 0;
}

/* ---- rejects ---- */

static void feed_failed(struct intake *in, const struct error *e)
{
    in->broken = true;
    in->host.trouble(in->host.context, e);
}

void intake_reject(struct intake *in, uint32_t line, const char *column, const char *reason,
                   const char *message)
{
    struct error e;
    const struct feed_reject r = {.line = line,
                                  .column = str_of(column),
                                  .reason = str_of(reason),
                                  .message = str_of(message ? message : "")};
    if (in->broken)
        return;
    if (in->feed->ops->reject(in->feed, str_of(in->header), &r, &e))
        feed_failed(in, &e);
}

static void on_fault(void *context, uint32_t line, const char *column, const char *text)
{
    struct intake *in = context;
    if (in->fault_count == INTAKE_FAULTS)
        return;
    struct intake_fault *f = &in->faults[in->fault_count++];
    f->line = line;
    snprintf(f->column, sizeof f->column, "%s", column);
    snprintf(f->text, sizeof f->text, "%s", text);
}

/* The faults of a row, of which the first carries the row itself. */
static void reject_faults(struct intake *in, const char *message)
{
    for (uint32_t i = 0; i < in->fault_count; i++)
        intake_reject(in, in->faults[i].line, in->faults[i].column, in->faults[i].text,
                      i == 0 ? message : NULL);
    in->fault_count = 0;
}

/* ---- documents ---- */

static void open_document(struct intake *in)
{
    struct error e = {0};
    in->input = (struct stock_input){in->document.context, in->document.read_at};
    in->config = (struct stock_file_config){
        .json_lines = in->document.json_lines, .messages = true, .fault = on_fault, .context = in};
    in->applied = in->rejected = in->fault_count = 0;
    in->rows_ended = in->broken = false;
    in->header[0] = 0;
    int code = stock_file_open(&in->file, &in->input, &in->config, &e);
    if (code && code != TLY_EINVALID_ARGUMENT) {
        in->file = NULL;
        feed_failed(in, &e);
    } else if (code || stock_file_header_bad(in->file)) {
        in->rejected = 1;
        reject_faults(in, NULL);
        in->rows_ended = true;
    } else {
        stock_file_message(in->file, in->header, sizeof in->header);
    }
}

static bool take_document(struct intake *in)
{
    struct error e;
    int rv = in->feed->ops->take(in->feed, &in->document, &e);
    if (rv < 0) {
        in->host.trouble(in->host.context, &e);
        in->pause_until_ms = in->now_ms + FEED_PAUSE_MS;
    }
    if (rv != 1)
        return false;
    in->taken = true;
    open_document(in);
    return true;
}

/* False: it stays taken, for now. */
static bool end_document(struct intake *in)
{
    struct error e;
    if (in->broken) {
        in->feed->ops->give_back(in->feed);
        in->pause_until_ms = in->now_ms + FEED_PAUSE_MS;
    } else if (in->feed->ops->finish(in->feed, in->applied > 0 || in->rejected == 0, &e)) {
        in->host.trouble(in->host.context, &e);
        in->pause_until_ms = in->now_ms + FEED_PAUSE_MS;
        return false;
    } else {
        in->host.finished(in->host.context, in->document.name, in->applied, in->rejected);
    }
    stock_file_close(in->file);
    in->file = NULL;
    in->taken = false;
    return true;
}

/* ---- rows ---- */

static void take_row(struct intake *in, enum stock_rules rules)
{
    enum stock_result result = stock_file_next(in->file, rules, &in->row);
    if (result == STOCK_END) {
        in->rows_ended = true;
        return;
    }
    size_t size = stock_file_message(in->file, NULL, 0) + 1;
    char *message = malloc(size);
    if (message)
        stock_file_message(in->file, message, size);
    if (result == STOCK_ROW && message) {
        struct job *job = in->free_jobs[--in->free_count];
        job->message = message;
        job_begin(in, job, &in->row);
        return;
    }
    if (!message)
        feed_failed(in, &(struct error){.code = TLY_ENO_MEMORY, .text = "out of memory"});
    in->rejected++;
    reject_faults(in, message);
    free(message);
}

static int time_to_call(const struct intake *in)
{
    int64_t next = in->pause_until_ms > in->now_ms ? in->pause_until_ms : INT64_MAX;
    for (unsigned i = 0; i < INTAKE_JOBS; i++) {
        const struct job *job = &in->jobs[i];
        if (job->step == JOB_PAUSED && job->again_ms < next)
            next = job->again_ms;
    }
    if (next == INT64_MAX)
        return -1;
    return next <= in->now_ms ? 0 : (int)(next - in->now_ms);
}

int intake_turn(struct intake *in, int64_t now_ms)
{
    in->now_ms = now_ms;
    jobs_resume(in);
    in->host.rules(in->host.context, &in->rules, &in->flavors);
    while (!in->draining && in->pause_until_ms <= now_ms) {
        if (!in->taken && !take_document(in))
            break;
        while (!in->rows_ended && !in->broken && in->free_count > 0)
            take_row(in, in->rules);
        if (in->free_count < INTAKE_JOBS || !(in->rows_ended || in->broken) || !end_document(in))
            break;
    }
    return time_to_call(in);
}
