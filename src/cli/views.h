/* views.h - lots and reservations as people read them. */
#ifndef TALLY_CLI_VIEWS_H
#define TALLY_CLI_VIEWS_H

#include <jansson.h>

#include "cli/client.h"

/* An array of lots as a table, one row each. EXIT_FAILED if memory ran short. */
int print_webhook_failures(const json_t *failures);
int print_lots(const json_t *lots);
/* One lot, one line for each property. */
void print_lot(const json_t *lot);
/* One reservation with its lines and, if the answer has them, its moves. EXIT_FAILED if memory ran
 * short. */
int print_reservation(const json_t *reservation);
/* An array of reservations as a table. */
int print_reservations(const json_t *reservations);

/* What most subcommands end with: makes the call, prints the answer as JSON or through `print`. */
int client_show_lot(const struct client_options *o, const struct client_call *call);
int client_show_reservation(const struct client_options *o, const struct client_call *call);

#endif
