/* reservation_call.c - builds the path, makes the call, prints the reservation. */
#include "cli/reservation_call.h"

#include <stdio.h>
#include <string.h>

int reservation_call(const struct client_options *client, const struct usage *usage,
                     const char *reservation_id, const char *verb, json_t *body)
{
    char path[256] = "/v1/reservations/";
    int64_t number;
    if (!body)
        return options_wrong(usage, "a value is not UTF-8 text");
    if (!number_parse(reservation_id, 1, INT64_MAX, &number)) {
        json_decref(body);
        return options_wrong(usage, "RESERVATION must be a reservation's number, is '%s'",
                             reservation_id);
    }
    size_t len = strlen(path);
    snprintf(path + len, sizeof(path) - len, "%lld/%s", (long long)number, verb);
    char ask[128];
    snprintf(ask, sizeof(ask), "Ask for it: tally show %lld", (long long)number);
    return client_show_reservation(
        client, &(struct client_call){.method = "POST", .path = path, .body = body, .ask = ask});
}
