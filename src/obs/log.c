/* log.c - one JSON object a line, written with one write().
 *
 * Happy path: level check, count against the event's burst, format on the stack, write.
 *
 * Failure: text that is not UTF-8 is shown with U+FFFD in place of the bad bytes; a field that does
 * not fit is left out with those after it; a failed write is ignored, there is nobody to tell.
 */
#include "obs/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    EVENTS_MAX = 64,   /* events that are counted; others are not limited */
    CLOSING_BYTES = 3, /* quote, brace, newline: always kept free */
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static _Atomic int level_least = LOG_INFO;

/* Lines of an event in the current second; guarded by the lock. */
struct burst {
    const char *event;
    int64_t second;
    uint32_t lines;
    uint32_t left_out;
};

static struct {
    pthread_mutex_t lock;
    struct burst bursts[EVENTS_MAX];
    bool left_out; /* some burst has lines to tell of */
} limiter = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct line {
    size_t size;
    bool full;
    char text[LOG_LINE_MAX];
};

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&level_least, (int)level, memory_order_relaxed);
}

int log_level_parse(const char *name)
{
    for (int i = 0; i < (int)(sizeof level_names / sizeof level_names[0]); i++)
        if (strcmp(name, level_names[i]) == 0)
            return i;
    return -1;
}

static void line_add(struct line *l, const char *text, size_t size)
{
    if (l->full || l->size + size > sizeof l->text - CLOSING_BYTES) {
        l->full = true;
        return;
    }
    memcpy(l->text + l->size, text, size);
    l->size += size;
}

/* Bytes of the UTF-8 character at `p`, or 0 if there is none (RFC 3629). */
static size_t utf8_size(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t size = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool surrogate = p[0] == 0xed && p[1] >= 0xa0;
    bool beyond = p[0] == 0xf4 && p[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : size;
}

static void line_add_escaped(struct line *l, struct str text)
{
    const unsigned char *p = (const unsigned char *)text.p;
    for (size_t i = 0; i < text.len && !l->full;) {
        size_t size = utf8_size(p + i, text.len - i);
        char escape[8];
        if (size == 0) {
            line_add(l, "\xef\xbf\xbd", 3);
            size = 1;
        } else if (p[i] == '"' || p[i] == '\\') {
            line_add(l, (const char[]){'\\', (char)p[i]}, 2);
        } else if (p[i] < 0x20 || p[i] == 0x7f) {
            snprintf(escape, sizeof escape, "\\u%04x", p[i]);
            line_add(l, escape, 6);
        } else {
            line_add(l, text.p + i, size);
        }
        i += size;
    }
}

static void line_begin(struct line *l, enum log_level level, const char *event, int64_t now_ms)
{
    char time_text[RFC3339_SIZE];
    rfc3339_format(now_ms, time_text);
    l->full = false;
    l->size = (size_t)snprintf(l->text, sizeof l->text / 2,
                               "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", time_text,
                               level_names[level], event);
}

static void line_add_field(struct line *l, const struct log_field *f)
{
    size_t before = l->size;
    line_add(l, ",\"", 2);
    line_add(l, f->name, strlen(f->name));
    line_add(l, "\":", 2);
    if (f->kind == LOG_NUMBER) {
        char digits[24];
        int size = snprintf(digits, sizeof digits, "%" PRId64, f->number);
        line_add(l, digits, (size_t)size);
    } else {
        line_add(l, "\"", 1);
        if (!l->full) {
            line_add_escaped(l, f->text);
            l->text[l->size++] = '"';
            return;
        }
    }
    if (l->full)
        l->size = before;
}

static void line_write(struct line *l)
{
    l->text[l->size++] = '}';
    l->text[l->size++] = '\n';
    ssize_t written = write(STDERR_FILENO, l->text, l->size);
    (void)written;
}

/* The event's count; NULL if there are too many events. */
static struct burst *burst_of(const char *event)
{
    for (int i = 0; i < EVENTS_MAX; i++) {
        struct burst *b = &limiter.bursts[i];
        if (!b->event)
            b->event = event;
        if (b->event == event || strcmp(b->event, event) == 0)
            return b;
    }
    return NULL;
}

/* Tells of lines that were left out in seconds before this one. */
static void tell_left_out(int64_t now_ms)
{
    bool more = false;
    for (int i = 0; i < EVENTS_MAX && limiter.bursts[i].event; i++) {
        struct burst *b = &limiter.bursts[i];
        if (b->left_out == 0)
            continue;
        if (b->second == now_ms / 1000) {
            more = true;
            continue;
        }
        struct line l;
        line_begin(&l, LOG_WARN, "log.left_out", now_ms);
        line_add_field(&l, &(struct log_field)log_text("of", b->event));
        line_add_field(&l, &(struct log_field)log_int("lines", b->left_out));
        line_write(&l);
        b->left_out = 0;
    }
    limiter.left_out = more;
}

/* False if the event has had its lines of this second. */
static bool line_allowed(const char *event, int64_t now_ms)
{
    bool allowed = true;
    pthread_mutex_lock(&limiter.lock);
    if (limiter.left_out)
        tell_left_out(now_ms);
    struct burst *b = burst_of(event);
    if (b) {
        if (b->second != now_ms / 1000) {
            b->second = now_ms / 1000;
            b->lines = 0;
        }
        allowed = b->lines < LOG_BURST;
        if (allowed) {
            b->lines++;
        } else {
            b->left_out++;
            limiter.left_out = true;
        }
    }
    pthread_mutex_unlock(&limiter.lock);
    return allowed;
}

void log_fields(enum log_level level, const char *event, const struct log_field *fields)
{
    if ((int)level < atomic_load_explicit(&level_least, memory_order_relaxed))
        return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (!line_allowed(event, now_ms))
        return;
    struct line l;
    line_begin(&l, level, event, now_ms);
    for (const struct log_field *f = fields; f->name && !l.full; f++)
        line_add_field(&l, f);
    line_write(&l);
}
