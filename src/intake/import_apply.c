/* import_apply.c - the rows of a large file, a part of them with the engine at a time, each row
 * once.
 *
 * A row is an adjustment with an id of its own, so asking again does no harm, whatever happened to
 * its lot since, and after a kill all of a part is asked for again. Failures: what passes (the
 * ledger cannot write, an outcome that is not known) is tried again. A row of DOWN that is refused,
 * since its units were sold after they were checked, is told, and turns the import back. A row of
 * UP that is refused is told, and passed over: its lot is not what it was when it was checked.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "intake/import_internal.h"
#include "intake/intake_internal.h"

static void submit(struct stock_import *i, struct import_job *job)
{
    intake_command_ready(&job->command, job->text);
    i->at_engine++;
    i->all->host.submit(i->all->host.context, &job->command);
}

void import_submit_jobs(struct stock_import *i)
{
    bool some = i->again_count > 0;
    i->again_count = 0;
    for (uint32_t k = 0; k < i->item_count; k++) {
        struct import_job *job = &i->jobs[k];
        if (some && !job->again)
            continue;
        job->tried = some || i->resumed;
        job->again = false;
        submit(i, job);
    }
}

static void refuse(struct stock_import *i, const struct import_job *job, const char *why)
{
    char text[ERROR_TEXT_MAX];
    int64_t delta = i->deltas[job->row];
    snprintf(text, sizeof text, "is %" PRId64 " units %s than there were, but %.200s",
             delta < 0 ? -delta : delta, delta < 0 ? "fewer" : "more", why);
    i->bad++;
    import_note(i, job->line, "quantity", text);
    if (i->stage != STAGE_DOWN)
        return;
    i->actions[job->row] = SET_PASSED;
    i->refused = true;
}

static void settle(struct stock_import *i, struct import_job *job)
{
    const struct command *c = &job->command;
    int code = error_public(c->code);
    bool creates = c->kind == COMMAND_CREATE_LOT;
    if (code == TLY_EOVERLOADED || code == TLY_EUNAVAILABLE || code == TLY_EOUTCOME_UNKNOWN) {
        job->again = true;
        i->again_count++;
    } else if (code == 0 || (creates && code == TLY_EALREADY_EXISTS && job->tried)) {
        i->created += creates;
        i->changed += !creates;
    } else {
        refuse(i, job, *job->text ? job->text : error_text(code));
    }
}

bool import_has_job(const struct stock_import *i, const struct command *c)
{
    const struct import_job *job = (const struct import_job *)c;
    return i->jobs && job >= i->jobs && job < i->jobs + IMPORT_JOBS;
}

bool import_job_complete(struct stock_import *i, struct command *c)
{
    if (!import_has_job(i, c))
        return false;
    i->at_engine--;
    settle(i, (struct import_job *)c);
    if (i->at_engine == 0 && i->again_count > 0)
        i->again_ms = -1;
    return true;
}

int import_turn_back(struct stock_import *i, struct error *e)
{
    uint32_t done = i->done;
    for (uint32_t n = i->asked; n < i->checked; n++) {
        if (i->actions[n] == SET_LOWER)
            i->actions[n] = SET_PASSED;
    }
    i->stage = STAGE_BACK;
    i->done = 0;
    int code = journal_decide(i, e);
    if (code) {
        i->stage = STAGE_DOWN;
        i->done = done;
        return code;
    }
    i->refused = false;
    i->created = i->changed = 0;
    return 0;
}
