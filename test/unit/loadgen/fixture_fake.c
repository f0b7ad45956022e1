#include "fixture_fake.h"

#include <stdlib.h>
#include <string.h>

#include "fixture.h"

void fake_write(struct fake *f, const void *bytes, size_t size)
{
    while (f->out_capacity - f->out_size < size) {
        f->out_capacity = f->out_capacity ? 2 * f->out_capacity : 4096;
        f->out = realloc(f->out, f->out_capacity);
        assert_non_null(f->out);
    }
    if (size)
        memcpy(f->out + f->out_size, bytes, size);
    f->out_size += size;
}

int fake_deliver(struct fake *f, struct client *c, size_t piece)
{
    int rv = client_feed(c, f->out, f->out_size, piece);
    f->out_size = 0;
    return rv;
}
