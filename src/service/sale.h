/* sale.h - what the calls about a sale share. */
#ifndef TALLY_SERVICE_SALE_H
#define TALLY_SERVICE_SALE_H

#include "service/service_internal.h"

enum { GROUP_SIZE_MIN = 2, SALES_PAGE_MAX = 100 };
#define GROUP_WINDOW_MS_MAX INT64_C(2592000000) /* 30 days */

int sale_no_memory(struct error *e);
/* The command, with room for its answer; of the sale of that name. */
int sale_prepare(struct call *c, enum command_kind kind, const char *sale_id,
                 struct error *e) MUST_CHECK;
/* One member of the terms each: checked, and set. */
int sale_time(const char *text, const char *field, int64_t *out, struct error *e) MUST_CHECK;
int sale_title(const char *text, struct error *e) MUST_CHECK;
int sale_duration(int64_t ms, int64_t max_ms, const char *field, struct error *e) MUST_CHECK;
/* `may_be_none`: size 0, or no mode, takes it away. */
int sale_group(const Tally__V1__GroupTerms *group, bool may_be_none, struct sale_terms *terms,
               struct error *e) MUST_CHECK;
int sale_queue(const Tally__V1__QueueTerms *queue, bool may_be_none, struct sale_terms *terms,
               struct error *e) MUST_CHECK;
/* Lots first; the engine finds a lot by its key, which stands as the item's sku. */
int sale_items(struct call *c, char *const *lots, size_t lot_count, char *const *skus,
               size_t sku_count, struct sale_terms *terms, struct error *e) MUST_CHECK;
/* The refusal of a command with items, of which the first `lot_count` are lots. */
void sale_refuse(struct service *s, struct call *c, size_t lot_count);
int show_sale(const struct service *s, Tally__V1__Sale *m, const struct sale_view *view,
              struct arena *a) MUST_CHECK;
void finish_sale(struct service *s, struct call *c, int status);

#endif
