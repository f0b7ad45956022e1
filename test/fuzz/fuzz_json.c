/* JSON input: whatever comes, the answer is a message or an error that can be shown, and a message
 * that was read is written as JSON that reads back as the same. The first byte picks the message.
 */
#include <all_types.pb-c.h>
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <tally.pb-c.h>

#include "wire/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char memory[1 << 16];

static void check_error(int code, const struct error *e)
{
    assert(code == TLY_EINVALID_ARGUMENT || code == TLY_ENO_MEMORY);
    assert(e->code == code && e->text[0]);
    assert(utf8_valid(str_of(e->field)) && utf8_valid(str_of(e->text)));
}

static void round_trip(const ProtobufCMessage *m, struct arena *a)
{
    struct str once;
    struct str twice;
    struct error e = {0};
    ProtobufCMessage *back = NULL;
    assert(json_encode(m, a, &once) == 0);
    assert(utf8_valid(once));
    /* Whole numbers beyond 2^53 are written as strings, which are not read as numbers. */
    int code = json_decode(m->descriptor, once, a, &back, &e);
    if (code) {
        assert(strstr(e.text, "must be a whole number, not a string") != NULL);
        return;
    }
    assert(json_encode(back, a, &twice) == 0);
    assert(str_equal(once, twice));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ProtobufCMessageDescriptor *const types[] = {
        &tally__v1__reserve_request__descriptor,   &tally__v1__reserve_batch_request__descriptor,
        &tally__v1__confirm_request__descriptor,   &tally__v1__create_lot_request__descriptor,
        &tally__v1__list_lots_request__descriptor, &tally__test__all_types__descriptor,
    };
    struct arena a;
    struct error e = {0};
    ProtobufCMessage *m = NULL;
    if (size == 0 || size > 1 << 16)
        return 0;
    struct str text = {(const char *)data + 1, (uint32_t)size - 1};
    arena_init(&a, memory, sizeof memory, 1 << 26);
    int code = json_decode(types[data[0] % (sizeof types / sizeof types[0])], text, &a, &m, &e);
    if (code)
        check_error(code, &e);
    else
        round_trip(m, &a);
    arena_close(&a);
    return 0;
}
