/* Text as JSON in a file. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/put_json.h"

static void expect(struct str text, const char *json)
{
    char *out = NULL;
    size_t size;
    FILE *to = open_memstream(&out, &size);
    put_json_text(to, text);
    fclose(to);
    assert_string_equal(out, json);
    free(out);
}

static void text_is_put_in_quotes_with_what_json_wants_escaped(void **state)
{
    (void)state;
    expect(STR(""), "\"\"");
    expect(STR("a \"b\" \\ c"), "\"a \\\"b\\\" \\\\ c\"");
    expect(STR("\x01\n\x1f\x7f"), "\"\\u0001\\u000a\\u001f\x7f\"");
    expect(STR("\xe8\x8c\xb6"), "\"\xe8\x8c\xb6\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_put_in_quotes_with_what_json_wants_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
