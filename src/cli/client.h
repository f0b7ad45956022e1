/* client.h - what every subcommand that talks to a server shares: its flags, one call with its
 * answer as JSON, and how a refusal is told.
 */
#ifndef TALLY_CLI_CLIENT_H
#define TALLY_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/options.h"

struct client_options {
    const char *server; /* NULL: $TALLY_SERVER, or CLIENT_SERVER_DEFAULT */
    int64_t timeout_ms;
    bool json;
};

#define CLIENT_SERVER_DEFAULT "127.0.0.1:7070"
#define CLIENT_OPTIONS_INIT                                                                        \
    (struct client_options)                                                                        \
    {                                                                                              \
        .timeout_ms = 10000                                                                        \
    }

/* For the table of a subcommand; `c` is a pointer to struct client_options. */
#define CLIENT_OPTIONS(c)                                                                          \
    {"server",                                                                                     \
     "HOST:PORT",                                                                                  \
     OPTION_TEXT,                                                                                  \
     &(c)->server,                                                                                 \
     "the server; else $TALLY_SERVER, else " CLIENT_SERVER_DEFAULT,                                \
     0,                                                                                            \
     0},                                                                                           \
        {"timeout-ms",                                                                             \
         "N",                                                                                      \
         OPTION_NUMBER,                                                                            \
         &(c)->timeout_ms,                                                                         \
         "how long to wait for it; 10000 if not given",                                            \
         1,                                                                                        \
         600000},                                                                                  \
    {                                                                                              \
        "json", NULL, OPTION_FLAG, &(c)->json, "print the server's answer as JSON", 0, 0           \
    }

const char *client_server(const struct client_options *o);

struct client_call {
    const char *method;
    const char *path;
    json_t *body;    /* taken over; NULL: none */
    const char *ask; /* how to learn the outcome if it stays unknown; NULL: the call only reads */
};

/* One call on a connection of its own. EXIT_DONE with the answer, a JSON object, in *out
 * (json_decref it); else the exit code after telling the user. `call->body` is consumed in every
 * case. */
int client_call(const struct client_options *o, const struct client_call *call, json_t **out);

/* The same, but a refusal is an answer too: EXIT_DONE with its HTTP status, and the problem in *out
 * (NULL if it has no JSON body). */
int client_ask(const struct client_options *o, const struct client_call *call, int *status,
               json_t **out);

/* Tells a refusal: problem+json in `body`, with what stands before it ("line 7"), or NULL. */
void client_print_problem(const json_t *problem, int status, const char *before);
int client_exit_of(const json_t *problem, int status);

/* Members of an answer; "" or 0 where they are not there or of another type. */
const char *text_of(const json_t *object, const char *name);
int64_t number_of(const json_t *object, const char *name);

void print_json(const json_t *value);

/* "2026-11-22T10:15:00.000Z (in 14 m 59 s)"; only the time if it is far away. */
void print_time(const char *rfc3339);

#endif
