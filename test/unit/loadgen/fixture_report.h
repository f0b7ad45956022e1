/* fixture_report.h - reports of runs that never were, but might have been. The same ones every
 * time. */
#ifndef TALLY_TEST_FIXTURE_REPORT_H
#define TALLY_TEST_FIXTURE_REPORT_H

#include "loadgen/report.h"

/* Each fills a report that report_close() empties. Latencies are a sample of the calls. */
void fixture_flash_sale(struct report *r); /* four stages in 48 s; nothing wrong */
void fixture_staircase(struct report *r);  /* 128 stages of 3 s; breaks near the end */
/* A flash sale on a server that loses orders, then dies: errors, findings, text that wants to be
 * escaped, no /metrics. */
void fixture_broken(struct report *r);
/* A sale of groups in 20 s; nothing wrong: some succeeded, some failed, and all kinds of refusals.
 */
void fixture_group_buy(struct report *r);
/* Nothing happened at all. */
void fixture_empty(struct report *r);

/* The whole of a file, terminated, for free(). Fails the test if there is none. */
char *fixture_read_file(const char *path);
/* An empty folder of the test's own, and a path in it; removed by fixture_folder_close(). */
void fixture_folder_open(void);
void fixture_folder_close(void);
size_t fixture_folder_size(void);           /* files in it */
const char *fixture_path(const char *name); /* valid until the next call */

#endif
