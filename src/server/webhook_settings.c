/* webhook_settings.c - see webhook_settings.h. Failure: a secret that is not there or is none, a
 * file that cannot be read; the secret itself is never shown. */
#include "server/webhook_settings.h"

#include <string.h>

#include "obs/log.h"
#include "server/secret.h"

static const struct lot_dims *lot_dims_of(void *context, lot_id id)
{
    struct engine_thread *t = context;
    struct ledger *ledger = t->lane.ledger;
    return ledger->ops->lot_dims ? ledger->ops->lot_dims(ledger, id)
                                 : engine_lot_dims(t->lane.engine, id);
}

static void tell(void *context, const char *event, int64_t id, const char *text)
{
    (void)context;
    log_event(LOG_WARN, event, log_int("event_id", id), log_text("why", text));
}

int server_create_webhook(const struct settings *s, struct engine_thread *t, struct error *e)
{
    char secrets[SETTING_TEXT_MAX];
    if (!s->webhook_url[0])
        return 0;
    int code = secret_read("webhook_secret", s->webhook_secret, s->webhook_secret_file, secrets,
                           sizeof secrets, e);
    const struct webhook_config config = {
        .ledger = t->lane.ledger,
        .dir = s->data,
        .url = s->webhook_url,
        .secrets = secrets,
        .ca_file = s->webhook_ca_file,
        .source = s->event_source,
        .attempts_max = (uint32_t)s->webhook_attempts_max,
        .backoff_ms = s->webhook_backoff_ms,
        .backoff_max_ms = s->webhook_backoff_max_ms,
        .timeout_ms = s->webhook_timeout_ms,
        .parallel_max = (uint32_t)s->webhook_parallel_max,
        .failed_max = (uint32_t)s->webhook_failed_max,
        .lot_dims = lot_dims_of,
        .tell = tell,
        .context = t,
    };
    if (code == 0)
        code = webhook_create(&t->webhook, &config, e);
    memset(secrets, 0, sizeof secrets);
    return code;
}
