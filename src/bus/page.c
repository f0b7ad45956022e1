/* page.c - see page.h. Failure: memory; then there is no page. */
#include "bus/page.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { PAGE_ARENA_MAX = 16 << 20 }; /* far above a page and its largest event */

void page_begin(struct page_maker *m, uint8_t form)
{
    m->form = form;
    m->count = 0;
    m->failed = 0;
    arena_init(&m->arena, NULL, 0, PAGE_ARENA_MAX);
    writer_init(&m->bytes, &m->arena, PAGE_BYTES + PAGE_BYTES / 4);
}

static size_t bytes_so_far(const struct page_maker *m)
{
    return (size_t)(m->bytes.p - m->bytes.start);
}

static void add_sse(struct page_maker *m, const struct move *move)
{
    WRITER_LITERAL(&m->bytes, "id: ");
    writer_decimal(&m->bytes, move->seq);
    WRITER_LITERAL(&m->bytes, "\ndata: ");
    event_put_json(&m->bytes, move, &m->namer);
    WRITER_LITERAL(&m->bytes, "\n\n");
}

/* The message is encoded apart, so that the arena's end stays the page's. */
static void add_grpc(struct page_maker *m, const struct move *move)
{
    enum { MESSAGE_ARENA_MAX = 1 << 20 };
    char buffer[4096];
    struct arena scratch;
    arena_init(&scratch, buffer, sizeof buffer, MESSAGE_ARENA_MAX);
    if (event_put_grpc(&m->bytes, move, &m->namer, &scratch))
        m->failed = TLY_ENO_MEMORY;
    arena_close(&scratch);
}

bool page_full(const struct page_maker *m)
{
    return m->count == PAGE_EVENTS || bytes_so_far(m) >= PAGE_BYTES;
}

bool page_add(struct page_maker *m, const struct move *move)
{
    if (m->form == EVENT_SSE)
        add_sse(m, move);
    else
        add_grpc(m, move);
    if (m->bytes.failed)
        m->failed = TLY_ENO_MEMORY;
    if (m->failed)
        return true;
    m->marks[m->count++] = (struct event_mark){.id = move->seq, .end = (uint32_t)bytes_so_far(m)};
    return page_full(m);
}

struct event_page *page_end(struct page_maker *m, int64_t after, int64_t upto)
{
    size_t marks = m->count * sizeof m->marks[0], size = bytes_so_far(m);
    struct event_page *page = m->failed ? NULL : malloc(sizeof *page + marks + size);
    if (page) {
        char *behind = (char *)(page + 1);
        *page = (struct event_page){.holders = 1,
                                    .form = m->form,
                                    .after = after,
                                    .upto = upto,
                                    .count = m->count,
                                    .size = (uint32_t)size,
                                    .marks = (struct event_mark *)(void *)behind,
                                    .bytes = behind + marks};
        memcpy(behind, m->marks, marks);
        memcpy(behind + marks, m->bytes.start, size);
    }
    arena_close(&m->arena);
    return page;
}

size_t page_memory(const struct event_page *page)
{
    return sizeof *page + page->count * sizeof page->marks[0] + page->size;
}

void event_page_release(struct event_page *page)
{
    if (page && atomic_fetch_sub_explicit(&page->holders, 1, memory_order_acq_rel) == 1)
        free(page);
}

struct event_page *page_shelf_find(const struct page_shelf *s, uint8_t form, int64_t after)
{
    for (uint32_t i = s->count; i > 0; i--) {
        struct event_page *page = s->pages[i - 1];
        if (page->form != form || after < page->after || after >= page->upto)
            continue;
        atomic_fetch_add_explicit(&page->holders, 1, memory_order_relaxed);
        return page;
    }
    return NULL;
}

static void drop(struct page_shelf *s, uint32_t i)
{
    struct event_page *page = s->pages[i];
    s->bytes -= page_memory(page);
    s->count--;
    memmove(s->pages + i, s->pages + i + 1, (s->count - i) * sizeof s->pages[0]);
    event_page_release(page);
}

void page_shelf_drop_before(struct page_shelf *s, int64_t start)
{
    for (uint32_t i = s->count; i > 0; i--) {
        if (s->pages[i - 1]->after < start)
            drop(s, i - 1);
    }
}

void page_shelf_put(struct page_shelf *s, struct event_page *page)
{
    size_t size = page_memory(page);
    if (size > s->bytes_max)
        return;
    while (s->count == PAGES_KEPT_MAX || s->bytes + size > s->bytes_max)
        drop(s, 0);
    s->pages[s->count++] = page;
    s->bytes += size;
    atomic_fetch_add_explicit(&page->holders, 1, memory_order_relaxed);
}

void page_shelf_clear(struct page_shelf *s)
{
    while (s->count)
        drop(s, 0);
}
