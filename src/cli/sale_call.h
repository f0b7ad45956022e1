/* sale_call.h - what `tally sale` and `tally group` share: the terms of a sale as flags, calls on
 * one sale or group. */
#ifndef TALLY_CLI_SALE_CALL_H
#define TALLY_CLI_SALE_CALL_H

#include "cli/views.h"

struct sale_flags {
    const char *title, *starts_at, *ends_at, *queue;
    struct option_list lots, skus;
    /* -1: not given */
    int64_t starts_in_ms, ends_in_ms;
    int64_t per_user_limit, per_order_limit, total_limit, hold_ms, payment_extend_ms_max;
    int64_t group_size, group_window_ms;
};

#define SALE_FLAGS_INIT                                                                            \
    (struct sale_flags)                                                                            \
    {                                                                                              \
        .starts_in_ms = -1, .ends_in_ms = -1, .per_user_limit = -1, .per_order_limit = -1,         \
        .total_limit = -1, .hold_ms = -1, .payment_extend_ms_max = -1, .group_size = -1,           \
        .group_window_ms = -1                                                                      \
    }

/* For the table of a subcommand; `f` is a pointer to struct sale_flags. */
#define SALE_FLAGS(f)                                                                                \
    {"title", "TEXT", OPTION_TEXT, &(f)->title, "what people call it", 0, 0},                        \
        {"lot", "LOT", OPTION_LIST, &(f)->lots, "a lot that it sells; may be repeated", 0, 0},       \
        {"sku",                                                                                      \
         "SKU",                                                                                      \
         OPTION_LIST,                                                                                \
         &(f)->skus,                                                                                 \
         "a sku that it sells, with all its lots; may be repeated",                                  \
         0,                                                                                          \
         0},                                                                                         \
        {"starts-at", "TIME", OPTION_TEXT, &(f)->starts_at, "2026-11-22T10:00:00Z", 0, 0},           \
        {"starts-in-ms",       "N", OPTION_NUMBER, &(f)->starts_in_ms,                               \
         "the same, from now", 0,   SALE_MS_MAX},                                                    \
        {"ends-at", "TIME", OPTION_TEXT, &(f)->ends_at, "when it ends", 0, 0},                       \
        {"ends-in-ms", "N", OPTION_NUMBER, &(f)->ends_in_ms, "the same, from now", 0, SALE_MS_MAX},  \
        {"per-user-limit",                                                                           \
         "N",                                                                                        \
         OPTION_NUMBER,                                                                              \
         &(f)->per_user_limit,                                                                       \
         "units of one user; 0: no limit",                                                           \
         0,                                                                                          \
         INT32_MAX},                                                                                 \
        {"per-order-limit",                                                                          \
         "N",                                                                                        \
         OPTION_NUMBER,                                                                              \
         &(f)->per_order_limit,                                                                      \
         "units of one order; 0: no limit",                                                          \
         0,                                                                                          \
         INT32_MAX},                                                                                 \
        {"total-limit",                                                                              \
         "N",                                                                                        \
         OPTION_NUMBER,                                                                              \
         &(f)->total_limit,                                                                          \
         "units that are allotted to it; 0: all",                                                    \
         0,                                                                                          \
         INT32_MAX},                                                                                 \
        {"hold-ms",  "N", OPTION_NUMBER, &(f)->hold_ms, "how long its orders are held, at most", 0,  \
         SALE_MS_MAX},                                                                               \
        {"payment-extend-ms-max",         "N", OPTION_NUMBER, &(f)->payment_extend_ms_max,           \
         "how far `tally extend` may go", 0,   SALE_MS_MAX},                                         \
        {"group-size", "N", OPTION_NUMBER, &(f)->group_size, "groups of so many buyers; 0: none", 0, \
         1000},                                                                                      \
        {"group-window-ms",                                                                          \
         "N",                                                                                        \
         OPTION_NUMBER,                                                                              \
         &(f)->group_window_ms,                                                                      \
         "how long a group has to be paid",                                                          \
         1,                                                                                          \
         SALE_MS_MAX},                                                                               \
    {                                                                                                \
        "queue", "MODE", OPTION_TEXT, &(f)->queue, "a waiting room: FIRST_COME, DRAWN; or none",     \
            0, 0                                                                                     \
    }
#define SALE_MS_MAX INT64_C(31536000000)

/* The flags as members of `body`; false: a value is no UTF-8 text, or memory is short. */
bool sale_flags_set(const struct sale_flags *f, json_t *body);
/* `method` on /v1/sales/{sale_id} and what is behind it. */
int sale_call(const struct client_options *o, const struct usage *usage, const char *method,
              const char *sale_id, const char *verb, json_t *body);
/* The same on /v1/groups/{group_id}. */
int group_call(const struct client_options *o, const struct usage *usage, const char *method,
               const char *group_id, const char *verb, json_t *body);
/* Joins the line of a sale's waiting room, and prints the ticket. */
int queue_call(const struct client_options *o, const struct usage *usage, const char *sale_id,
               json_t *body);
/* Makes the call, and prints the sale or the group. */
int client_show_sale(const struct client_options *o, const struct client_call *call);
int client_show_group(const struct client_options *o, const struct client_call *call);
int print_sales(const json_t *sales);

#endif
