/* put_json.c - see put_json.h. */
#include "base/put_json.h"

void put_json_text(FILE *to, struct str text)
{
    fputc('"', to);
    for (uint32_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.p[i];
        if (c == '"' || c == '\\')
            fprintf(to, "\\%c", c);
        else if (c < 0x20)
            fprintf(to, "\\u%04x", c);
        else
            fputc(c, to);
    }
    fputc('"', to);
}
