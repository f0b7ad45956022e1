/* import_plan.c - what has to change, from the rows and the server's lots.
 *
 * All lots are listed once; each is looked up among the rows, by its key or, for rows that do not
 * name all dimensions, among those of its sku. Then the flavors of new lots are shown to the
 * server, which may allow only some: by creating a lot of each that it shall only validate.
 * Failures: the server cannot be asked (nothing is done); a row's lot cannot be told, is not there,
 * or cannot be brought to what the row says.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/import.h"
#include "cli/lot_pages.h"

/* What the row names of the lot's dimensions is the lot's. */
static bool same_dimensions(const struct import_row *row, const json_t *lot)
{
    for (int i = STOCK_flavor; i <= STOCK_batch; i++) {
        const char *name = row->fields[i];
        if (name && strcmp(name, text_of(lot, stock_field_names[i])) != 0)
            return false;
    }
    return true;
}

static const char *or_never(const char *date)
{
    return *date ? date : "never";
}

static void decide_new(struct import *im, struct import_row *row)
{
    row->action = im->source->existing_only ? IMPORT_SKIPPED : IMPORT_CREATE;
    if (row->action == IMPORT_CREATE && !row->counts)
        import_bad(im, row, row->line, "quantity",
                   "is missing, and there is no lot %s yet; --set quantity=0 announces it",
                   row->key);
}

void import_decide(struct import *im, struct import_row *row, const json_t *lot)
{
    if (row->action == IMPORT_BAD)
        return;
    row->on_server = lot != NULL;
    if (!lot) {
        decide_new(im, row);
        return;
    }
    row->on_hand = number_of(lot, "on_hand");
    row->version = number_of(lot, "version");
    row->held = number_of(lot, "reserved") + number_of(lot, "confirmed");
    bool owes = im->mode == IMPORT_AVAILABLE && !row->quantity && row->on_hand < row->held;
    row->target = !row->counts || owes           ? row->on_hand
                  : im->mode == IMPORT_AVAILABLE ? row->quantity + row->held
                                                 : row->quantity;
    row->action = row->target == row->on_hand ? IMPORT_UNCHANGED : IMPORT_ADJUST;
    const char *expires_on = text_of(lot, "expires_on");
    const char *wanted = row->fields[STOCK_expires_on];
    if (!same_dimensions(row, lot))
        import_bad(im, row, row->line, "", "its key %s is that of another lot (%s, %s, %s)",
                   row->key, text_of(lot, "flavor"), text_of(lot, "size"), text_of(lot, "batch"));
    else if (wanted && strcmp(wanted, expires_on) != 0)
        import_bad(im, row, row->line, "expires_on",
                   "is %s, the lot has %s, which an import does not change", or_never(wanted),
                   or_never(expires_on));
    else if (row->target < row->held && row->target < row->on_hand)
        import_bad(im, row, row->line, "quantity",
                   "is %" PRId64 ", but %" PRId64 " units are reserved or confirmed", row->quantity,
                   row->held);
    else if (row->target > QUANTITY_MAX)
        import_bad(im, row, row->line, "quantity",
                   "with the %" PRId64 " units reserved or confirmed it makes more than %d",
                   row->held, QUANTITY_MAX);
}

/* ---- rows that do not name all dimensions ---- */

/* The first row of the sku in by_sku. */
static uint32_t find_sku(const struct import *im, const char *sku)
{
    uint32_t low = 0, high = im->sku_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(im->by_sku[middle]->fields[STOCK_sku], sku) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int name_by_sku(void *context, json_t *lots)
{
    struct import *im = context;
    for (size_t i = 0; i < json_array_size(lots); i++) {
        const json_t *lot = json_array_get(lots, i);
        const char *sku = text_of(lot, "sku");
        for (uint32_t k = find_sku(im, sku); k < im->sku_count; k++) {
            struct import_row *row = im->by_sku[k];
            if (strcmp(row->fields[STOCK_sku], sku) != 0)
                break;
            if (same_dimensions(row, lot) && row->found++ == 0)
                snprintf(row->key, sizeof row->key, "%s", text_of(lot, "lot"));
        }
    }
    return EXIT_DONE;
}

/* Gives those rows the key of the one lot that has what they name. */
static int name_rows(struct import *im)
{
    if (im->sku_count == 0)
        return EXIT_DONE;
    int code = lot_pages(im->client, "", name_by_sku, im);
    for (uint32_t i = 0; i < im->sku_count && code == EXIT_DONE; i++) {
        struct import_row *row = im->by_sku[i];
        if (row->found == 0)
            row->action = IMPORT_SKIPPED;
        else if (row->found > 1)
            import_bad(im, row, row->line, "sku",
                       "%s has %u lots that the row may mean; name flavor, size and batch",
                       row->fields[STOCK_sku], row->found);
        if (row->found > 1)
            row->key[0] = 0;
    }
    if (code == EXIT_DONE && import_index(im) != 0) {
        fputs("tally: out of memory\n", stderr);
        code = EXIT_FAILED;
    }
    return code;
}

static int take_page(void *context, json_t *lots)
{
    struct import *im = context;
    for (size_t i = 0; i < json_array_size(lots); i++) {
        const json_t *lot = json_array_get(lots, i);
        struct import_row *row = import_find(im, text_of(lot, "lot"));
        if (row)
            import_decide(im, row, lot);
        else if (im->others)
            json_array_append_new(im->others, json_string(text_of(lot, "lot")));
    }
    return EXIT_DONE;
}

json_t *import_lot_body(const struct import_row *row)
{
    const char *expires_on = row->fields[STOCK_expires_on];
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "sku", row->fields[STOCK_sku], "flavor",
                     row->fields[STOCK_flavor], "size", row->fields[STOCK_size], "batch",
                     row->fields[STOCK_batch], "expires_on", expires_on ? expires_on : "",
                     "quantity", (json_int_t)row->quantity);
}

/* *problem stays NULL if the server takes a lot like this one, and if it is an older one that knows
 * no validate_only. */
static int ask_server(struct import *im, const struct import_row *row, json_t **problem)
{
    int status = 0;
    json_t *answer = NULL, *body = import_lot_body(row);
    *problem = NULL;
    if (!body)
        return EXIT_FAILED;
    json_object_set_new(body, "validate_only", json_true());
    int code = client_ask(im->client,
                          &(struct client_call){.method = "POST", .path = "/v1/lots", .body = body},
                          &status, &answer);
    if (code != EXIT_DONE)
        return code;
    if (status == 400 && strcmp(text_of(answer, "field"), "validate_only") != 0) {
        *problem = answer;
        return EXIT_DONE;
    }
    if (status > 400 && status != 409) {
        client_print_problem(answer, status, NULL);
        code = client_exit_of(answer, status);
    }
    json_decref(answer);
    return code;
}

enum stock_rules import_ask_rules(const struct client_options *client)
{
    int status = 0;
    json_t *answer = NULL;
    json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:i, s:b}", "sku", "A", "flavor", "Any text",
                             "size", "any", "batch", "any", "quantity", 0, "validate_only", 1);
    const struct client_call call = {.method = "POST", .path = "/v1/lots", .body = body};
    if (!body || client_ask(client, &call, &status, &answer) != EXIT_DONE)
        return STOCK_DRINKS;
    json_decref(answer);
    return status < 300 ? STOCK_FREE : STOCK_DRINKS;
}

/* One question for each flavor of a new lot; the answer holds for all rows of that flavor. */
static int check_flavors(struct import *im)
{
    json_t *answers = json_object();
    int code = answers ? EXIT_DONE : EXIT_FAILED;
    for (uint32_t i = 0; i < im->row_count && code == EXIT_DONE; i++) {
        struct import_row *row = &im->rows[i];
        if (row->action != IMPORT_CREATE)
            continue;
        const char *flavor = row->fields[STOCK_flavor];
        json_t *problem = json_object_get(answers, flavor);
        if (!problem) {
            code = ask_server(im, row, &problem);
            json_object_set_new(answers, flavor, problem ? problem : json_null());
        }
        if (json_is_object(problem))
            import_bad(im, row, row->line, text_of(problem, "field"), "%s",
                       text_of(problem, "detail"));
    }
    json_decref(answers);
    return code;
}

int import_plan(struct import *im)
{
    int code = name_rows(im);
    if (code == EXIT_DONE)
        code = lot_pages(im->client, "", take_page, im);
    for (uint32_t i = 0; i < im->key_count && code == EXIT_DONE; i++) {
        if (!im->by_key[i]->on_server)
            import_decide(im, im->by_key[i], NULL);
    }
    if (code == EXIT_DONE)
        code = check_flavors(im);
    import_sort_problems(im);
    return code;
}
