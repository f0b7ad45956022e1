/* reservation_call.h - a POST on one reservation, by its number or by its order: confirm, refund,
 * extend, ship, change. */
#ifndef TALLY_CLI_RESERVATION_CALL_H
#define TALLY_CLI_RESERVATION_CALL_H

#include "cli/views.h"

#define ORDER_OPTION(target)                                                                       \
    {                                                                                              \
        "order", "ID", OPTION_TEXT, (target), "the reservation of this order_id", 0, 0             \
    }

/* `body` is consumed; NULL means that a value was no text. `order`: NULL, or its order_id instead
 * of a number. Prints the reservation as it is then. */
int reservation_call(const struct client_options *client, const struct usage *usage,
                     const struct positionals *given, const char *order, const char *verb,
                     json_t *body);

/* Lines that name lots only, as a JSON array, or null if there are none: all is meant. OPTIONS_GO,
 * or the exit code after telling. */
int lot_lines_parse(const struct usage *usage, const struct option_list *texts, json_t **out);
/* Lines as for an order. */
int order_lines_parse(const struct usage *usage, const struct option_list *texts, json_t **out);
/* {"lines": lines, name: id if that is given}; takes `lines`. NULL: the id is no UTF-8 text. */
json_t *lines_body(json_t *lines, const char *name, const char *id);
/* object[name] = text, if that is given; -1: it is no UTF-8 text. */
int set_given(json_t *object, const char *name, const char *text);

#endif
