/* ledger_choice.h - the ledger that the settings describe. */
#ifndef TALLY_SERVER_LEDGER_CHOICE_H
#define TALLY_SERVER_LEDGER_CHOICE_H

#include "ledger/ledger.h"
#include "server/settings.h"

/* Makes the ledger. *node: the number under which moves are written to it, the setting's or the one
 * that the ledger gave. `tell`: what a person should know of the data. */
int server_create_ledger(const struct settings *s,
                         void (*tell)(void *context, const char *event, const char *text),
                         struct ledger **out, uint16_t *node, struct error *e) MUST_CHECK;

/* Whether the settings of the ledger can be: nothing is opened. */
int server_check_ledger(const struct settings *s, struct error *e) MUST_CHECK;

#endif
