/* shop_internal.h - what the files of the shop share. */
#ifndef TALLY_TEST_SHOP_INTERNAL_H
#define TALLY_TEST_SHOP_INTERNAL_H

#include "shop.h"

void *calloc_or_die(size_t count, size_t size);
void shop_keep_row(struct shop *s, const struct move *m);
const struct line *shop_row_lines(const struct move *m);
/* What the first `rows` rows say of it; NULL if nothing. The caller frees it. */
struct reservation_record *shop_record(const struct shop *s, int64_t reservation_id, uint32_t rows);

/* Copies that live as long as the shop. */
void *shop_keep(struct shop *s, const void *data, size_t size);
struct str shop_keep_str(struct shop *s, struct str text);
const struct sale_terms *shop_keep_terms(struct shop *s, const struct sale_terms *terms);
void shop_prepare(struct reserve_command *r); /* its hash and fingerprint */
void shop_load_sales(struct shop *s);
void shop_answer_group(const struct shop *s, struct question *q);

#endif
