/* client.c - one call: connect, send, receive, parse.
 *
 * Failures and what they mean: nobody there: nothing was done (exit 3). Connection lost or silent
 * after the request was sent: for a call that writes the outcome is unknown (exit 4), and the user
 * is told how to ask for it; a call that reads did nothing (exit 3). A refusal is the server's own
 * word (exit 1; 4 if it says OUTCOME_UNKNOWN).
 */
#include "cli/client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "client/http_client.h"

const char *client_server(const struct client_options *o)
{
    if (o->server)
        return o->server;
    const char *named = getenv("TALLY_SERVER");
    return named && *named ? named : CLIENT_SERVER_DEFAULT;
}

const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

int64_t number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

void print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
}

int client_exit_of(const json_t *problem, int status)
{
    const char *code = text_of(problem, "code");
    if (strcmp(code, "OUTCOME_UNKNOWN") == 0 || (!*code && status == 504))
        return EXIT_UNKNOWN;
    return EXIT_REFUSED;
}

void client_print_problem(const json_t *problem, int status, const char *before)
{
    const char *code = text_of(problem, "code");
    const char *detail = text_of(problem, "detail");
    const char *field = text_of(problem, "field");
    fprintf(stderr, "tally: %s%s", before ? before : "", before ? ": " : "");
    if (*code)
        print_safely(code, stderr);
    else
        fprintf(stderr, "HTTP status %d", status);
    if (*field && !strstr(detail, field)) {
        fputs(": ", stderr);
        print_safely(field, stderr);
    }
    if (*detail) {
        fputs(": ", stderr);
        print_safely(detail, stderr);
    }
    const char *lot = text_of(problem, "lot");
    if (strcmp(code, "SOLD_OUT") == 0 && *lot && !strstr(detail, lot)) {
        fputs(" (lot ", stderr);
        print_safely(lot, stderr);
        fprintf(stderr, ", %" PRId64 " available)", number_of(problem, "available"));
    }
    fputc('\n', stderr);
}

static int lost(const struct client_options *o, const struct client_call *call, bool sent,
                const struct error *e)
{
    fprintf(stderr, "tally: %s: %s\n", client_server(o), e->text);
    if (e->code == TLY_EINVALID_ARGUMENT)
        return EXIT_USAGE;
    if (e->code == TLY_ENO_MEMORY && !sent)
        return EXIT_FAILED;
    if (!sent || !call->ask) {
        if (e->code == TLY_EUNAVAILABLE)
            fputs("Is it running? Start it with `tally serve`, or name another with --server.\n",
                  stderr);
        return EXIT_UNREACHABLE;
    }
    fprintf(stderr, "The request was sent; whether it was carried out is not known. %s\n",
            call->ask);
    return EXIT_UNKNOWN;
}

int client_ask(const struct client_options *o, const struct client_call *call, int *status,
               json_t **out)
{
    struct error e = {0};
    struct http_client *client = NULL;
    struct http_answer answer;
    bool has_body = call->body != NULL;
    char *body = has_body ? json_dumps(call->body, JSON_COMPACT) : NULL;
    json_decref(call->body);
    bool sent = false;
    *out = NULL;
    int code = has_body && !body ? error_set(&e, TLY_ENO_MEMORY, "", "out of memory") : 0;
    if (!code)
        code = http_client_open(&client, client_server(o), o->timeout_ms, &e);
    if (!code) {
        sent = true;
        code = http_client_send(client, call->method, call->path, str_of(body), &e);
    }
    if (!code)
        code = http_client_receive(client, &answer, &e);
    if (!code) {
        *status = answer.status;
        *out = json_loadb(answer.body.len ? answer.body.p : "", answer.body.len, 0, NULL);
        if (answer.status < 300 && !json_is_object(*out))
            code = error_set(&e, TLY_ECORRUPT, "", "the answer is not a JSON object");
    }
    if (code) {
        json_decref(*out);
        *out = NULL;
    }
    http_client_close(client);
    free(body);
    return code ? lost(o, call, sent, &e) : EXIT_DONE;
}

int client_call(const struct client_options *o, const struct client_call *call, json_t **out)
{
    int status = 0;
    json_t *answer = NULL;
    int code = client_ask(o, call, &status, &answer);
    if (code != EXIT_DONE)
        return code;
    if (status >= 200 && status < 300) {
        *out = answer;
        return EXIT_DONE;
    }
    if (o->json && answer)
        print_json(answer);
    client_print_problem(answer, status, NULL);
    code = client_exit_of(answer, status);
    if (code == EXIT_UNKNOWN && call->ask)
        fprintf(stderr, "%s\n", call->ask);
    json_decref(answer);
    return code;
}

void print_time(const char *rfc3339)
{
    int64_t at_ms;
    print_safely(rfc3339, stdout);
    if (rfc3339_parse(rfc3339, strlen(rfc3339), &at_ms) != 0)
        return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t seconds = at_ms / 1000 - now.tv_sec;
    bool past = seconds < 0;
    seconds = past ? -seconds : seconds;
    if (seconds >= 3 * 86400)
        return;
    printf(past ? " (" : " (in ");
    if (seconds >= 3600)
        printf("%" PRId64 " h %" PRId64 " m", seconds / 3600, seconds % 3600 / 60);
    else if (seconds >= 60)
        printf("%" PRId64 " m %" PRId64 " s", seconds / 60, seconds % 60);
    else
        printf("%" PRId64 " s", seconds);
    printf(past ? " ago)" : ")");
}
