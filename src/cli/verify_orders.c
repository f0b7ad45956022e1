/* verify_orders.c - external merge sort by hash, entries of equal hash in order of seq (they come
 * in that order, the sort is stable, and runs are merged oldest first).
 *
 * Failures: memory short, temporary file cannot be made or written (its folder is $TMPDIR or /tmp).
 */
#include "cli/verify_orders.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RUNS_MAX = 4096, WINDOW_ENTRIES = 4096 };

struct entry {
    uint64_t hash;
    int64_t seq;
};

/* A sorted run in the file, and the window of it that is in memory while merging. */
struct run {
    off_t next, end; /* in entries */
    struct entry *window;
    size_t at, filled;
};

struct order_sort {
    struct entry *entries, *scratch;
    size_t count, capacity;
    int fd;
    off_t written; /* entries */
    struct run runs[RUNS_MAX];
    size_t run_count;
};

int order_sort_create(struct order_sort **out, uint32_t entries, struct error *e)
{
    struct order_sort *s = calloc(1, sizeof(*s));
    if (!s)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    s->fd = -1;
    s->capacity = entries;
    s->entries = malloc(s->capacity * sizeof(*s->entries));
    s->scratch = malloc(s->capacity * sizeof(*s->scratch));
    if (!s->entries || !s->scratch) {
        order_sort_destroy(s);
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    }
    *out = s;
    return 0;
}

void order_sort_destroy(struct order_sort *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->run_count; i++)
        free(s->runs[i].window);
    if (s->fd >= 0)
        close(s->fd);
    free(s->entries);
    free(s->scratch);
    free(s);
}

/* Least-significant-digit radix sort, a byte at a time: stable. */
static void sort(struct order_sort *s)
{
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t starts[257] = {0};
        for (size_t i = 0; i < s->count; i++)
            starts[(s->entries[i].hash >> shift & 0xff) + 1]++;
        for (size_t d = 0; d < 256; d++)
            starts[d + 1] += starts[d];
        for (size_t i = 0; i < s->count; i++)
            s->scratch[starts[s->entries[i].hash >> shift & 0xff]++] = s->entries[i];
        struct entry *spare = s->entries;
        s->entries = s->scratch;
        s->scratch = spare;
    }
}

static int open_file(struct order_sort *s, struct error *e)
{
    const char *folder = getenv("TMPDIR");
    char name[4096];
    if (!folder || !*folder)
        folder = "/tmp";
    if (snprintf(name, sizeof(name), "%s/tally-verify-XXXXXX", folder) >= (int)sizeof(name))
        return error_set(e, TLY_EIO, folder, "the name of the temporary folder is too long");
    s->fd = mkstemp(name);
    if (s->fd < 0)
        return error_set(e, TLY_EIO, folder, "no temporary file: %s", strerror(errno));
    unlink(name);
    return 0;
}

static int spill(struct order_sort *s, struct error *e)
{
    if (s->fd < 0) {
        int code = open_file(s, e);
        if (code)
            return code;
    }
    if (s->run_count == RUNS_MAX)
        return error_set(e, TLY_EFULL, "", "more than %zu order_ids",
                         (size_t)RUNS_MAX * s->capacity);
    sort(s);
    const char *p = (const char *)s->entries;
    size_t left = s->count * sizeof(struct entry);
    while (left > 0) {
        ssize_t n = write(s->fd, p, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(e, TLY_EIO, "", "writing the temporary file: %s", strerror(errno));
        p += n;
        left -= (size_t)n;
    }
    s->runs[s->run_count++] = (struct run){.next = s->written, .end = s->written + (off_t)s->count};
    s->written += (off_t)s->count;
    s->count = 0;
    return 0;
}

int order_sort_add(struct order_sort *s, uint64_t hash, int64_t seq, struct error *e)
{
    if (s->count == s->capacity) {
        int code = spill(s, e);
        if (code)
            return code;
    }
    s->entries[s->count++] = (struct entry){hash, seq};
    return 0;
}

/* More of the run into its window; an empty window afterwards means that it is at its end. */
static int refill(struct order_sort *s, struct run *r, struct error *e)
{
    size_t want = (size_t)(r->end - r->next);
    if (want > WINDOW_ENTRIES)
        want = WINDOW_ENTRIES;
    size_t bytes = want * sizeof(struct entry), got = 0;
    while (got < bytes) {
        ssize_t n = pread(s->fd, (char *)r->window + got, bytes - got,
                          r->next * (off_t)sizeof(struct entry) + (off_t)got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set(e, TLY_EIO, "", "reading the temporary file: %s",
                             n < 0 ? strerror(errno) : "it is cut short");
        got += (size_t)n;
    }
    r->next += (off_t)want;
    r->at = 0;
    r->filled = want;
    return 0;
}

/* Heap order of runs: by the hash at their front, then by age. */
static bool before(const struct order_sort *s, size_t a, size_t b)
{
    uint64_t x = s->runs[a].window[s->runs[a].at].hash;
    uint64_t y = s->runs[b].window[s->runs[b].at].hash;
    return x != y ? x < y : a < b;
}

static void sift_down(const struct order_sort *s, size_t *heap, size_t count, size_t i)
{
    for (;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < count; child++) {
            if (before(s, heap[child], heap[least]))
                least = child;
        }
        if (least == i)
            return;
        size_t spare = heap[i];
        heap[i] = heap[least];
        heap[least] = spare;
        i = least;
    }
}

struct pairs {
    int (*same)(void *context, int64_t earlier, int64_t later, struct error *e);
    void *context;
    struct entry previous;
    bool has_previous;
};

static int offer(struct pairs *p, const struct entry *entry, struct error *e)
{
    int code = 0;
    if (p->has_previous && p->previous.hash == entry->hash)
        code = p->same(p->context, p->previous.seq, entry->seq, e);
    p->previous = *entry;
    p->has_previous = true;
    return code;
}

static int merge(struct order_sort *s, struct pairs *pairs, struct error *e)
{
    size_t heap[RUNS_MAX];
    size_t count = s->run_count;
    int code = 0;
    for (size_t i = 0; i < count && !code; i++) {
        s->runs[i].window = calloc(WINDOW_ENTRIES, sizeof(struct entry));
        if (!s->runs[i].window)
            return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
        heap[i] = i;
        code = refill(s, &s->runs[i], e);
    }
    for (size_t i = count; i-- > 0 && !code;)
        sift_down(s, heap, count, i);
    while (count > 0 && !code) {
        struct run *r = &s->runs[heap[0]];
        code = offer(pairs, &r->window[r->at++], e);
        if (!code && r->at == r->filled)
            code = refill(s, r, e);
        if (!code && r->at == r->filled)
            heap[0] = heap[--count];
        sift_down(s, heap, count, 0);
    }
    return code;
}

int order_sort_finish(struct order_sort *s,
                      int (*same)(void *context, int64_t earlier, int64_t later, struct error *e),
                      void *context, struct error *e)
{
    struct pairs pairs = {.same = same, .context = context};
    int code = 0;
    if (s->run_count > 0) {
        code = s->count > 0 ? spill(s, e) : 0;
        return code ? code : merge(s, &pairs, e);
    }
    sort(s);
    for (size_t i = 0; i < s->count && !code; i++)
        code = offer(&pairs, &s->entries[i], e);
    return code;
}
