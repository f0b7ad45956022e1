/* run.h - one run, as the files that make it share it: run_prepare.c before, loadgen.c during,
 * run_figures.c what is told of it. All of it belongs to the thread in loadgen_run().
 */
#ifndef TALLY_LOADGEN_RUN_H
#define TALLY_LOADGEN_RUN_H

#include "loadgen/loadgen.h"
#include "loadgen/traffic.h"

struct sample {
    uint64_t at_ns;
    struct server_stats stats;
};

struct run {
    struct load_options options;
    const struct load_watcher *watcher;
    struct report *report;
    struct error *error;
    char run_id[RUN_ID_SIZE];
    struct sockaddr_storage address;
    socklen_t address_size;
    uint32_t sources;
    struct plan plan;
    struct order_mix mix;
    struct target_lots lots;
    struct lot_tally *tallies;
    struct protocol_target target;
    struct traffic_run traffic;
    struct collector collector;
    struct order_book *books;
    struct traffic **traffics;
    struct worker **workers;
    struct target_stats *stats;
    /* while it runs */
    uint64_t start_ns;
    struct sample last, stage_begin;
    uint32_t stage, second;
    double in_flight_sum, in_flight_samples;
    uint64_t resets_before;
    uint64_t alone_since_ns; /* since when there is no connection; 0: there is one */
};

/* Options completed, limits raised, the plan made, the lots there, the report begun. */
int run_prepare(struct run *r) MUST_CHECK;

/* A sale of groups (run_sale.c): made, and opened when the run starts. Both do nothing more for
 * other models than to set the start. */
int run_sale_make(struct run *r) MUST_CHECK;
int run_sale_open(struct run *r, uint64_t start_after_ms) MUST_CHECK;

/* What is shown: "preparing the lots", 3 of 10. */
void run_show_step(struct run *r, const char *step, uint64_t done, uint64_t of);

/* Whether the user wants it to end. */
bool run_interrupted(const struct run *r);
/* Why a worker stopped by itself ("memory ran short"), or NULL. */
const char *run_fault(const struct run *r);

/* Connections that are up, of all workers. */
uint32_t run_connected(const struct run *r);
/* Why connections fail. */
const char *run_connect_error(const struct run *r);

/* Samples, about four times a second and once a second. */
void run_sample_workers(struct run *r);
void run_sample_server(struct run *r, uint64_t now_ns);
/* From here on, as of the last sample of the server. */
void run_begin_figures(struct run *r);
/* The stage that was running is over. */
void run_close_stage(struct run *r);
/* After the end: how it ended, sums, quantiles. */
void run_describe_end(struct run *r, enum report_end end);
void run_fill_report(struct run *r);

#endif
