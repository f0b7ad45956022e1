/* import.h - `tally lot import` and `tally lot reconcile`: the file as rows, the rows as a plan,
 * the plan carried out.
 *
 *   import_options.c  flags about the file, which both have
 *   import_file.c     rows of stockfile/, kept; no lot twice
 *   import_plan.c     rows + lots of the server -> what has to change
 *   import_apply.c    changes -> pipelined requests, each safe to repeat
 *   import_show.c     what came of it, as text or as JSON
 *   lot_import.c, lot_reconcile.c   the subcommands
 *
 * Why it can be run again after anything, and the same file for ever: a plan says what the stock
 * shall be, not how it shall change, and a change names the version of the lot that it was made
 * for. What was applied is found unchanged; what is still on its way from an import that was killed
 * is refused by the server (VERSION_MISMATCH) if the lot was touched in between, and then the row
 * is decided again.
 */
#ifndef TALLY_CLI_IMPORT_H
#define TALLY_CLI_IMPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/limits.h"
#include "cli/client.h"
#include "stockfile/stock_file.h"

enum import_mode { IMPORT_ON_HAND, IMPORT_AVAILABLE };

enum import_action { IMPORT_BAD, IMPORT_UNCHANGED, IMPORT_CREATE, IMPORT_ADJUST, IMPORT_SKIPPED };

struct import_row {
    uint32_t line;
    uint32_t found;  /* lots of the server that it may stand for, if its key is not known */
    uint8_t action;  /* enum import_action */
    uint8_t attempt; /* of this change, after the lot was touched by others */
    uint8_t tries;   /* after refusals that pass */
    bool on_server;
    bool twice;                         /* the file has another row of its lot, which was told */
    bool counts;                        /* the file says a quantity */
    int64_t quantity;                   /* as the file says */
    int64_t on_hand;                    /* as the server said last */
    int64_t held;                       /* reserved or confirmed, and not shipped */
    int64_t version;                    /* of the lot, then */
    int64_t target;                     /* on_hand as it shall be */
    const char *fields[STOCK_quantity]; /* sku to expires_on, normalised; NULL: not given */
    char key[LOT_KEY_MAX + 1];          /* "": not all dimensions are given */
};

/* Why a row is bad. */
struct import_problem {
    uint32_t line;
    const char *column; /* or "" */
    const char *text;
};

/* What a file of stock is, as the flags say it. */
struct import_source {
    const char *file;
    struct option_list map, set;
    const char *mapping_file, *delimiter, *encoding;
    bool ignore_others, existing_only;
    /* made of them by import_source_parse() */
    struct stock_mapping mapping;
    char *mapping_text;
    char separator;
    enum stock_encoding told;
};

struct import {
    const struct client_options *client;
    const struct import_source *source;
    enum import_mode mode;
    enum stock_rules rules;
    struct arena arena;
    struct import_row *rows; /* in order of the file */
    uint32_t row_count, row_capacity;
    struct import_row **by_key; /* those with a key, sorted */
    uint32_t key_count;
    struct import_row **by_sku; /* those without one, sorted */
    uint32_t sku_count;
    struct import_problem *problems;
    uint32_t problem_count, problem_capacity;
    uint32_t bad_count; /* rows */
    bool rules_matter;  /* by other rules than im->rules the rows may be others */
    bool header_bad;    /* nothing of the file is to be applied */
    bool short_of_memory;
    const char *encoding; /* as read */
    char separator;
    uint32_t created, changed; /* as carried out */
    json_t *others;            /* keys of the server's lots that no row is of; NULL: not wanted */
    void (*progress)(void *context, int64_t done, int64_t total);
    void *context;
};

void import_init(struct import *im);
void import_close(struct import *im);

/* Flags for the table of a subcommand; `s` is a pointer to struct import_source. */
#define IMPORT_SOURCE_OPTIONS(s)                                                                   \
    {"map",                                                                                        \
     "COLUMN=FIELD",                                                                               \
     OPTION_LIST,                                                                                  \
     &(s)->map,                                                                                    \
     "COLUMN of the file is FIELD (sku, flavor, size, batch, expires_on,\n"                        \
     "quantity; - ignores it). May be repeated",                                                   \
     0,                                                                                            \
     0},                                                                                           \
        {"mapping",                                                                                \
         "FILE",                                                                                   \
         OPTION_TEXT,                                                                              \
         &(s)->mapping_file,                                                                       \
         "the same from FILE, a COLUMN=FIELD on each line",                                        \
         0,                                                                                        \
         0},                                                                                       \
        {"set",                                                                                    \
         "FIELD=VALUE",                                                                            \
         OPTION_LIST,                                                                              \
         &(s)->set,                                                                                \
         "FIELD is VALUE in all rows, whatever the file says. May be repeated",                    \
         0,                                                                                        \
         0},                                                                                       \
        {"ignore-other-columns",                                                                   \
         NULL,                                                                                     \
         OPTION_FLAG,                                                                              \
         &(s)->ignore_others,                                                                      \
         "pass over columns that are no field",                                                    \
         0,                                                                                        \
         0},                                                                                       \
        {"existing-only",                                                                          \
         NULL,                                                                                     \
         OPTION_FLAG,                                                                              \
         &(s)->existing_only,                                                                      \
         "create nothing; rows of other lots are passed over. A row need not\n"                    \
         "name all dimensions, if only one lot has those that it names",                           \
         0,                                                                                        \
         0},                                                                                       \
        {"delimiter",                                                                              \
         "CHAR",                                                                                   \
         OPTION_TEXT,                                                                              \
         &(s)->delimiter,                                                                          \
         "what parts the fields: , ; | or tab; found if not given",                                \
         0,                                                                                        \
         0},                                                                                       \
    {                                                                                              \
        "encoding", "NAME", OPTION_TEXT, &(s)->encoding,                                           \
            "utf-8, utf-16, gbk or latin-1; found if not given", 0, 0                              \
    }

/* Flags and the file's name, and what they say of it. OPTIONS_GO, or the exit code after a mistake
 * was told. `mode`: where the flags put it. */
int import_source_parse(const struct usage *usage, int argc, char **argv, const char *const *mode,
                        struct import_source *s);
/* A count is of units on hand, or of those available. The same. */
int import_mode_check(const char *mode, const struct usage *usage);
void import_source_close(struct import_source *s);

/* Notes a problem; with a row, that row is bad from then on. */
void import_bad(struct import *im, struct import_row *row, uint32_t line, const char *column,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Reads the rows. 0, TLY_EINVALID_ARGUMENT (no row can be read), TLY_EIO, TLY_ENO_MEMORY. Bad rows
 * are noted, and so is a header that is wrong, not an error. */
int import_read(struct import *im, const struct stock_input *input, struct error *e) MUST_CHECK;
/* The file of im->source ("-" is standard input), by the rules of the server. An exit code; what is
 * wrong was told, or is noted. */
int import_read_file(struct import *im);

/* By which rules the server checks dimensions; STOCK_DRINKS if it cannot be asked. */
enum stock_rules import_ask_rules(const struct client_options *client);
/* Compares the rows with the server's lots; asks the server about what only it knows. An exit code,
 * EXIT_DONE if the plan stands (bad rows are noted). */
int import_plan(struct import *im);
/* The row against its lot as the server has it (NULL: it has none): sets action and target. */
void import_decide(struct import *im, struct import_row *row, const json_t *lot);
/* Puts rows into by_key and by_sku; rows of one key are bad, all of them. 0 or TLY_ENO_MEMORY. */
int import_index(struct import *im) MUST_CHECK;
void import_sort_problems(struct import *im);
/* The row with that key, or NULL. */
struct import_row *import_find(const struct import *im, const char *key);

/* The row as the body of a CreateLot; NULL if memory is short. */
json_t *import_lot_body(const struct import_row *row);

/* Carries it out. An exit code; rows that the server refused are noted as bad. */
int import_apply(struct import *im);

/* ---- import_show.c ---- */

struct import_counts {
    uint32_t create, adjust, unchanged, skipped;
};

struct import_counts import_count(const struct import *im);
void import_print_problems(const struct import *im);
void import_print_diff(const struct import *im);
json_t *import_diff_json(const struct import *im);
json_t *import_problems_json(const struct import *im);

#endif
