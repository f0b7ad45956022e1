/* feed.h - the port of feeds: messages that come to the server by themselves, new batches and
 * corrections, a document of them at a time.
 *
 *     take() ──► rows of the document ──► reject() what cannot be used ──► finish()
 *
 * A document is handed out until it is finished: after a kill it comes again, with the same id, so
 * that whoever takes it makes each of its messages count once. Adapters: files that are renamed
 * into a folder (feed_files.h), documents in memory (feed_memory.h). One thread.
 */
#ifndef TALLY_BUS_FEED_H
#define TALLY_BUS_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum { FEED_ID_SIZE = 33 };

/* Until it is finished. */
struct feed_document {
    struct str name;       /* for people */
    char id[FEED_ID_SIZE]; /* of this document, each time it is handed out; 32 hex digits */
    bool json_lines;       /* else CSV with a header */
    const void *context;   /* as in struct stock_input */
    long (*read_at)(const void *context, uint64_t offset, void *to, size_t size);
};

/* Why a message cannot be used. */
struct feed_reject {
    uint32_t line;
    struct str column;
    struct str reason;
    struct str message; /* as it can be put into a document again; may be empty */
};

struct feed;

struct feed_ops {
    /* 1: `out` is the next document; 0: there is none now; or an error, after which it is worth
     * trying again later. Not before the last one is finished. */
    int (*take)(struct feed *f, struct feed_document *out, struct error *e);
    /* Puts a message into the dead-letter place; durable with finish().
     * `header`: what stands before all messages of the document. */
    int (*reject)(struct feed *f, struct str header, const struct feed_reject *r, struct error *e);
    /* All that the document says has been committed, or rejected: it does not come again.
     * `applied`: some of it was of use. On failure it may be called again. */
    int (*finish)(struct feed *f, bool applied, struct error *e);
    /* Not finished: it comes again. */
    void (*give_back)(struct feed *f);
    /* Readable when take() may find something; -1: there is none. */
    int (*wait_fd)(const struct feed *f);
    /* After wait_fd() was readable, before take(). */
    void (*woken)(struct feed *f);
    void (*destroy)(struct feed *f);
};

struct feed {
    const struct feed_ops *ops;
};

#endif
