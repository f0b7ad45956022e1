/* failure.h - what a refusal says beyond its code, listed once, so that a problem and gRPC's
 * ErrorInfo say the same under the same names. */
#ifndef TALLY_WIRE_FAILURE_H
#define TALLY_WIRE_FAILURE_H

#include "wire/codec.h"
#include "wire/codec_writer.h"

enum { FAILURE_MEMBERS_MAX = 16, FAILURE_NUMBERS = 3 };

struct failure_member {
    struct str name;
    struct str value;
    bool json; /* the value is JSON already: a number, a list */
};

/* Those that the failure has; their number. `digits` is memory for the values: no failure has more
 * numbers. */
size_t failure_members(const struct failure *f, char digits[FAILURE_NUMBERS][DECIMAL_MAX],
                       struct failure_member out[FAILURE_MEMBERS_MAX]);

#endif
