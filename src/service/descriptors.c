/* descriptors.c - a walk over google.protobuf.FileDescriptorSet in its wire format. Look-ups are
 * rare, so nothing is indexed. The bytes were made by protoc at build time; where they do not parse
 * the walk ends. */
#include "service/descriptors.h"

#include <embedded.h>

/* Field numbers of google/protobuf/descriptor.proto. */
enum {
    SET_FILE = 1,
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    ANY_NAME = 1,
    MESSAGE_FIELD = 2,
    MESSAGE_NESTED = 3,
    MESSAGE_ENUM = 4,
    SERVICE_METHOD = 2,
};

static bool read_varint(struct str *rest, uint64_t *out)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < rest->len && i < 10; i++) {
        uint8_t byte = (uint8_t)rest->p[i];
        n |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            *rest = (struct str){rest->p + i + 1, rest->len - i - 1};
            *out = n;
            return true;
        }
    }
    return false;
}

/* The next length-delimited field; varints are stepped over. */
static bool next_field(struct str *rest, uint32_t *number, struct str *value)
{
    uint64_t tag, n;
    while (read_varint(rest, &tag) && read_varint(rest, &n)) {
        if ((tag & 7) == 0)
            continue;
        if ((tag & 7) != 2 || n > rest->len)
            return false;
        *number = (uint32_t)(tag >> 3);
        *value = (struct str){rest->p, (uint32_t)n};
        *rest = (struct str){rest->p + n, rest->len - (uint32_t)n};
        return true;
    }
    return false;
}

static struct str first_field(struct str message, uint32_t wanted)
{
    struct str value;
    uint32_t number;
    while (next_field(&message, &number, &value)) {
        if (number == wanted)
            return value;
    }
    return (struct str){0};
}

static struct str all_files(void)
{
    const struct embedded_file *set = embedded_find("descriptors.pb");
    return set ? (struct str){(const char *)set->data, (uint32_t)set->size} : (struct str){0};
}

/* "head.rest" without "head."; false if the symbol does not begin so. */
static bool strip(struct str *symbol, struct str head)
{
    if (head.len == 0)
        return true;
    if (symbol->len <= head.len || memcmp(symbol->p, head.p, head.len) != 0 ||
        symbol->p[head.len] != '.')
        return false;
    *symbol = (struct str){symbol->p + head.len + 1, symbol->len - head.len - 1};
    return true;
}

enum place { IN_FILE, IN_MESSAGE, IN_SERVICE, IN_LEAF };

/* What a field of a descriptor in `place` declares; IN_FILE: nothing. */
static enum place declares(enum place place, uint32_t number)
{
    if (place == IN_FILE)
        return number == FILE_MESSAGE   ? IN_MESSAGE
               : number == FILE_SERVICE ? IN_SERVICE
               : number == FILE_ENUM    ? IN_LEAF
                                        : IN_FILE;
    if (place == IN_MESSAGE)
        return number == MESSAGE_NESTED                            ? IN_MESSAGE
               : number == MESSAGE_ENUM || number == MESSAGE_FIELD ? IN_LEAF
                                                                   : IN_FILE;
    return place == IN_SERVICE && number == SERVICE_METHOD ? IN_LEAF : IN_FILE;
}

/* Each level takes a name off the symbol, so the depth is bounded by the descriptors' own. */
static bool contains(struct str descriptor, enum place place, struct str symbol)
{
    struct str value;
    uint32_t number;
    while (next_field(&descriptor, &number, &value)) {
        enum place inner = declares(place, number);
        if (inner == IN_FILE)
            continue;
        struct str name = first_field(value, ANY_NAME), rest = symbol;
        if (str_equal(name, symbol))
            return true;
        if (name.len && strip(&rest, name) && contains(value, inner, rest))
            return true;
    }
    return false;
}

bool descriptors_file(struct str name, struct str *file)
{
    struct str rest = all_files();
    uint32_t number;
    while (next_field(&rest, &number, file)) {
        if (number == SET_FILE && str_equal(first_field(*file, FILE_NAME), name))
            return true;
    }
    return false;
}

bool descriptors_symbol(struct str symbol, struct str *file)
{
    struct str rest = all_files();
    uint32_t number;
    while (next_field(&rest, &number, file)) {
        struct str local = symbol;
        if (number == SET_FILE && strip(&local, first_field(*file, FILE_PACKAGE)) &&
            contains(*file, IN_FILE, local))
            return true;
    }
    return false;
}

bool descriptors_service(uint32_t i, struct str *package, struct str *name)
{
    struct str files = all_files(), file, value;
    uint32_t number;
    while (next_field(&files, &number, &file)) {
        *package = first_field(file, FILE_PACKAGE);
        while (next_field(&file, &number, &value)) {
            if (number == FILE_SERVICE && i-- == 0) {
                *name = first_field(value, ANY_NAME);
                return true;
            }
        }
    }
    return false;
}
