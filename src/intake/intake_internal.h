/* intake_internal.h - what the files of intake/ share.
 *
 *   free -> waits for one of its lot -> with the engine (a lot is made, units are added) -> free
 *                                            |        ^
 *                                            v        |
 *                                           paused: a refusal that passes
 */
#ifndef TALLY_INTAKE_INTAKE_INTERNAL_H
#define TALLY_INTAKE_INTAKE_INTERNAL_H

#include "intake/intake.h"

enum {
    INTAKE_JOBS = 128,
    INTAKE_FAULTS = 16, /* of one row that are told */
    HEADER_BYTES = 8192,
    COLUMN_BYTES = 400,
};

enum job_step { JOB_FREE, JOB_WAITS, JOB_CREATES, JOB_ADJUSTS, JOB_PAUSED };

struct job {
    struct command command; /* first */
    uint8_t step;           /* enum job_step */
    uint8_t next_step;      /* while it waits, or is paused */
    uint8_t tries;
    uint32_t line;
    int64_t again_ms;
    int64_t delta;
    bool dated; /* the message says an expiry */
    char *message;
    char key[LOT_KEY_MAX + 1];
    char sku[SKU_MAX + 1], flavor[SKU_MAX + 1], size[SKU_MAX + 1], batch[SKU_MAX + 1];
    char reason[ADJUST_REASON_MAX + 1];
    char id[ADJUSTMENT_ID_MAX + 1];
    char text[ERROR_TEXT_MAX];
};

struct intake_fault {
    uint32_t line;
    char column[COLUMN_BYTES];
    char text[3 * ERROR_TEXT_MAX];
};

struct intake {
    struct feed *feed;
    struct intake_host host;
    struct feed_document document;
    struct stock_input input;
    struct stock_file_config config;
    struct stock_file *file;
    struct stock_row row;
    enum stock_rules rules;
    struct str flavors;
    int64_t now_ms, pause_until_ms;
    bool taken;      /* a document is out */
    bool rows_ended; /* all of its rows were begun */
    bool broken;     /* the feed failed: it is given back */
    bool draining;
    uint32_t applied, rejected; /* messages of the document */
    uint32_t at_engine;
    uint32_t free_count;
    struct job *free_jobs[INTAKE_JOBS];
    uint32_t fault_count;
    struct intake_fault faults[INTAKE_FAULTS];
    char header[HEADER_BYTES];
    struct job jobs[INTAKE_JOBS];
};

/* The command as it is handed over for the first time; what refuses it is told in `text`. */
void intake_command_ready(struct command *c, char text[ERROR_TEXT_MAX]);
void intake_reject(struct intake *in, uint32_t line, const char *column, const char *reason,
                   const char *message);
/* A good row, on its way. */
void job_begin(struct intake *in, struct job *job, const struct stock_row *row);
/* Those whose pause is over. */
void jobs_resume(struct intake *in);

#endif
