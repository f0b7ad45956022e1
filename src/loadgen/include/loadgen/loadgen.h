/* loadgen.h - the load generator behind `tally bench`.
 *
 * loadgen_run(): make or find the lots, open the connections, send what the plan says, stop, count
 * (audit.h), and tell it all as a struct report. One caller's thread, which waits; one thread for
 * each worker.
 */
#ifndef TALLY_LOADGEN_LOADGEN_H
#define TALLY_LOADGEN_LOADGEN_H

#include "loadgen/report.h"

struct load_options {
    const char *target; /* HOST:PORT */
    bool http;          /* else gRPC */
    struct model_options model;
    bool closed; /* the next call as soon as a stream is free; rates are not used */
    enum arrivals arrivals;
    bool until_broken; /* staircase: end at the first stage that the server cannot keep up with */
    uint64_t calls;    /* closed: stop after so many; 0: by the duration */
    uint32_t connections, streams, threads;
    uint32_t timeout_ms;
    uint64_t seed;
    const char *const *lot_keys; /* to use; else lots are made */
    uint32_t lot_count;
    int64_t units; /* in each lot that is made; negative: as the model likes */
    enum choice_kind choice;
    double zipf_exponent;
    double pay, cancel, expire, retry; /* negative: as the model likes */
    double look;                       /* share of GetLot; negative: as the model likes */
    uint32_t think_ms; /* from an acknowledgement to what follows; UINT32_MAX: as the model likes */
    uint32_t quantity_max;
    uint32_t hold_ms; /* of holds that are not to expire; 0: the run's duration and an hour */
    uint32_t expire_ms;
    uint32_t batch; /* orders in a call; 1: Reserve */
    /* group-buy; 0: as the model likes. */
    uint32_t group_size, group_window_ms, user_limit;
    int64_t total_limit;   /* units of the sale; negative: as the model likes */
    uint64_t look_ups_max; /* of the audit */
    bool audit;
};

/* What is shown while it runs; called about four times a second, from loadgen_run(). */
struct load_progress {
    const char *step;  /* "creating lots", "connecting", "running", "auditing" */
    uint64_t done, of; /* of a step that counts; of 0: it does not */
    const char *stage;
    uint32_t stage_number, stage_count;
    double at_s, duration_s;
    double opens_in_s; /* of a sale's countdown; 0: there is none, or it is over */
    double offered_per_s, achieved_per_s, refused_per_s, errors_per_s, p99_ms; /* the last second */
    uint32_t connections;
};

struct load_watcher {
    void (*show)(void *owner, const struct load_progress *p);
    /* True: end the run now, audit, report. */
    bool (*interrupted)(void *owner);
    /* True: leave the audit out, too. */
    bool (*hurried)(void *owner);
    void *owner;
};

/* 0 with a report (whatever the audit found; also if the server died on the way); else nothing was
 * run: TLY_EINVALID_ARGUMENT (field: the option's name), TLY_ELIMIT_EXCEEDED, TLY_EUNAVAILABLE,
 * TLY_ENOT_FOUND, TLY_ENO_MEMORY. */
int loadgen_run(const struct load_options *o, const struct load_watcher *w, struct report *out,
                struct error *e) MUST_CHECK;

#endif
