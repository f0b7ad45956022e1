/* client_id.c - UUIDv7 from the wall clock and the system's random bits. */
#include "cli/client_id.h"

#include <stdio.h>
#include <time.h>

#include "base/hash.h"

int client_id_make(char out[CLIENT_ID_SIZE])
{
    struct uuid_state state;
    int code = uuid_init(&state);
    if (code) {
        fputs("tally: the system has no random bits\n", stderr);
        return code;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uuid_v7(&state, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, out);
    return 0;
}
