/* import_plan.c - what has to change, from the rows and the server's lots.
 *
 * All lots are listed once; each is looked up among the rows. Then the flavors of new lots are
 * shown to the server, which may allow only some: by creating a lot of each that it shall only
 * validate. Failures: the server cannot be asked (nothing is done).
 */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/import.h"
#include "cli/lot_pages.h"

static bool same_dimensions(const struct import_row *row, const json_t *lot)
{
    return strcmp(row->fields[IMPORT_flavor], text_of(lot, "flavor")) == 0 &&
           strcmp(row->fields[IMPORT_size], text_of(lot, "size")) == 0 &&
           strcmp(row->fields[IMPORT_batch], text_of(lot, "batch")) == 0;
}

static const char *or_never(const char *date)
{
    return *date ? date : "never";
}

void import_decide(struct import *im, struct import_row *row, const json_t *lot)
{
    if (row->action == IMPORT_BAD)
        return;
    row->on_server = lot != NULL;
    row->on_hand = number_of(lot, "on_hand");
    int64_t held = number_of(lot, "reserved") + number_of(lot, "confirmed");
    row->target = row->quantity + (im->mode == IMPORT_AVAILABLE ? held : 0);
    row->action = !lot                          ? IMPORT_CREATE
                  : row->target == row->on_hand ? IMPORT_UNCHANGED
                                                : IMPORT_ADJUST;
    if (!lot)
        return;
    const char *expires_on = text_of(lot, "expires_on");
    if (!same_dimensions(row, lot))
        import_bad(im, row, row->line, "", "its key %s is that of another lot (%s, %s, %s)",
                   row->key, text_of(lot, "flavor"), text_of(lot, "size"), text_of(lot, "batch"));
    else if (strcmp(row->fields[IMPORT_expires_on], expires_on) != 0)
        import_bad(im, row, row->line, "expires_on",
                   "is %s, the lot has %s, which cannot be changed",
                   or_never(row->fields[IMPORT_expires_on]), or_never(expires_on));
    else if (row->target < held)
        import_bad(im, row, row->line, "quantity",
                   "is %" PRId64 ", but %" PRId64 " units are reserved or confirmed", row->quantity,
                   held);
    else if (row->target > QUANTITY_MAX)
        import_bad(im, row, row->line, "quantity",
                   "with the %" PRId64 " units reserved or confirmed it makes more than %d", held,
                   QUANTITY_MAX);
}

static int take_page(void *context, json_t *lots)
{
    struct import *im = context;
    for (size_t i = 0; i < json_array_size(lots); i++) {
        const json_t *lot = json_array_get(lots, i);
        struct import_row *row = import_find(im, text_of(lot, "lot"));
        if (row)
            import_decide(im, row, lot);
    }
    return EXIT_DONE;
}

json_t *import_lot_body(const struct import_row *row)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "sku", row->fields[IMPORT_sku], "flavor",
                     row->fields[IMPORT_flavor], "size", row->fields[IMPORT_size], "batch",
                     row->fields[IMPORT_batch], "expires_on", row->fields[IMPORT_expires_on],
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

/* One question for each flavor of a new lot; the answer holds for all rows of that flavor. */
static int check_flavors(struct import *im)
{
    json_t *answers = json_object();
    int code = answers ? EXIT_DONE : EXIT_FAILED;
    for (uint32_t i = 0; i < im->row_count && code == EXIT_DONE; i++) {
        struct import_row *row = &im->rows[i];
        if (row->action != IMPORT_CREATE)
            continue;
        const char *flavor = row->fields[IMPORT_flavor];
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
    for (uint32_t i = 0; i < im->key_count; i++)
        import_decide(im, im->by_key[i], NULL);
    int code = lot_pages(im->client, "", take_page, im);
    return code == EXIT_DONE ? check_flavors(im) : code;
}
