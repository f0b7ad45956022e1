/* intake_thread.c - a loop around poll(): replies of the engine, news of the feed, orders.
 *
 * Happy path: the folder is told to have a new file, intake/ makes commands of it, they go to the
 * engine in one chain, their replies wake the loop. Failure: what cannot be made at the start is
 * told; later, trouble with the feed is logged and tried again.
 */
#include "server/intake_thread.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "bus/feed_files.h"
#include "obs/log.h"

/* ---- what intake/ asks of its host ---- */

static void submit(void *context, struct command *c)
{
    struct intake_thread *t = context;
    c->worker = (uint8_t)t->index;
    mail_chain_add(&t->commands, &c->mail);
    t->command_count++;
}

static void tell_rules(void *context, enum stock_rules *rules, struct str *flavors)
{
    struct intake_thread *t = context;
    pthread_mutex_lock(&t->lock);
    memcpy(t->flavors, t->flavors_next, sizeof t->flavors);
    pthread_mutex_unlock(&t->lock);
    *rules = t->rules;
    *flavors = str_of(t->flavors);
}

static void finished(void *context, struct str name, uint32_t applied, uint32_t rejected)
{
    (void)context;
    log_event(rejected ? LOG_WARN : LOG_INFO, "feed.document_done", log_str("name", name),
              log_int("applied", applied), log_int("rejected", rejected));
}

static void import_ended(void *context, struct str id, int status)
{
    (void)context;
    log_event(status < 500 ? LOG_INFO : LOG_WARN, "import.ended", log_str("import", id),
              log_int("status", status));
}

static void trouble(void *context, const struct error *e)
{
    (void)context;
    log_event(LOG_ERROR, "feed.trouble", log_text("why", e->text));
}

/* ---- the thread ---- */

static void wake(void *context)
{
    struct intake_thread *t = context;
    (void)eventfd_write(t->event_fd, 1);
}

static void take_replies(struct intake_thread *t)
{
    struct mail *mail = mailbox_take(&t->port.replies);
    while (mail) {
        struct command *c = MAIL_OF(mail, struct command);
        mail = mail->next;
        if (imports_own(t->imports, c))
            imports_complete(t->imports, c);
        else
            intake_complete(t->intake, c);
    }
}

static int sooner_ms(int a, int b)
{
    return a < 0 ? b : b < 0 || a < b ? a : b;
}

static int turn(struct intake_thread *t)
{
    int64_t now_ms = (int64_t)(clock_monotonic_ns() / 1000000);
    take_replies(t);
    if (atomic_load(&t->drain_wanted)) {
        imports_drain(t->imports);
        if (t->intake)
            intake_drain(t->intake);
    }
    int timeout_ms = imports_turn(t->imports, now_ms);
    if (t->intake)
        timeout_ms = sooner_ms(timeout_ms, intake_turn(t->intake, now_ms));
    if (t->command_count > 0)
        engine_thread_send(t->engine_thread, &t->commands, t->command_count);
    t->command_count = 0;
    atomic_store(&t->idle, imports_idle(t->imports) && (!t->intake || intake_idle(t->intake)));
    return timeout_ms;
}

static void *run(void *context)
{
    struct intake_thread *t = context;
    pthread_setname_np(pthread_self(), "tally-intake");
    while (!atomic_load(&t->end_wanted)) {
        int timeout_ms = turn(t);
        struct pollfd fds[] = {
            {.fd = t->event_fd, .events = POLLIN},
            {.fd = !t->feed || atomic_load(&t->drain_wanted) ? -1 : t->feed->ops->wait_fd(t->feed),
             .events = POLLIN}};
        int ready = poll(fds, 2, timeout_ms);
        eventfd_t count;
        if (ready > 0 && fds[0].revents)
            (void)eventfd_read(t->event_fd, &count);
        if (t->feed && ready > 0 && fds[1].revents)
            t->feed->ops->woken(t->feed);
    }
    return NULL;
}

/* ---- life ---- */

/* Called by the workers, too. */
static int create_import(void *context, struct stock_import **out,
                         const struct stock_import_options *options, struct error *e)
{
    struct intake_thread *t = context;
    return stock_import_create(out, t->imports, options, e);
}

static int create_imports(struct intake_thread *t, const struct settings *settings, struct error *e)
{
    char dir[sizeof settings->data + 16];
    const struct imports_host host = {
        .context = t, .submit = submit, .rules = tell_rules, .wake = wake, .ended = import_ended};
    snprintf(dir, sizeof dir, "%s/imports", settings->data);
    t->port_of_imports = (struct service_imports){.context = t,
                                                  .create = create_import,
                                                  .write = stock_import_write,
                                                  .submit = stock_import_submit,
                                                  .look = stock_import_look,
                                                  .release = stock_import_release,
                                                  .encoding = encoding_parse};
    return imports_create(&t->imports, dir, &host, e);
}

int intake_thread_create(struct intake_thread *t, const struct settings *settings,
                         struct engine_thread *engine_thread, struct error *e)
{
    const struct intake_host host = {.context = t,
                                     .submit = submit,
                                     .rules = tell_rules,
                                     .finished = finished,
                                     .trouble = trouble};
    t->engine_thread = engine_thread;
    pthread_mutex_init(&t->lock, NULL);
    t->rules = settings_dimensions(settings) == DIMENSIONS_FREE ? STOCK_FREE : STOCK_DRINKS;
    intake_thread_reload(t, settings);
    t->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (t->event_fd < 0)
        return error_set(e, TLY_ENO_MEMORY, "", "cannot make an eventfd: %s", strerror(errno));
    t->port.wake = wake;
    t->port.context = t;
    t->index = engine_thread->port_count;
    engine_thread->ports[engine_thread->port_count++] = &t->port;
    int code = create_imports(t, settings, e);
    if (!code && settings->feed_dir[0])
        code = feed_files_create(&t->feed, settings->feed_dir, e);
    if (!code && t->feed)
        code = intake_create(&t->intake, t->feed, &host, e);
    return code;
}

int intake_thread_start(struct intake_thread *t, struct error *e)
{
    int code = pthread_create(&t->thread, NULL, run, t);
    if (code)
        return error_set(e, TLY_ENO_MEMORY, "", "cannot start a thread: %s", strerror(code));
    t->started = true;
    return 0;
}

void intake_thread_reload(struct intake_thread *t, const struct settings *settings)
{
    pthread_mutex_lock(&t->lock);
    snprintf(t->flavors_next, sizeof t->flavors_next, "%s", settings->flavors);
    pthread_mutex_unlock(&t->lock);
}

void intake_thread_drain(struct intake_thread *t)
{
    atomic_store(&t->idle, false);
    atomic_store(&t->drain_wanted, true);
    if (t->started)
        wake(t);
}

bool intake_thread_drained(struct intake_thread *t)
{
    return !t->started || atomic_load(&t->idle);
}

void intake_thread_join(struct intake_thread *t)
{
    if (!t->started)
        return;
    atomic_store(&t->end_wanted, true);
    wake(t);
    pthread_join(t->thread, NULL);
    t->started = false;
}

void intake_thread_destroy(struct intake_thread *t)
{
    if (!t->engine_thread)
        return;
    intake_destroy(t->intake);
    imports_destroy(t->imports);
    if (t->feed)
        t->feed->ops->destroy(t->feed);
    if (t->event_fd >= 0)
        close(t->event_fd);
    pthread_mutex_destroy(&t->lock);
}
