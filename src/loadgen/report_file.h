/* report_file.h - a file that is there whole or not at all: written beside its place, then renamed.
 *
 * A path that is no regular file (/dev/stdout, a pipe) is written as it is.
 */
#ifndef TALLY_LOADGEN_REPORT_FILE_H
#define TALLY_LOADGEN_REPORT_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

struct report_file {
    FILE *to;
    const char *path; /* as the user named it, for errors */
    char place[PATH_MAX];
    char temporary[PATH_MAX + 16]; /* "": written in place */
};

/* TLY_EIO names the file. */
int report_file_open(struct report_file *f, const char *path, struct error *e) MUST_CHECK;
/* Closes it and puts it in its place. On failure nothing stays behind. */
int report_file_keep(struct report_file *f, struct error *e) MUST_CHECK;
/* Closes and removes it. */
void report_file_drop(struct report_file *f);

#endif
