/* rules.h - what a valid value of each field is. Pure functions: no allocation, no state; the
 * service and the command line check by the same rules.
 *
 * Each returns 0, or TLY_EINVALID_ARGUMENT with the field's name in e->field and in e->text a
 * sentence "<field>: <rule>, <what it is>". `field` is the caller's name for the value. None of
 * them takes an empty value: whether a field may be left out is the caller's business.
 */
#ifndef TALLY_SERVICE_RULES_H
#define TALLY_SERVICE_RULES_H

#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/str.h"

/* e->text becomes "<field>: <format...>". Returns TLY_EINVALID_ARGUMENT. */
int rule_broken(struct error *e, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* 1 to max bytes of UTF-8 (valid already) without control characters: ids, reasons. */
int rule_text(struct str text, size_t max, const char *field, struct error *e) MUST_CHECK;
/* [A-Za-z0-9][A-Za-z0-9._-]*, at most SKU_MAX */
int rule_sku(struct str sku, const char *field, struct error *e) MUST_CHECK;
/* A lower-case word: [a-z][a-z0-9]*, several joined by '-' or '_'; at most FLAVOR_MAX. */
int rule_flavor(struct str flavor, const char *field, struct error *e) MUST_CHECK;
/* ... and one of the comma-separated `allowed`, unless that is empty. */
int rule_flavor_allowed(struct str flavor, struct str allowed, const char *field,
                        struct error *e) MUST_CHECK;
/* BATCH-YYYYMMDD-X with a real date and X in A-Z. */
int rule_batch(struct str batch, const char *field, struct error *e) MUST_CHECK;
/* YYYY-MM-DD, a real date from 1970 on; as days since 1970-01-01. */
int rule_date(struct str date, const char *field, int32_t *days, struct error *e) MUST_CHECK;
/* sku#hhhhhhhh, lower-case hex */
int rule_lot_key(struct str key, const char *field, struct error *e) MUST_CHECK;
int rule_quantity(int64_t quantity, int64_t min, const char *field, struct error *e) MUST_CHECK;

/* Normalises a size. Its grammar, letters in either case:
 *     size    = number [spaces] unit 1*(space | "_" | "-") package
 *     number  = digits [("." | ",") digits]
 *     unit    = "ml" | "cl" | "dl" | "l" | "hl" | "g" | "kg" | "pcs" | "pc"
 *     package = letter *(letter | digit)
 * The result is <whole number><ml | g | pcs>_<package> in lower case: "0.33 L can" is 330ml_can.
 * A number that is not whole in ml, g or pcs, is 0, or over SIZE_NUMBER_MAX is refused. */
enum { SIZE_NUMBER_MAX = 10000000 };
int rule_size(struct str size, const char *field, char out[SIZE_MAX_BYTES + 1],
              struct error *e) MUST_CHECK;

/* What a flavor, a size or a batch may be, if the setting `dimensions` is free: 1 to DIMENSION_MAX
 * bytes of printable text (UTF-8, valid already) without '|', when spaces around it are taken away.
 * *out is the part of `text` that is left. */
int rule_free(struct str text, const char *field, struct str *out, struct error *e) MUST_CHECK;

/* By which rules dimensions are checked: the setting `dimensions`. */
enum dimension_rules { DIMENSIONS_DRINKS, DIMENSIONS_FREE };

/* The three dimensions by either, normalised. *out is a part of `text`, or stands in `room`. */
int rule_dimension_flavor(enum dimension_rules rules, struct str text, struct str *out,
                          struct error *e) MUST_CHECK;
int rule_dimension_size(enum dimension_rules rules, struct str text, struct str *out,
                        char room[SIZE_MAX_BYTES + 1], struct error *e) MUST_CHECK;
int rule_dimension_batch(enum dimension_rules rules, struct str text, struct str *out,
                         struct error *e) MUST_CHECK;

/* Writes YYYY-MM-DD and a zero. */
enum { DATE_SIZE = 11 };
void date_format(int32_t days, char out[DATE_SIZE]);

#endif
