/* plain_transport.c - bytes as they are. */
#include "net/connection.h"

const struct transport_ops plain_transport = {
    .input = connection_input,
    .output = connection_output,
};
