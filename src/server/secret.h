/* secret.h - a secret that a setting gives, or the file that another setting names. */
#ifndef TALLY_SERVER_SECRET_H
#define TALLY_SERVER_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* The value of setting `key`, or what stands in `file`, the value of setting `key`_file, without
 * the end of its last line; "" if neither is given. Both are TLY_EINVALID_ARGUMENT; so is a file
 * that cannot be read, or holds more than fits. The secret itself is in no error. */
int secret_read(const char *key, const char *value, const char *file, char *out, size_t size,
                struct error *e) MUST_CHECK;

#endif
