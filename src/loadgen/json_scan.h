/* json_scan.h - JSON read from front to back, without a tree and without an allocation.
 *
 *     json_enter_object(&j);
 *     for (struct str name; json_member(&j, &name);)
 *         if (str_equal(name, STR("status")))
 *             json_text(&j, &status);
 *         else
 *             json_skip(&j);
 *     good = json_end(&j);
 *
 * The first thing that is not JSON, or not of the type that was asked for, makes the scanner
 * broken, and from then on every call returns false and leaves its result zero. `null` is taken for
 * a text, a number or a truth value that was not given.
 */
#ifndef TALLY_LOADGEN_JSON_SCAN_H
#define TALLY_LOADGEN_JSON_SCAN_H

#include "base/str.h"

enum { JSON_DEPTH_MAX = 32, JSON_SPARE_SIZE = 256 };

struct json_scan {
    const char *at, *end;
    bool broken;
    bool first; /* nothing of the innermost array or object was read yet */
    uint32_t depth;
    uint32_t spare_used;
    char spare[JSON_SPARE_SIZE]; /* texts that are written with escapes, as they are without */
};

/* `bytes` and the scanner outlive the texts that come out of it. */
void json_start(struct json_scan *j, const void *bytes, size_t size);
/* Whether all was JSON, and nothing follows it. */
bool json_end(struct json_scan *j);
/* Texts that came out so far are no longer needed. */
void json_forget(struct json_scan *j);

bool json_enter_object(struct json_scan *j);             /* its begin */
bool json_member(struct json_scan *j, struct str *name); /* false: its end */
bool json_enter_array(struct json_scan *j);              /* its begin */
bool json_element(struct json_scan *j);                  /* false: its end */
bool json_text(struct json_scan *j, struct str *out);
bool json_number(struct json_scan *j, int64_t *out); /* whole, and no larger than that */
bool json_truth(struct json_scan *j, bool *out);
bool json_skip(struct json_scan *j); /* any value */

#endif
