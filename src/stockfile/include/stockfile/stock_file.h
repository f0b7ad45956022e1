/* stock_file.h - a stock file as rows that say what a lot's stock is: CSV with a header, or a JSON
 * object on each line.
 *
 *   text.h -> csv.h -> columns to fields (mapping) -> fields checked by the rules of the service
 *
 * All faults of a row are told, each with its line, its column as the file calls it, the rule and
 * what is in the cell; reading goes on. What a file has no column for is not given: nothing is said
 * about it. Nothing here knows a server.
 */
#ifndef TALLY_STOCKFILE_STOCK_FILE_H
#define TALLY_STOCKFILE_STOCK_FILE_H

#include "base/limits.h"
#include "stockfile/text.h"

#define STOCK_FIELDS(X) X(sku) X(flavor) X(size) X(batch) X(expires_on) X(quantity)
/* What messages of a feed may say besides. */
#define STOCK_MESSAGE_FIELDS(X) X(lot) X(delta) X(reason) X(message_id)

enum stock_field {
#define X(name) STOCK_##name,
    STOCK_FIELDS(X) STOCK_MESSAGE_FIELDS(X)
#undef X
        STOCK_FIELD_COUNT
};
enum { STOCK_FILE_FIELDS = STOCK_quantity + 1 }; /* of a file that is not of messages */

extern const char *const stock_field_names[STOCK_FIELD_COUNT];
/* A file's field by its name, with case, blanks, '-' and '_' forgiven; -1: there is none. */
int stock_field_parse(struct str name);

/* ---- which column is which field ---- */

enum { STOCK_MAPPED_MAX = 128, STOCK_COLUMN_MAX = 128 };

enum { MAPPED_IGNORED = -1 };

struct stock_mapped {
    char column[STOCK_COLUMN_MAX];
    int field;     /* enum stock_field, or MAPPED_IGNORED */
    bool optional; /* the file need not have it: it comes from a saved mapping */
};

struct stock_mapping {
    struct stock_mapped mapped[STOCK_MAPPED_MAX];
    uint32_t count;
    const char *set[STOCK_FIELD_COUNT]; /* the value in all rows; NULL: none */
    bool ignore_others;                 /* columns that are neither mapped nor fields */
};

/* "COLUMN=field"; the field `-` ignores the column, and "*=-" all that are none. 0 or
 * TLY_EINVALID_ARGUMENT. */
int stock_mapping_add(struct stock_mapping *m, struct str text, bool optional,
                      struct error *e) MUST_CHECK;
/* Lines of the same, with "set field=value" among them; empty lines and those that begin with '#'
 * say nothing. `text` is changed, and must outlive the mapping. */
int stock_mapping_read(struct stock_mapping *m, char *text, struct error *e) MUST_CHECK;
/* "field=value"; `text` must outlive the mapping. */
int stock_mapping_set(struct stock_mapping *m, const char *text, struct error *e) MUST_CHECK;

/* ---- rows ---- */

/* By which rules flavors, sizes and batches are checked (the setting `dimensions`). */
enum stock_rules { STOCK_DRINKS, STOCK_FREE };

struct stock_row {
    uint32_t line;
    bool given[STOCK_FIELD_COUNT];
    struct str fields[STOCK_FIELD_COUNT]; /* normalised; until the next row */
    const char
        *columns[STOCK_FIELD_COUNT]; /* as the file calls them; as long as the file is open */
    int64_t quantity;
    int64_t delta;
    int32_t days;              /* expires_on, as days since 1970-01-01 */
    char key[LOT_KEY_MAX + 1]; /* of the lot; "": not all its dimensions are given */
    bool rewritten;            /* the size was written otherwise than it is kept */
    char normalised[STOCK_FIELD_COUNT][SKU_MAX + 1];
};

enum stock_result { STOCK_ROW, STOCK_BAD_ROW, STOCK_END };

struct stock_file_config {
    const struct stock_mapping *mapping; /* NULL: columns have the fields' names */
    enum stock_encoding encoding;
    char delimiter; /* 0: found */
    bool json_lines;
    bool dimensions_needed; /* a row must give flavor, size and batch */
    bool messages;          /* rows are messages of a feed: a lot by key or by its dimensions, and
                               what it gets, `quantity` or `delta` */
    /* A fault; strings live until it returns. */
    void (*fault)(void *context, uint32_t line, const char *column, const char *text);
    void *context;
};

struct stock_file;

/* Opens it and reads the header. TLY_EINVALID_ARGUMENT: no row can be read (e->text begins with the
 * line where it is known); TLY_EIO; TLY_ENO_MEMORY. The config must outlive the file. */
int stock_file_open(struct stock_file **out, const struct stock_input *input,
                    const struct stock_file_config *config, struct error *e) MUST_CHECK;
void stock_file_close(struct stock_file *f);
/* Its faults were told. Rows can be read all the same, to tell theirs; none is to be applied. */
bool stock_file_header_bad(const struct stock_file *f);
/* STOCK_BAD_ROW: its faults were told; row->line is set, row->key where the lot is known all the
 * same. An input that cannot be read is a fault of its own. */
enum stock_result stock_file_next(struct stock_file *f, enum stock_rules rules,
                                  struct stock_row *row);
/* The row that was read last, or before the first one the header, as it can stand in a file of that
 * form again, in UTF-8: zero-ended, cut at `size`. Returns its length without a cut. */
size_t stock_file_message(const struct stock_file *f, char *out, size_t size);
enum stock_encoding stock_file_encoding(const struct stock_file *f);
char stock_file_delimiter(const struct stock_file *f);
uint64_t stock_file_taken(const struct stock_file *f); /* bytes of the input that were read */

/* ---- one field ---- */

/* A whole number from 0: "120", "120.0000", "120,00"; not "1.000", which means a thousand to some.
 */
int stock_quantity(struct str text, int64_t *out, struct error *e) MUST_CHECK;
/* The same with a sign, and not 0. */
int stock_delta(struct str text, int64_t *out, struct error *e) MUST_CHECK;
/* A date that begins with its year (2027-9-30, 2027/09/30, 2027-09-30 00:00:00) as YYYY-MM-DD; what
 * is none stays as it is. */
struct str stock_date(struct str text, char out[SKU_MAX + 1]);

#endif
