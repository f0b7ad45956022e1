/* import_internal.h - what the files of an import share. */
#ifndef TALLY_INTAKE_IMPORT_INTERNAL_H
#define TALLY_INTAKE_IMPORT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "intake/stock_import.h"

enum { IMPORT_ID_SIZE = 17, IMPORT_JOBS = 1024 };

/* Rows go one by one, not as one command. */
#define APPLIES_ROWS(i) ((i)->stage >= STAGE_DOWN)

struct import_problem {
    uint32_t line;
    const char *column, *text;
};

struct import_line {
    uint64_t hash; /* of the lot's key */
    uint32_t line;
};

enum import_stage { STAGE_CHECK, STAGE_WHOLE, STAGE_DOWN, STAGE_UP, STAGE_BACK, STAGE_COUNT };

/* One row of a large file: an adjustment by what it was found to lack or have too much, under an id
 * made of the import's and the row's number; or its lot is made. */
struct import_job {
    struct command command; /* first */
    bool again;             /* what refused it passes */
    bool tried;             /* it may have been done already */
    uint32_t row, line;
    char id[ADJUSTMENT_ID_MAX + 1];
    char text[ERROR_TEXT_MAX];
};

struct stock_import {
    struct stock_import *next; /* in the list of imports */
    struct imports *all;
    char id[IMPORT_ID_SIZE];
    struct stock_import_options options;
    int fd;
    uint64_t bytes;
    _Atomic int references;
    _Atomic int state; /* enum stock_import_state */
    _Atomic uint64_t rows;
    _Atomic bool unwanted; /* nobody waits for the answer */

    /* the intake's, until DONE */
    enum import_stage stage;
    struct stock_input input;
    struct stock_mapping mapping;
    struct stock_file_config config;
    struct stock_file *file;
    uint32_t row_number;           /* of the next row of the file, from 0 */
    bool ended;                    /* all rows of this stage were read */
    uint8_t *actions;              /* enum set_action of each row, as checked, */
    int32_t *deltas;               /* and the units that it changes its lot by: the plan */
    struct import_line *lines;     /* of good rows */
    uint32_t line_count, rows_max; /* rows_max: room in the arrays */
    uint32_t counts[SET_LOWER + 1];
    uint32_t created, changed;
    uint32_t checked; /* rows that there are */
    uint32_t bad;     /* rows with a fault */
    uint32_t problem_count;
    struct import_problem problems[IMPORT_PROBLEMS_MAX];
    struct arena texts;
    bool named;   /* its file has a name in the folder */
    bool decided; /* it stands in the folder: it is carried out whatever happens */
    bool resumed;
    uint32_t done;    /* rows that were dealt with in this stage, but for the part, */
    uint32_t noted;   /* and as it stands in the folder */
    bool refused;     /* a row of DOWN was: */
    uint32_t asked;   /* those before this one may have been applied */
    int64_t again_ms; /* 0: no pause; -1: one is to begin */
    bool stalled;     /* the stage is opened anew after it */
    bool unsure;      /* WHOLE: it may have been done already */
    /* the part that is with the engine: items of one command, or jobs */
    uint32_t item_count, item_max;
    struct set_item *items;
    uint32_t *numbers; /* of their rows */
    uint32_t *item_lines;
    struct import_job *jobs;
    uint32_t again_count; /* of jobs */
    struct arena chunk;
    uint32_t at_engine; /* commands */
    struct command command;
    char text[ERROR_TEXT_MAX];

    int status;
    char *result;
    size_t result_len;
};

struct imports {
    struct imports_host host;
    int dir;
    pthread_mutex_t lock;
    struct stock_import *first; /* guarded: submitted, oldest first */
    uint32_t count;             /* guarded: that there are */
    struct stock_import *current;
    struct stock_row row;
    bool draining;
};

/* ---- import_report.c ---- */
void import_note(struct stock_import *i, uint32_t line, const char *column, const char *text);
/* The answer; NULL if memory is short. */
char *import_report(const struct stock_import *i, int code, const char *detail, size_t *len);
/* What is wrong with an item of a command. */
void import_item_fault(struct stock_import *i, uint32_t k);

/* ---- import_rows.c ---- */
int import_open(struct stock_import *i, struct error *e) MUST_CHECK;
/* Reads rows into the chunk until it is full or the file has ended. */
int import_fill(struct stock_import *i, struct error *e) MUST_CHECK;
/* After all rows: lots that stand in the file twice. */
void import_find_twice(struct stock_import *i);

/* ---- import_apply.c ---- */
/* Sends the part's jobs; in a second call those that are to be tried again. */
void import_submit_jobs(struct stock_import *i);
/* True if the command is a job's, and is settled. */
bool import_job_complete(struct stock_import *i, struct command *c);
bool import_has_job(const struct stock_import *i, const struct command *c);
/* The units of all rows that were asked for in DOWN are to be given back. */
int import_turn_back(struct stock_import *i, struct error *e) MUST_CHECK;

/* ---- import_journal.c ---- */
/* A file with a name from the start. */
void journal_name(struct stock_import *i);
/* The plan, and the stage that it is in: from now on, or from where it is. */
int journal_decide(struct stock_import *i, struct error *e) MUST_CHECK;
int journal_progress(struct stock_import *i) MUST_CHECK;
void journal_end(struct stock_import *i);
/* Opens what was decided and not ended, and removes the rest. */
int journal_resume(struct imports *all, struct error *e) MUST_CHECK;

/* An import without a file. */
struct stock_import *import_new(struct imports *all);
void import_put(struct imports *all, struct stock_import *i);

#endif
