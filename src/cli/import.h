/* import.h - `tally lot import`: the file as rows, the rows as a plan, the plan carried out.
 *
 *   import_file.c   text of a CSV file -> rows, checked by the rules of the service (pure)
 *   import_plan.c   rows + lots of the server -> what has to change
 *   import_apply.c  changes -> pipelined requests, each safe to repeat
 *   lot_import.c    the subcommand
 *
 * Why it can be run again after anything: a plan says what the stock shall be, not how it shall
 * change, so what was applied is found unchanged. What might still be on its way to the server from
 * an import that was killed carries the same adjustment_id as the same step of the new one, and is
 * applied once. The id is made of the file's content, the line, the units on hand that the step
 * starts from, and a count of attempts: an import that finds its id used up by an earlier, finished
 * import of the same file (the answer does not show the units it asked for) takes the next attempt.
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

#define IMPORT_COLUMNS(X) X(sku) X(flavor) X(size) X(batch) X(expires_on) X(quantity)

enum import_column {
#define X(name) IMPORT_##name,
    IMPORT_COLUMNS(X)
#undef X
        IMPORT_COLUMN_COUNT
};
extern const char *const import_column_names[IMPORT_COLUMN_COUNT];

enum import_mode { IMPORT_ON_HAND, IMPORT_AVAILABLE };

enum import_action { IMPORT_BAD, IMPORT_UNCHANGED, IMPORT_CREATE, IMPORT_ADJUST };

struct import_row {
    uint32_t line;
    uint8_t action;  /* enum import_action */
    uint8_t attempt; /* of the adjustment_id */
    uint8_t tries;   /* after refusals that pass */
    bool on_server;
    int64_t quantity;                    /* as the file says */
    int64_t on_hand;                     /* as the server said last */
    int64_t target;                      /* on_hand as it shall be */
    const char *fields[IMPORT_quantity]; /* sku to expires_on, normalised, zero-ended */
    char key[LOT_KEY_MAX + 1];
};

/* Why a row is bad. */
struct import_problem {
    uint32_t line;
    char column[16]; /* or "" */
    char text[ERROR_TEXT_MAX];
};

enum { IMPORT_PROBLEMS_MAX = 1000, IMPORT_FILE_MAX = 256 << 20 };

struct import {
    const struct client_options *client;
    enum import_mode mode;
    char content_md5[33];
    struct arena arena;
    struct import_row *rows; /* in order of the file */
    uint32_t row_count, row_capacity;
    struct import_row **by_key;      /* sorted */
    uint32_t key_count;              /* rows in by_key: those that are not bad */
    struct import_problem *problems; /* the first IMPORT_PROBLEMS_MAX */
    uint32_t problem_count;
    uint32_t bad_count;
    uint32_t created, changed; /* as carried out */
    void (*progress)(void *context, int64_t done, int64_t total);
    void *context;
};

void import_init(struct import *im);
void import_close(struct import *im);

/* Marks the row (if any) as bad and notes why. */
void import_bad(struct import *im, struct import_row *row, uint32_t line, const char *column,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Reads the rows. `text` is changed, and must outlive nothing. 0, TLY_EINVALID_ARGUMENT (the header
 * is wrong: no row can be read), TLY_ENO_MEMORY. Bad rows are noted, not an error. */
int import_read(struct import *im, char *text, size_t size, struct error *e) MUST_CHECK;

/* Compares the rows with the server's lots; asks the server about what only it knows. An exit code,
 * EXIT_DONE if the plan stands (bad rows are noted). */
int import_plan(struct import *im);
/* The row against its lot as the server has it (NULL: it has none): sets action and target. */
void import_decide(struct import *im, struct import_row *row, const json_t *lot);
struct import_row *import_find(const struct import *im, const char *key);

/* The row as the body of a CreateLot; NULL if memory is short. */
json_t *import_lot_body(const struct import_row *row);

/* Carries it out. An exit code; rows that the server refused are noted as bad. */
int import_apply(struct import *im);

#endif
