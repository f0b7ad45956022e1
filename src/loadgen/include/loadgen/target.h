/* target.h - the server under load: its address, its lots, and what it says of itself.
 *
 * Everything here talks HTTP/1.1 with JSON on a connection of its own, blocking, outside of the
 * measured traffic.
 */
#ifndef TALLY_LOADGEN_TARGET_H
#define TALLY_LOADGEN_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/error.h"
#include "loadgen/call.h"

/* Stock of a lot, as the server tells it. */
struct lot_stock {
    int64_t on_hand, reserved, confirmed, available, version;
};

struct target_lots {
    uint32_t count;
    char (*keys)[LOT_KEY_SIZE];
    struct lot_stock *begin; /* before the run */
};

/* Called now and then; true: stop. */
struct target_progress {
    bool (*show)(void *owner, uint32_t done, uint32_t of);
    void *owner;
};

/* HOST:PORT, [HOST]:PORT; resolves names. TLY_EINVALID_ARGUMENT or TLY_EUNAVAILABLE, with the
 * reason. */
int target_resolve(const char *target, struct sockaddr_storage *address, socklen_t *size,
                   struct error *e) MUST_CHECK;

/* Creates `count` lots with `units` each: sku BENCH-<run>-<number>, created a few thousand a
 * second. `progress` (may be NULL) is called now and then. Frees nothing on failure that
 * target_lots_close() would not. */
int target_lots_make(struct target_lots *lots, const char *target, const char run[RUN_ID_SIZE],
                     uint32_t count, int64_t units, const struct target_progress *progress,
                     struct error *e) MUST_CHECK;
/* Those with these keys. TLY_ENOT_FOUND names the one that there isn't. */
int target_lots_find(struct target_lots *lots, const char *target, const char *const *keys,
                     uint32_t count, struct error *e) MUST_CHECK;
void target_lots_close(struct target_lots *lots);

/* What /metrics tells of the process; members are negative where it does not. */
struct server_stats {
    double cpu_s, memory_bytes, threads, open_fds;
    double reservations; /* PENDING holds in memory */
};

/* Another server than Tallystick, or one without /metrics, is no failure of the run:
 * all negative. */
struct target_stats;
int target_stats_open(struct target_stats **out, const char *target, struct error *e) MUST_CHECK;
/* Blocks up to a second. */
void target_stats_read(struct target_stats *t, struct server_stats *out);
void target_stats_close(struct target_stats *t);

#endif
