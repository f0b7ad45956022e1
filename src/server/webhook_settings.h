/* webhook_settings.h - the webhook that the settings describe. */
#ifndef TALLY_SERVER_WEBHOOK_SETTINGS_H
#define TALLY_SERVER_WEBHOOK_SETTINGS_H

#include "server/engine_thread.h"
#include "server/settings.h"

/* Makes t->webhook, or leaves it NULL if webhook_url is empty. Its ledger and engine are there. */
int server_create_webhook(const struct settings *s, struct engine_thread *t,
                          struct error *e) MUST_CHECK;

#endif
