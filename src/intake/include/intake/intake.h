/* intake.h - messages of a feed, made commands of the engine: each once, acknowledged after commit.
 *
 * A message is a row: a new batch {sku, flavor, size, batch, expires_on?, quantity}, whose lot is
 * made where it is not there and supplied with the units; or a correction {lot, delta}, or with the
 * dimensions instead of `lot`; each with reason? and message_id?.
 *
 * Once: the units go as an adjustment whose adjustment_id is the message_id, or else made of the
 * document's id and the line; a document that was not finished before a kill comes again, and what
 * was applied of it is found applied. A lot is made with no units, which can be done twice.
 *
 * What cannot be used is rejected, with the reason; what fails in passing is tried until it passes.
 * No threads, no clock, no I/O but the feed's: one thread calls all of this.
 */
#ifndef TALLY_INTAKE_INTAKE_H
#define TALLY_INTAKE_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "bus/feed.h"
#include "engine/command.h"
#include "stockfile/stock_file.h"

struct intake_host {
    void *context;
    /* Hands a command to the engine; it comes back through intake_complete(). Never blocks. */
    void (*submit)(void *context, struct command *c);
    /* As the server's settings say it, now. */
    void (*rules)(void *context, enum stock_rules *rules, struct str *flavors);
    void (*finished)(void *context, struct str name, uint32_t applied, uint32_t rejected);
    void (*trouble)(void *context, const struct error *e); /* it is tried again */
};

struct intake;

int intake_create(struct intake **out, struct feed *feed, const struct intake_host *host,
                  struct error *e) MUST_CHECK;
/* Not while a command is with the engine. The feed is the caller's. */
void intake_destroy(struct intake *in);

/* Does what can be done now. Returns in how many milliseconds to call again, if nothing comes back
 * and the feed stays quiet; -1: no need. */
int intake_turn(struct intake *in, int64_t now_ms);
void intake_complete(struct intake *in, struct command *c);
/* From now on nothing new is begun. Idle: no command is with the engine. */
void intake_drain(struct intake *in);
bool intake_idle(const struct intake *in);

#endif
