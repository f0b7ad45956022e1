/* stock_import.h - a whole stock file that a client sends: received into a file, checked, applied,
 * all or nothing.
 *
 *   receiving ──► waiting ──► checking ──► applying ──► done
 *                                 │                       ▲
 *                                 └── a fault ────────────┘
 *
 * Checking holds every row against its lot and changes nothing. Up to IMPORT_CHUNK rows are then
 * one command of the engine and one commit. Of more, each row is an adjustment by what checking
 * found, which counts once: first what falls, which might be refused by now, and then all is given
 * back; then what rises, which cannot be. That it is decided stands in the folder before the first
 * one, with the plan, and after a kill the rest is done, or given back.
 *
 * Memory: a chunk of rows, 21 bytes for each row, and the first IMPORT_PROBLEMS_MAX faults.
 * Threads: the receiver's (create, write, submit, look, release) and the intake's (imports_*).
 */
#ifndef TALLY_INTAKE_STOCK_IMPORT_H
#define TALLY_INTAKE_STOCK_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/command.h"
#include "stockfile/stock_file.h"

enum {
    IMPORT_CHUNK = 16384,
    IMPORT_PART = 4096,
    IMPORT_PROBLEMS_MAX = 1000,
    IMPORTS_MAX = 16, /* at one time, an open file each; beyond it OVERLOADED */
};

struct stock_import_options {
    uint8_t mode; /* enum set_mode: SET_ON_HAND or SET_AVAILABLE */
    bool dry_run;
    bool existing_only;
    bool ignore_others;
    bool json_lines;
    enum stock_encoding encoding;
};

enum stock_import_state {
    STOCK_IMPORT_RECEIVING,
    STOCK_IMPORT_WAITING,
    STOCK_IMPORT_CHECKING,
    STOCK_IMPORT_APPLYING,
    STOCK_IMPORT_DONE,
};

struct stock_import_look {
    enum stock_import_state state;
    uint64_t rows;     /* read in this state */
    int status;        /* DONE: of HTTP */
    struct str result; /* DONE: JSON, until it is released */
};

struct imports;
struct stock_import;

struct imports_host {
    void *context;
    void (*submit)(void *context, struct command *c);
    void (*rules)(void *context, enum stock_rules *rules, struct str *flavors);
    void (*wake)(void *context); /* after a submit of the receiver's; any thread */
    void (*ended)(void *context, struct str id, int status);
};

/* Makes the folder where it is not there, and takes up what was decided before a kill. */
int imports_create(struct imports **out, const char *dir, const struct imports_host *host,
                   struct error *e) MUST_CHECK;
void imports_destroy(struct imports *all);
/* As intake_turn(), intake_complete() and so on. */
int imports_turn(struct imports *all, int64_t now_ms);
void imports_complete(struct imports *all, struct command *c);
/* What is not decided yet is refused from now on. */
void imports_drain(struct imports *all);
bool imports_idle(const struct imports *all);
/* The command is one of these. */
bool imports_own(const struct imports *all, const struct command *c);

/* Any thread. OVERLOADED: too many are under way. */
int stock_import_create(struct stock_import **out, struct imports *all,
                        const struct stock_import_options *options, struct error *e) MUST_CHECK;
int stock_import_write(struct stock_import *i, const void *data, size_t size,
                       struct error *e) MUST_CHECK;
/* All was received. */
void stock_import_submit(struct stock_import *i);
void stock_import_look(const struct stock_import *i, struct stock_import_look *out);
/* Whoever created it wants no answer any more. What is decided goes on. */
void stock_import_release(struct stock_import *i);

#endif
