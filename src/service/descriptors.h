/* descriptors.h - what server reflection tells: the embedded FileDescriptorSet of api/, searched
 * where it lies. */
#ifndef TALLY_SERVICE_DESCRIPTORS_H
#define TALLY_SERVICE_DESCRIPTORS_H

#include <stdbool.h>

#include "base/str.h"

/* Serialised FileDescriptorProtos, for the time of the process. */
bool descriptors_file(struct str name, struct str *file);
/* The file that declares it: a message, enum, service, method or field, by its full name. */
bool descriptors_symbol(struct str symbol, struct str *file);
/* The service number i as package and name; false behind the last. */
bool descriptors_service(uint32_t i, struct str *package, struct str *name);

#endif
