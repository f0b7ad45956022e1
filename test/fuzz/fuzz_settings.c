/* Settings files: whatever comes, the settings are taken over whole or left alone, a fault names
 * its line, and what was taken is within its bounds and reads back as the same.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "server/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct settings *s)
{
    struct settings back;
    struct error e = {0};
    settings_default(&back);
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *row = &settings_table[i];
        char text[SETTING_TEXT_MAX], again[SETTING_TEXT_MAX];
        setting_format(row, s, text, sizeof text);
        int code = settings_set(&back, "back", str_of(row->key), str_of(text), &e);
        assert(code == 0);
        setting_format(row, &back, again, sizeof again);
        assert(strcmp(text, again) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char name[] = "fuzz.conf";
    struct settings s, before;
    struct error e = {0};
    if (size > 65536)
        return 0;
    settings_default(&s);
    before = s;
    struct str text = {(const char *)data, (uint32_t)size};
    if (settings_parse_text(&s, name, text, &e) == 0) {
        check_round_trip(&s);
    } else {
        assert(e.code == TLY_EINVALID_ARGUMENT);
        assert(strncmp(e.text, "fuzz.conf:", sizeof name) == 0);
        assert(memcmp(&s, &before, sizeof s) == 0);
        for (const char *p = e.text; *p; p++)
            assert((unsigned char)*p >= 0x20 && *p != 0x7f);
    }
    return 0;
}
