/* again_book.c - see again_book.h. Failures: want of memory at the start; a book that is full
 * refuses and remembers that it did. */
#include "bus/again_book.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { PLACE_REST, PLACE_READY, PLACE_COOLING };

#define NS_PER_MS UINT64_C(1000000)

int again_book_init(struct again_book *b, uint32_t max, int64_t window_ms)
{
    uint32_t buckets = 1;
    memset(b, 0, sizeof *b);
    while (buckets < max)
        buckets *= 2;
    b->entries = calloc(max, sizeof *b->entries);
    b->buckets = calloc(buckets, sizeof(struct again_entry *));
    if (!b->entries || !b->buckets) {
        again_book_close(b);
        return TLY_ENO_MEMORY;
    }
    b->max = max;
    b->bucket_mask = buckets - 1;
    b->window_ns = (uint64_t)window_ms * NS_PER_MS;
    for (uint32_t i = max; i-- > 0;) {
        b->entries[i].next = b->unused;
        b->unused = &b->entries[i];
    }
    return 0;
}

void again_book_close(struct again_book *b)
{
    free(b->entries);
    free(b->buckets);
    b->entries = NULL;
    b->buckets = NULL;
}

/* ---- queues ---- */

static void put_last(struct again_queue *q, struct again_entry *entry, uint8_t place)
{
    entry->next = NULL;
    entry->place = place;
    if (q->last)
        q->last->next = entry;
    else
        q->first = entry;
    q->last = entry;
}

static struct again_entry *take_first(struct again_queue *q)
{
    struct again_entry *entry = q->first;
    if (!entry)
        return NULL;
    q->first = entry->next;
    if (!q->first)
        q->last = NULL;
    entry->next = NULL;
    entry->place = PLACE_REST;
    return entry;
}

/* The newest of those that are asked for. */
static void enlist(struct again_book *b, struct again_entry *entry, int64_t seq, uint64_t now_ns)
{
    entry->asked = true;
    entry->asked_ns = now_ns;
    entry->first_seq = seq;
    entry->newer = NULL;
    entry->older = b->newest;
    if (b->newest)
        b->newest->newer = entry;
    else
        b->oldest = entry;
    b->newest = entry;
    b->asked_count++;
}

static void delist(struct again_book *b, struct again_entry *entry)
{
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        b->oldest = entry->newer;
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        b->newest = entry->older;
    entry->asked = false;
    b->asked_count--;
}

/* ---- the table ---- */

static uint32_t bucket_of(const struct again_book *b, struct str key)
{
    return (uint32_t)hash64(key, 0) & b->bucket_mask;
}

static struct again_entry *find(const struct again_book *b, struct str key, uint32_t bucket)
{
    for (struct again_entry *entry = b->buckets[bucket]; entry; entry = entry->same_hash) {
        if (entry->key_size == key.len && memcmp(entry->key, key.p, key.len) == 0)
            return entry;
    }
    return NULL;
}

static struct again_entry *add(struct again_book *b, struct str key, uint32_t bucket)
{
    struct again_entry *entry = b->unused;
    if (!entry)
        return NULL;
    b->unused = entry->next;
    memset(entry, 0, sizeof *entry);
    memcpy(entry->key, key.p, key.len);
    entry->key_size = (uint8_t)key.len;
    entry->bucket = bucket;
    entry->same_hash = b->buckets[bucket];
    b->buckets[bucket] = entry;
    return entry;
}

/* It stands in no queue, and nothing of it is asked for. */
static void drop(struct again_book *b, struct again_entry *entry)
{
    struct again_entry **link = &b->buckets[entry->bucket];
    while (*link != entry)
        link = &(*link)->same_hash;
    *link = entry->same_hash;
    entry->next = b->unused;
    b->unused = entry;
}

/* ---- what is asked, sent and done ---- */

enum again_asked again_book_ask(struct again_book *b, struct str key, int64_t version, int64_t seq,
                                uint64_t now_ns)
{
    if (key.len > LOT_KEY_MAX) {
        b->overflowed_ns = now_ns;
        return AGAIN_REFUSED;
    }
    uint32_t bucket = bucket_of(b, key);
    struct again_entry *entry = find(b, key, bucket);
    bool coalesced = entry && entry->place != PLACE_REST;
    if (!entry && !(entry = add(b, key, bucket))) {
        b->overflowed_ns = now_ns;
        return AGAIN_REFUSED;
    }
    if (!entry->asked)
        enlist(b, entry, seq, now_ns);
    if (seq > entry->seq)
        entry->seq = seq;
    if (version > entry->version)
        entry->version = version;
    if (entry->place == PLACE_REST)
        put_last(&b->ready, entry, PLACE_READY);
    return coalesced ? AGAIN_COALESCED : AGAIN_NEW;
}

/* Windows that are over. */
static void open_windows(struct again_book *b, uint64_t now_ns)
{
    while (b->cooling.first && b->cooling.first->open_ns <= now_ns) {
        struct again_entry *entry = take_first(&b->cooling);
        if (!entry->asked)
            drop(b, entry);
        else if (entry->seq > entry->sent_seq)
            put_last(&b->ready, entry, PLACE_READY);
    }
}

const struct again_entry *again_book_send(struct again_book *b, uint64_t now_ns)
{
    open_windows(b, now_ns);
    for (;;) {
        struct again_entry *entry = take_first(&b->ready);
        if (!entry)
            return NULL;
        if (!entry->asked) {
            drop(b, entry);
            continue;
        }
        entry->sent_seq = entry->seq;
        entry->open_ns = now_ns + b->window_ns;
        put_last(&b->cooling, entry, PLACE_COOLING);
        return entry;
    }
}

void again_book_unsend(struct again_book *b, const struct again_entry *sent)
{
    struct again_entry *last = b->cooling.first, *entry = b->cooling.last;
    if (!entry || entry != sent)
        return;
    if (last == entry) {
        b->cooling = (struct again_queue){0};
    } else {
        while (last->next != entry)
            last = last->next;
        last->next = NULL;
        b->cooling.last = last;
    }
    entry->sent_seq = 0;
    entry->place = PLACE_READY;
    entry->next = b->ready.first;
    b->ready.first = entry;
    if (!b->ready.last)
        b->ready.last = entry;
}

uint64_t again_book_due_ns(const struct again_book *b)
{
    return b->ready.first ? 0 : b->cooling.first ? b->cooling.first->open_ns : UINT64_MAX;
}

static void done(struct again_book *b, struct again_entry *entry, int64_t seq, uint64_t now_ns)
{
    if (!entry->asked || entry->first_seq > seq)
        return;
    delist(b, entry);
    if (entry->seq > seq)
        enlist(b, entry, seq + 1, now_ns);
    else if (entry->place == PLACE_REST)
        drop(b, entry);
}

void again_book_done(struct again_book *b, struct str key, int64_t seq, uint64_t now_ns)
{
    struct again_entry *entry = key.len <= LOT_KEY_MAX ? find(b, key, bucket_of(b, key)) : NULL;
    if (entry)
        done(b, entry, seq, now_ns);
}

void again_book_done_upto(struct again_book *b, int64_t seq, uint64_t now_ns)
{
    struct again_entry *entry = b->oldest, *last = b->newest;
    while (entry) {
        struct again_entry *newer = entry == last ? NULL : entry->newer;
        done(b, entry, seq, now_ns);
        entry = newer;
    }
}

uint64_t again_book_oldest_ns(const struct again_book *b)
{
    return b->oldest ? b->oldest->asked_ns : UINT64_MAX;
}

int64_t again_book_lowest_seq(const struct again_book *b)
{
    int64_t lowest = INT64_MAX;
    for (const struct again_entry *entry = b->oldest; entry; entry = entry->newer) {
        if (entry->first_seq < lowest)
            lowest = entry->first_seq;
    }
    return lowest;
}
