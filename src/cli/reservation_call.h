/* reservation_call.h - a POST on one reservation: confirm, refund, extend. */
#ifndef TALLY_CLI_RESERVATION_CALL_H
#define TALLY_CLI_RESERVATION_CALL_H

#include "cli/views.h"

/* `body` is consumed; NULL means that a value was no text. Prints the reservation as it is then. */
int reservation_call(const struct client_options *client, const struct usage *usage,
                     const char *reservation_id, const char *verb, json_t *body);

#endif
