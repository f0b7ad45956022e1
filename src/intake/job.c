/* job.c - one message on its way: its lot is made, its units are added. Messages of one lot go one
 * behind the other, as the document has them; those of different lots at the same time.
 *
 * Failures: a refusal that stays rejects the message; one that passes, and an outcome that is not
 * known, is asked for again, which is safe: the lot can be made twice, the adjustment has its id.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "intake/intake_internal.h"
#include "service/rules.h"

enum { PAUSE_MS_MAX = 1000 };

void intake_command_ready(struct command *c, char text[ERROR_TEXT_MAX])
{
    c->text = text;
    c->text_size = ERROR_TEXT_MAX;
    c->code = 0;
    c->tries = 0;
    c->noted = false;
    text[0] = 0;
}

static void submit(struct intake *in, struct job *job, enum job_step step)
{
    struct command *c = &job->command;
    job->step = (uint8_t)step;
    intake_command_ready(c, job->text);
    if (step == JOB_CREATES) {
        c->kind = COMMAND_CREATE_LOT;
    } else {
        c->kind = COMMAND_ADJUST;
        memset(&c->adjust, 0, sizeof c->adjust);
        c->adjust.key = str_of(job->key);
        c->adjust.delta = job->delta;
        c->adjust.reason = str_of(job->reason);
        c->adjust.adjustment_id = str_of(job->id);
    }
    in->at_engine++;
    in->host.submit(in->host.context, c);
}

static bool at_work(const struct job *job)
{
    return job->step == JOB_CREATES || job->step == JOB_ADJUSTS || job->step == JOB_PAUSED;
}

/* The first of a lot that may go now; NULL: none waits, or one of them is at work. */
static struct job *next_of(struct intake *in, const char *key)
{
    struct job *first = NULL;
    for (unsigned i = 0; i < INTAKE_JOBS; i++) {
        struct job *job = &in->jobs[i];
        if (job->step == JOB_FREE || strcmp(job->key, key) != 0)
            continue;
        if (at_work(job))
            return NULL;
        if (!first || job->line < first->line)
            first = job;
    }
    return first;
}

static void go_on(struct intake *in, const char *key)
{
    struct job *job = in->draining ? NULL : next_of(in, key);
    if (job)
        submit(in, job, (enum job_step)job->next_step);
}

static void end(struct intake *in, struct job *job, bool applied)
{
    in->applied += applied;
    in->rejected += !applied;
    free(job->message);
    job->message = NULL;
    job->step = JOB_FREE;
    in->free_jobs[in->free_count++] = job;
    go_on(in, job->key);
}

static void refuse(struct intake *in, struct job *job, const char *column, const char *reason)
{
    intake_reject(in, job->line, column, reason, job->message);
    end(in, job, false);
}

/* ---- begin ---- */

static void copy(char *to, size_t size, struct str from)
{
    snprintf(to, size, "%.*s", STR_ARG(from));
}

static void name_it(const struct intake *in, struct job *job, const struct stock_row *row)
{
    if (row->fields[STOCK_message_id].len)
        copy(job->id, sizeof job->id, row->fields[STOCK_message_id]);
    else
        snprintf(job->id, sizeof job->id, "feed-%s-%u", in->document.id, row->line);
    if (row->fields[STOCK_reason].len)
        copy(job->reason, sizeof job->reason, row->fields[STOCK_reason]);
    else
        snprintf(job->reason, sizeof job->reason, "feed %.60s line %u", in->document.name.p,
                 row->line);
}

static void set_dims(struct job *job, const struct stock_row *row)
{
    struct lot_dims *dims = &job->command.create.dims;
    copy(job->sku, sizeof job->sku, row->fields[STOCK_sku]);
    copy(job->flavor, sizeof job->flavor, row->fields[STOCK_flavor]);
    copy(job->size, sizeof job->size, row->fields[STOCK_size]);
    copy(job->batch, sizeof job->batch, row->fields[STOCK_batch]);
    job->dated = row->given[STOCK_expires_on] && row->fields[STOCK_expires_on].len > 0;
    *dims = (struct lot_dims){.key = str_of(job->key),
                              .sku = str_of(job->sku),
                              .flavor = str_of(job->flavor),
                              .size = str_of(job->size),
                              .batch = str_of(job->batch),
                              .expires_on = job->dated ? row->days : LOT_NEVER_EXPIRES};
}

static void line_up(struct intake *in, struct job *job, enum job_step first)
{
    job->step = JOB_WAITS;
    job->next_step = (uint8_t)first;
    go_on(in, job->key);
}

void job_begin(struct intake *in, struct job *job, const struct stock_row *row)
{
    struct error e;
    memset(&job->command, 0, sizeof job->command);
    job->line = row->line;
    job->tries = 0;
    job->key[0] = 0;
    if (row->given[STOCK_lot] && *row->key &&
        !str_equal(row->fields[STOCK_lot], str_of(row->key))) {
        refuse(in, job, "lot", "is another lot than that of the dimensions");
        return;
    }
    copy(job->key, sizeof job->key,
         row->given[STOCK_lot] ? row->fields[STOCK_lot] : str_of(row->key));
    name_it(in, job, row);
    if (row->given[STOCK_delta]) {
        job->delta = row->delta;
        line_up(in, job, JOB_ADJUSTS);
        return;
    }
    if (in->rules == STOCK_DRINKS &&
        rule_flavor_allowed(row->fields[STOCK_flavor], in->flavors, "flavor", &e)) {
        refuse(in, job, "flavor", e.text);
        return;
    }
    job->delta = row->quantity;
    set_dims(job, row);
    line_up(in, job, JOB_CREATES);
}

/* ---- answers ---- */

static bool same_lot(const struct job *job, const char **why)
{
    const struct lot_dims *have = job->command.create.lot.dims;
    const struct lot_dims *want = &job->command.create.dims;
    bool same = have && str_equal(have->flavor, want->flavor) &&
                str_equal(have->size, want->size) && str_equal(have->batch, want->batch);
    *why = same ? "the lot has another expires_on" : job->text;
    return same && (!job->dated || have->expires_on == want->expires_on);
}

static void pause_job(const struct intake *in, struct job *job)
{
    int64_t pause_ms = 20 << (job->tries < 6 ? job->tries : 6);
    if (job->tries < 100)
        job->tries++;
    job->next_step = job->step;
    job->step = JOB_PAUSED;
    job->again_ms = in->now_ms + (pause_ms < PAUSE_MS_MAX ? pause_ms : PAUSE_MS_MAX);
}

void intake_complete(struct intake *in, struct command *c)
{
    struct job *job = (struct job *)c;
    const char *why;
    assert(in->at_engine > 0 && (job->step == JOB_CREATES || job->step == JOB_ADJUSTS));
    in->at_engine--;
    int code = error_public(c->code);
    if (code == TLY_EOVERLOADED || code == TLY_EUNAVAILABLE || code == TLY_EOUTCOME_UNKNOWN) {
        pause_job(in, job);
    } else if (job->step == JOB_CREATES && code == TLY_EALREADY_EXISTS && !same_lot(job, &why)) {
        refuse(in, job, *job->text && why == job->text ? "" : "expires_on", why);
    } else if (job->step == JOB_CREATES && (code == 0 || code == TLY_EALREADY_EXISTS)) {
        if (job->delta)
            submit(in, job, JOB_ADJUSTS);
        else
            end(in, job, true);
    } else if (code == 0) {
        end(in, job, true);
    } else {
        refuse(in, job, "", *job->text ? job->text : error_text(code));
    }
}

void jobs_resume(struct intake *in)
{
    for (unsigned i = 0; i < INTAKE_JOBS && !in->draining; i++) {
        struct job *job = &in->jobs[i];
        if (job->step == JOB_PAUSED && job->again_ms <= in->now_ms)
            submit(in, job, (enum job_step)job->next_step);
    }
}
