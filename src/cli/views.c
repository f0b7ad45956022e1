/* views.c - tables for people. What is empty is left out. */
#include "cli/views.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/table.h"

static int finish(struct table *t, int indent)
{
    bool failed = t->failed;
    table_print(t, stdout, indent);
    table_close(t);
    if (failed)
        fputs("tally: out of memory; the table is not complete\n", stderr);
    return failed ? EXIT_FAILED : EXIT_DONE;
}

int print_lots(const json_t *lots)
{
    static const struct table_column columns[] = {
        {"LOT", false},     {"FLAVOR", false},   {"SIZE", false},
        {"BATCH", false},   {"EXPIRES", false},  {"ON HAND", true},
        {"RESERVED", true}, {"CONFIRMED", true}, {"AVAILABLE", true}};
    static const char *const texts[] = {"lot", "flavor", "size", "batch", "expires_on"};
    static const char *const numbers[] = {"on_hand", "reserved", "confirmed", "available"};
    struct table t;
    table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t i = 0; i < json_array_size(lots); i++) {
        const json_t *lot = json_array_get(lots, i);
        for (size_t c = 0; c < sizeof(texts) / sizeof(texts[0]); c++)
            table_text(&t, text_of(lot, texts[c]));
        for (size_t c = 0; c < sizeof(numbers) / sizeof(numbers[0]); c++)
            table_number(&t, number_of(lot, numbers[c]));
    }
    return finish(&t, 0);
}

int print_webhook_failures(const json_t *failures)
{
    static const struct table_column columns[] = {{"EVENT", false},     {"TYPE", false},
                                                  {"ATTEMPTS", true},   {"STATUS", true},
                                                  {"FAILED AT", false}, {"WHY", false}};
    struct table t;
    table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t i = 0; i < json_array_size(failures); i++) {
        const json_t *f = json_array_get(failures, i);
        table_text(&t, text_of(f, "id"));
        table_text(&t, text_of(f, "type"));
        table_number(&t, number_of(f, "attempts"));
        table_number(&t, number_of(f, "status"));
        table_text(&t, text_of(f, "failed_at"));
        table_text(&t, text_of(f, "why"));
    }
    return finish(&t, 0);
}

static void print_property(const char *name, const char *value)
{
    if (!*value)
        return;
    printf("%-12s  ", name);
    print_safely(value, stdout);
    putchar('\n');
}

void print_lot(const json_t *lot)
{
    print_property("lot", text_of(lot, "lot"));
    print_property("sku", text_of(lot, "sku"));
    print_property("flavor", text_of(lot, "flavor"));
    print_property("size", text_of(lot, "size"));
    print_property("batch", text_of(lot, "batch"));
    const char *expires_on = text_of(lot, "expires_on");
    print_property("expires", *expires_on ? expires_on : "never");
    printf("%-12s  %" PRId64 "\n", "on hand", number_of(lot, "on_hand"));
    printf("%-12s  %" PRId64 "\n", "reserved", number_of(lot, "reserved"));
    printf("%-12s  %" PRId64 "\n", "confirmed", number_of(lot, "confirmed"));
    printf("%-12s  %" PRId64 "\n", "available", number_of(lot, "available"));
    printf("%-12s  %" PRId64 "\n", "version", number_of(lot, "version"));
    if (json_is_true(json_object_get(lot, "withdrawn")))
        print_property("withdrawn", "yes");
    if (number_of(lot, "per_user_limit"))
        printf("%-12s  %" PRId64 "\n", "per user", number_of(lot, "per_user_limit"));
    if (number_of(lot, "backorder_limit"))
        printf("%-12s  %" PRId64 "\n", "backorder", number_of(lot, "backorder_limit"));
    print_property("expected", text_of(lot, "expected_on"));
}

static int print_lines(const json_t *lines)
{
    static const struct table_column columns[] = {{"LOT", false},        {"QUANTITY", true},
                                                  {"SHIPPED", true},     {"RETURNED", true},
                                                  {"BACKORDERED", true}, {"EXPECTED", false}};
    static const char *const after[] = {"shipped", "returned", "backordered"};
    struct table t;
    table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        table_text(&t, text_of(line, "lot"));
        table_number(&t, number_of(line, "quantity"));
        for (size_t j = 0; j < sizeof(after) / sizeof(after[0]); j++) {
            if (json_object_get(line, after[j]))
                table_number(&t, number_of(line, after[j]));
            else
                table_text(&t, "");
        }
        table_text(&t, text_of(line, "expected_on"));
    }
    return finish(&t, 2);
}

/* The first of a move's ids that it has. */
static const char *id_of(const json_t *move)
{
    static const char *const names[] = {"payment_id", "shipment_id", "return_id", "change_id"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (*text_of(move, names[i]))
            return text_of(move, names[i]);
    }
    return "";
}

static int print_moves(const json_t *moves)
{
    static const struct table_column columns[] = {
        {"AT", false},     {"MOVE", false}, {"QUANTITY", true}, {"DEADLINE", false},
        {"REASON", false}, {"ID", false},   {"SEQ", true}};
    struct table t;
    table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t i = 0; i < json_array_size(moves); i++) {
        const json_t *move = json_array_get(moves, i);
        table_text(&t, text_of(move, "at"));
        table_text(&t, text_of(move, "kind"));
        table_number(&t, number_of(move, "quantity"));
        table_text(&t, text_of(move, "deadline"));
        table_text(&t, text_of(move, "reason"));
        table_text(&t, id_of(move));
        table_text(&t, text_of(move, "seq"));
    }
    return finish(&t, 2);
}

static void print_status(const json_t *reservation)
{
    const char *status = text_of(reservation, "status");
    const char *reason = text_of(reservation, "reason");
    const char *expires_at = text_of(reservation, "expires_at");
    bool pending = strcmp(status, "PENDING") == 0;
    bool confirmed = strcmp(status, "CONFIRMED") == 0;
    printf("%-12s  %s", "status",
           style_on(stdout, pending     ? STYLE_NOTE
                            : confirmed ? STYLE_GOOD
                                        : STYLE_DIM));
    print_safely(status, stdout);
    fputs(style_off(stdout), stdout);
    if (*reason) {
        fputs(", ", stdout);
        print_safely(reason, stdout);
    }
    if (pending && *expires_at) {
        fputs(" until ", stdout);
        print_time(expires_at);
    }
    putchar('\n');
}

int print_reservation(const json_t *reservation)
{
    print_property("reservation", text_of(reservation, "reservation_id"));
    print_property("order", text_of(reservation, "order_id"));
    print_property("user", text_of(reservation, "user_id"));
    print_status(reservation);
    print_property("created", text_of(reservation, "created_at"));
    print_property("confirmed", text_of(reservation, "confirmed_at"));
    print_property("payment", text_of(reservation, "payment_id"));
    print_property("sale", text_of(reservation, "sale_id"));
    print_property("group", text_of(reservation, "group_id"));
    const json_t *lines = json_object_get(reservation, "lines");
    const json_t *moves = json_object_get(reservation, "moves");
    int code = EXIT_DONE;
    if (json_array_size(lines) > 0) {
        putchar('\n');
        code = print_lines(lines);
    }
    if (code == EXIT_DONE && json_array_size(moves) > 0) {
        putchar('\n');
        code = print_moves(moves);
    }
    return code;
}

static int64_t units_of(const json_t *reservation)
{
    const json_t *lines = json_object_get(reservation, "lines");
    int64_t units = 0;
    for (size_t i = 0; i < json_array_size(lines); i++)
        units += number_of(json_array_get(lines, i), "quantity");
    return units;
}

int print_reservations(const json_t *reservations)
{
    static const struct table_column columns[] = {
        {"RESERVATION", false}, {"ORDER", false}, {"USER", false}, {"STATUS", false},
        {"REASON", false},      {"SALE", false},  {"UNITS", true}, {"CREATED", false}};
    static const char *const texts[] = {"reservation_id", "order_id", "user_id",
                                        "status",         "reason",   "sale_id"};
    struct table t;
    table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t i = 0; i < json_array_size(reservations); i++) {
        const json_t *reservation = json_array_get(reservations, i);
        for (size_t c = 0; c < sizeof(texts) / sizeof(texts[0]); c++)
            table_text(&t, text_of(reservation, texts[c]));
        table_number(&t, units_of(reservation));
        table_text(&t, text_of(reservation, "created_at"));
    }
    return finish(&t, 0);
}

int client_show_lot(const struct client_options *o, const struct client_call *call)
{
    json_t *answer = NULL;
    int code = client_call(o, call, &answer);
    if (code != EXIT_DONE)
        return code;
    if (o->json)
        print_json(answer);
    else
        print_lot(answer);
    json_decref(answer);
    return EXIT_DONE;
}

int client_show_reservation(const struct client_options *o, const struct client_call *call)
{
    json_t *answer = NULL;
    int code = client_call(o, call, &answer);
    if (code != EXIT_DONE)
        return code;
    if (o->json) {
        print_json(answer);
    } else {
        if (json_is_true(json_object_get(answer, "replayed")))
            fputs("This was done before; here is how it stands now.\n", stderr);
        code = print_reservation(answer);
    }
    json_decref(answer);
    return code;
}
