/* page.h - pages of events: made by one thread, then constant, and shared by all who hold them. */
#ifndef TALLY_BUS_PAGE_H
#define TALLY_BUS_PAGE_H

#include "bus/bus.h"
#include "bus/event.h"

enum {
    PAGE_BYTES = 64 << 10, /* a page is full when it has as many, */
    PAGE_EVENTS = 512,     /* or so many events */
    PAGES_KEPT_MAX = 256,
};

/* A page in the making. */
struct page_maker {
    struct event_namer namer;
    uint8_t form;
    struct arena arena; /* of the bytes, and of what encoding needs */
    struct writer bytes;
    struct event_mark marks[PAGE_EVENTS];
    uint32_t count;
    int failed;
};

void page_begin(struct page_maker *m, uint8_t form);
/* True if the page is full: this was its last event. */
bool page_add(struct page_maker *m, const struct move *move);
bool page_full(const struct page_maker *m);
/* NULL when memory is short. The caller is its first holder. */
struct event_page *page_end(struct page_maker *m, int64_t after, int64_t upto);
size_t page_memory(const struct event_page *page); /* bytes, all of it */

/* The pages that were made last, oldest first; the owner's thread only. */
struct page_shelf {
    struct event_page *pages[PAGES_KEPT_MAX];
    uint32_t count;
    size_t bytes, bytes_max;
};

/* A page that goes on right behind `after` or has it inside; the caller holds it, too. Or NULL. */
struct event_page *page_shelf_find(const struct page_shelf *s, uint8_t form, int64_t after);
void page_shelf_put(struct page_shelf *s, struct event_page *page);
/* Pages that begin before `start` go: what came behind them may not be kept any more. */
void page_shelf_drop_before(struct page_shelf *s, int64_t start);
void page_shelf_clear(struct page_shelf *s);

#endif
