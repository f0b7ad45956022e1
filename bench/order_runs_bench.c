/* order_runs_bench.c - the order index on disk: how long it takes to write and merge, and what a
 * look-up costs, warm and with the runs out of the page cache.
 *
 *     order_runs_bench DIR [ORDERS] [SEGMENT]     10,000,000 in segments of 1,000,000
 *
 * Runs are merged as the server merges them. 16 bytes an order on disk and 2 of filter.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "ledger/order_store.h"
#include "ledger/run_format.h"

enum { SEED = 7, LOOK_UPS = 200000, COLD_LOOK_UPS = 2000 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, const struct error *e)
{
    fprintf(stderr, "order_runs_bench: %s: %s\n", what, e->text);
    exit(1);
}

static uint64_t hash_of(int64_t n)
{
    return hash64((struct str){(const char *)&n, sizeof n}, SEED);
}

static void on_stored(void *context, struct order_segment *s, struct order_run *run)
{
    int *merges = context;
    (void)s;
    ++*merges;
    order_run_free(run);
}

static void fill(struct order_store *store, int64_t orders, int64_t segment)
{
    struct error e = {0};
    struct order_entry *entries = malloc((size_t)segment * 2 * sizeof *entries);
    for (int64_t first = 1; first <= orders; first += segment) {
        for (int64_t i = 0; i < segment; i++)
            entries[i] = (struct order_entry){hash_of(first + i), first + i};
        order_sort(entries, entries + segment, (size_t)segment);
        struct run_span span = {first - 1, first, first + segment - 1};
        struct run_file *run;
        if (order_write_run(store, entries, (size_t)segment, &span, &run, &e))
            die("write", &e);
        order_store_replace(store, store->run_count, 0, run);
        int merged;
        while ((merged = order_store_merge(store, &e)) > 0)
            continue;
        if (merged < 0)
            die("merge", &e);
    }
    free(entries);
}

static void drop_from_cache(struct order_store *store)
{
    for (uint32_t i = 0; i < store->run_count; i++) {
        fdatasync(store->runs[i]->fd);
        posix_fadvise(store->runs[i]->fd, 0, 0, POSIX_FADV_DONTNEED);
    }
}

static void look_up(struct order_store *store, const char *what, int64_t from, int64_t span,
                    int count)
{
    int64_t out[ORDER_CANDIDATES_MAX];
    struct error e = {0};
    int found = 0;
    uint64_t random = 88172645463325252u;
    double start = now_s();
    for (int i = 0; i < count; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        int n =
            order_store_find(store, hash_of(from + (int64_t)(random % (uint64_t)span)), out, &e);
        if (n < 0)
            die("look up", &e);
        found += n;
    }
    printf("%-28s %8.2f us each, %.4f candidates each\n", what, (now_s() - start) * 1e6 / count,
           (double)found / count);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: order_runs_bench DIR [ORDERS] [SEGMENT]\n");
        return 2;
    }
    int64_t segment = argc > 3 ? strtoll(argv[3], NULL, 10) : 1000000;
    int64_t orders = (argc > 2 ? strtoll(argv[2], NULL, 10) : 10000000) / segment * segment;
    int merges = 0;
    struct error e = {0};
    static struct order_store store;
    struct ledger_events events = {.context = &merges, .segment_stored = on_stored};
    _Atomic int64_t last_seq = INT64_MAX;
    mkdir(argv[1], 0700);
    if (order_store_init(&store, argv[1], "none", NULL, SEED, 0, &last_seq, &e))
        die("init", &e);
    store.events = &events;
    double start = now_s();
    fill(&store, orders, segment);
    double took = now_s() - start;
    uint64_t filter_bytes = 0;
    for (uint32_t i = 0; i < store.run_count; i++)
        filter_bytes += bloom_bytes(store.runs[i]->port.filter) + 8 * store.runs[i]->block_count;
    printf("%lld orders: %u runs after %d merges, %.1f s, %.2f million orders/s, %.2f bytes of"
           " memory an order\n",
           (long long)orders, store.run_count, merges, took, (double)orders / took / 1e6,
           (double)filter_bytes / (double)orders);
    look_up(&store, "known, warm", 1, orders, LOOK_UPS);
    look_up(&store, "new", orders + 1, orders, LOOK_UPS * 5);
    drop_from_cache(&store);
    look_up(&store, "known, cold", 1, orders, COLD_LOOK_UPS);
    for (uint32_t i = store.run_count; i-- > 0;)
        order_store_replace(&store, i, 1, NULL);
    rmdir(store.dir);
    order_store_close(&store);
    return 0;
}
