/* progress.h - a progress bar on a terminal, with rate and estimated time; nothing elsewhere. */
#ifndef TALLY_CLI_PROGRESS_H
#define TALLY_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* "lots", "pages" */
    bool shown;       /* stderr is a terminal */
    uint64_t started_ns;
    uint64_t counted_ns; /* since when things are counted */
    uint64_t drawn_ns;
};

void progress_begin(struct progress *p, const char *what);
/* Draws at most ten times a second. */
void progress_set(struct progress *p, int64_t done, int64_t total);
/* What is being done before there is anything to count. */
void progress_say(struct progress *p, const char *text);
/* Removes the bar. Returns the seconds since it began. */
double progress_end(struct progress *p);

#endif
