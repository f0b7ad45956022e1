/* target_stats.c - reads /metrics (Prometheus text) on a connection that is kept.
 *
 * Failure modes: nobody there, no such page, a line that is not there: the figures are negative.
 * The connection is opened again at the next reading.
 */
#include <stdlib.h>
#include <string.h>

#include "client/address.h"
#include "client/http_client.h"
#include "loadgen/target.h"

enum { READ_TIMEOUT_MS = 1000 };

struct target_stats {
    char *target;
    struct http_client *client;
};

int target_stats_open(struct target_stats **out, const char *target, struct error *e)
{
    char host[ADDRESS_HOST_SIZE], port[ADDRESS_PORT_SIZE];
    int failed = address_split(target, host, port, e);
    if (failed)
        return failed;
    struct target_stats *t = calloc(1, sizeof(*t));
    char *name = strdup(target);
    if (!t || !name) {
        free(t);
        free(name);
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    }
    t->target = name;
    *out = t;
    return 0;
}

void target_stats_close(struct target_stats *t)
{
    if (!t)
        return;
    http_client_close(t->client);
    free(t->target);
    free(t);
}

/* The value of the line "name value", or a negative number. */
static double value_of(struct str page, const char *name)
{
    size_t len = strlen(name);
    const char *p = page.p, *end = page.p + page.len;
    while (p < end) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        if (!line_end)
            line_end = end;
        size_t line_len = (size_t)(line_end - p);
        if (line_len > len + 1 && memcmp(p, name, len) == 0 && p[len] == ' ') {
            char text[64] = "";
            size_t value_len = line_len - len - 1;
            memcpy(text, p + len + 1, value_len < sizeof(text) ? value_len : sizeof(text) - 1);
            char *behind;
            double value = strtod(text, &behind);
            return behind == text ? -1 : value;
        }
        p = line_end + 1;
    }
    return -1;
}

static int fetch(struct target_stats *t, struct http_answer *answer)
{
    int failed = 0;
    if (!t->client)
        failed = http_client_open(&t->client, t->target, READ_TIMEOUT_MS, NULL);
    if (!failed)
        failed = http_client_send(t->client, "GET", "/metrics", (struct str){0}, NULL);
    if (!failed)
        failed = http_client_receive(t->client, answer, NULL);
    return failed;
}

void target_stats_read(struct target_stats *t, struct server_stats *out)
{
    *out = (struct server_stats){-1, -1, -1, -1, -1};
    struct http_answer answer = {0};
    int failed = fetch(t, &answer);
    if (!failed && answer.status == 200) {
        *out = (struct server_stats){
            .cpu_s = value_of(answer.body, "process_cpu_seconds_total"),
            .memory_bytes = value_of(answer.body, "process_resident_memory_bytes"),
            .threads = value_of(answer.body, "process_threads"),
            .open_fds = value_of(answer.body, "process_open_fds"),
            .reservations = value_of(answer.body, "tally_engine_holds_pending"),
        };
    }
    if (failed || !answer.keep_alive) {
        http_client_close(t->client);
        t->client = NULL;
    }
}
