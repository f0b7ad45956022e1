/* Lines of an order as they are typed, and tables as they are read. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/table.h"
#include "cli/wanted_line.h"

static void expect_line(const char *text, const char *json)
{
    struct error e = {0};
    json_t *line = NULL;
    if (wanted_line_parse(text, &line, &e) != 0)
        fail_msg("%s: %s", text, e.text);
    char *dumped = json_dumps(line, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(dumped, json);
    free(dumped);
    json_decref(line);
}

static void expect_refused(const char *text, const char *why)
{
    struct error e = {0};
    json_t *line = NULL;
    assert_int_equal(wanted_line_parse(text, &line, &e), TLY_EINVALID_ARGUMENT);
    if (!strstr(e.text, why))
        fail_msg("'%s' does not say '%s'", e.text, why);
}

static void a_line_is_typed_in_three_ways(void **state)
{
    (void)state;
    expect_line("COLA#1a2b3c4d=2", "{\"lot\":\"COLA#1a2b3c4d\",\"quantity\":2}");
    expect_line("COLA=2", "{\"quantity\":2,\"sku\":\"COLA\"}");
    expect_line("sku=COLA,flavor=lime,quantity=3",
                "{\"flavor\":\"lime\",\"quantity\":3,\"sku\":\"COLA\"}");
    expect_line("sku=COLA", "{\"quantity\":1,\"sku\":\"COLA\"}");
    expect_line("lot=COLA#1a2b3c4d,quantity=2", "{\"lot\":\"COLA#1a2b3c4d\",\"quantity\":2}");
}

static void a_line_that_is_wrong_is_refused_with_the_reason(void **state)
{
    (void)state;
    expect_refused("COLA", "is neither");
    expect_refused("=2", "is neither");
    expect_refused("COLA=", "from 1 to");
    expect_refused("COLA=0", "from 1 to");
    expect_refused("COLA=2147483648", "from 1 to");
    expect_refused("sku=COLA,flavour=lime", "did you mean flavor?");
    expect_refused("sku=COLA,sku=COLA", "given twice");
    expect_refused("flavor=lime,quantity=1", "either a lot or a sku");
    expect_refused("lot=A#11111111,sku=A,quantity=1", "either a lot or a sku");
    expect_refused("sku=COLA,lime", "is not name=value");
    expect_refused("sku=\xff,quantity=1", "UTF-8");
}

static void tables_line_up_in_terminal_columns(void **state)
{
    (void)state;
    static const struct table_column columns[] = {{"NAME", false}, {"EMPTY", false}, {"N", true}};
    struct table t;
    char *out = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&out, &size);
    table_init(&t, columns, 3);
    table_text(&t, "Käse");
    table_text(&t, "");
    table_number(&t, 7);
    table_text(&t, "\xe6\x97\xa5\xe6\x9c\xac"); /* two characters, four columns */
    table_text(&t, NULL);
    table_number(&t, -1234);
    table_print(&t, to, 1);
    fclose(to);
    assert_string_equal(out, " NAME      N\n"
                             " K\xc3\xa4se      7\n"
                             " \xe6\x97\xa5\xe6\x9c\xac  -1234\n");
    free(out);
    table_close(&t);
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
    (void)state;
    char *out = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&out, &size);
    assert_int_equal(print_safely("a\x1b[2J\x7f\xff\xc2\x9b", to), 8);
    fclose(to);
    assert_string_equal(out, "a\xef\xbf\xbd[2J\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_typed_in_three_ways),
        cmocka_unit_test(a_line_that_is_wrong_is_refused_with_the_reason),
        cmocka_unit_test(tables_line_up_in_terminal_columns),
        cmocka_unit_test(control_characters_do_not_reach_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
