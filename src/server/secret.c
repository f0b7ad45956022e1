/* secret.c - see secret.h. */
#include "server/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int read_file(const char *field, const char *path, char *out, size_t size, struct error *e)
{
    FILE *f = fopen(path, "re");
    size_t length = f ? fread(out, 1, size, f) : 0;
    bool failed = !f || ferror(f);
    int why = errno;
    if (f)
        fclose(f);
    if (failed)
        return error_set(e, TLY_EINVALID_ARGUMENT, field, "%s = %.150s: %s", field, path,
                         strerror(why));
    if (length == size)
        return error_set(e, TLY_EINVALID_ARGUMENT, field, "%s = %.150s: is longer than any secret",
                         field, path);
    if (length && out[length - 1] == '\n')
        length--;
    if (length && out[length - 1] == '\r')
        length--;
    out[length] = 0;
    return 0;
}

int secret_read(const char *key, const char *value, const char *file, char *out, size_t size,
                struct error *e)
{
    char field[ERROR_FIELD_MAX];
    snprintf(field, sizeof field, "%s_file", key);
    if (value[0] && file[0])
        return error_set(e, TLY_EINVALID_ARGUMENT, field, "%s: %s is given, too; only one may be",
                         field, key);
    if (file[0])
        return read_file(field, file, out, size, e);
    if (strlen(value) >= size)
        return error_set(e, TLY_EINVALID_ARGUMENT, key, "%s: is longer than any secret", key);
    snprintf(out, size, "%s", value);
    return 0;
}
