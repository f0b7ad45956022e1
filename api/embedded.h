/* embedded.h - files of api/ inside the binary: openapi.yaml, and descriptors.pb, a serialised
 * google.protobuf.FileDescriptorSet of all .proto files. */
#ifndef TALLY_API_EMBEDDED_H
#define TALLY_API_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
    const char *name;
    const unsigned char *data;
    size_t size;
};

/* NULL if there is no file of that name. */
const struct embedded_file *embedded_find(const char *name);

#endif
