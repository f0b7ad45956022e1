/* zone.h - days in a time zone of the tz database (RFC 9636 files, as every system keeps them).
 *
 * A zone is read once and then only looked at: no process-wide state, any thread. NULL is UTC.
 */
#ifndef TALLY_BASE_ZONE_H
#define TALLY_BASE_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct zone;

/* By its IANA name, "Asia/Shanghai". Names and what is wrong: TLY_EINVALID_ARGUMENT, with `key`
 * as the error's field. "UTC" needs no database, and gives NULL. */
int zone_open(struct zone **out, const char *name, const char *key, struct error *e) MUST_CHECK;
/* From the contents of such a file: TLY_EINVALID_ARGUMENT or TLY_ENO_MEMORY, and *out is NULL. */
int zone_parse(struct zone **out, const void *bytes, size_t len) MUST_CHECK;
void zone_close(struct zone *z); /* NULL is fine */

/* Seconds east of UTC at that time (Unix seconds). */
int32_t zone_offset(const struct zone *z, int64_t seconds);
/* The day there, counted from 1970-01-01, at a Unix time in milliseconds. *until_ms, which may be
 * NULL: it is that day at least until then (the next full minute). */
int32_t zone_day(const struct zone *z, int64_t now_ms, int64_t *until_ms);

#endif
