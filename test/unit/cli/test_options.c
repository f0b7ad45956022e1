#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "cli/cli.h"
#include "cli/options.h"

struct values {
    bool flag;
    const char *text;
    int64_t number;
    struct option_list list;
    struct positionals given;
    char said[4096]; /* on stderr */
};

static int parse(struct values *v, char *first, ...)
{
    const struct cli_option options[] = {
        {"flag", NULL, OPTION_FLAG, &v->flag, "", 0, 0},
        {"server", "HOST:PORT", OPTION_TEXT, &v->text, "", 0, 0},
        {"hold-ms", "N", OPTION_NUMBER, &v->number, "", 1, 100},
        {"line", "LINE", OPTION_LIST, &v->list, "", 0, 0},
    };
    const struct usage usage = {.name = "tally test",
                                .synopsis = "A [B]",
                                .text = "",
                                .options = options,
                                .option_count = 4,
                                .positionals_min = 1,
                                .positionals_max = 2};
    char name[] = "test";
    char *arguments[40] = {name};
    int count = 1;
    va_list args;
    va_start(args, first);
    for (char *a = first; a; a = va_arg(args, char *))
        arguments[count++] = a;
    va_end(args);

    FILE *file = tmpfile();
    int before = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fileno(file), STDERR_FILENO);
    int code = options_parse(&usage, count, arguments, &v->given);
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    rewind(file);
    v->said[fread(v->said, 1, sizeof(v->said) - 1, file)] = '\0';
    fclose(file);
    return code;
}

static void flags_and_arguments_may_be_mixed(void **state)
{
    (void)state;
    struct values v = {0};
    assert_int_equal(parse(&v, "a", "--server", "x:1", "b", "--flag", "--hold-ms=7", "--line", "l1",
                           "--line=l2", NULL),
                     OPTIONS_GO);
    assert_true(v.flag);
    assert_string_equal(v.text, "x:1");
    assert_int_equal(v.number, 7);
    assert_int_equal(v.list.count, 2);
    assert_string_equal(v.list.items[1], "l2");
    assert_int_equal(v.given.count, 2);
    assert_string_equal(v.given.items[1], "b");
}

static void after_two_dashes_nothing_is_a_flag(void **state)
{
    (void)state;
    struct values v = {0};
    assert_int_equal(parse(&v, "--", "--flag", NULL), OPTIONS_GO);
    assert_false(v.flag);
    assert_string_equal(v.given.items[0], "--flag");
}

static void a_negative_number_is_no_flag(void **state)
{
    (void)state;
    struct values v = {0};
    assert_int_equal(parse(&v, "lot", "-5", NULL), OPTIONS_GO);
    assert_string_equal(v.given.items[1], "-5");
}

static void an_unknown_flag_is_refused_with_the_nearest_name(void **state)
{
    (void)state;
    struct values v = {0};
    assert_int_equal(parse(&v, "a", "--sever", "x", NULL), EXIT_USAGE);
    assert_non_null(strstr(v.said, "no flag --sever; did you mean --server?"));
    assert_int_equal(parse(&v, "a", "--completely-else", NULL), EXIT_USAGE);
    assert_null(strstr(v.said, "did you mean"));
    assert_int_equal(parse(&v, "a", "-f", NULL), EXIT_USAGE);
}

static void a_number_out_of_range_is_refused_with_the_range(void **state)
{
    (void)state;
    struct values v = {0};
    assert_int_equal(parse(&v, "a", "--hold-ms", "101", NULL), EXIT_USAGE);
    assert_non_null(strstr(v.said, "from 1 to 100, is '101'"));
    assert_int_equal(parse(&v, "a", "--hold-ms", "5x", NULL), EXIT_USAGE);
    assert_int_equal(parse(&v, "a", "--hold-ms", "", NULL), EXIT_USAGE);
    assert_int_equal(parse(&v, "a", "--hold-ms", "99999999999999999999", NULL), EXIT_USAGE);
}

static void a_missing_value_is_refused(void **state)
{
    (void)state;
    struct values v = {0};
    assert_int_equal(parse(&v, "a", "--server", NULL), EXIT_USAGE);
    assert_non_null(strstr(v.said, "needs a value"));
    assert_int_equal(parse(&v, "a", "--flag=yes", NULL), EXIT_USAGE);
}

static void too_few_and_too_many_arguments_are_refused(void **state)
{
    (void)state;
    struct values v = {0};
    assert_int_equal(parse(&v, "--flag", NULL), EXIT_USAGE);
    assert_non_null(strstr(v.said, "too few"));
    assert_int_equal(parse(&v, "a", "b", "c", NULL), EXIT_USAGE);
    assert_non_null(strstr(v.said, "one argument too many"));
}

static const char *nearest_of(const char *wanted)
{
    struct nearest n = nearest_to(wanted);
    nearest_offer(&n, "reserve");
    nearest_offer(&n, "refund");
    nearest_offer(&n, "verify");
    nearest_offer(&n, "lot");
    return nearest_found(&n) ? n.best : "";
}

static void a_word_with_a_slip_finds_the_name_that_was_meant(void **state)
{
    (void)state;
    assert_string_equal(nearest_of("resreve"), "reserve");
    assert_string_equal(nearest_of("refunt"), "refund");
    assert_string_equal(nearest_of("verfy"), "verify");
    assert_string_equal(nearest_of("lots"), "lot");
    assert_string_equal(nearest_of("backup"), "");
    assert_string_equal(nearest_of(""), "");
}

static void a_very_long_word_is_near_nothing(void **state)
{
    (void)state;
    char word[5000];
    memset(word, 'r', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    assert_string_equal(nearest_of(word), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_and_arguments_may_be_mixed),
        cmocka_unit_test(after_two_dashes_nothing_is_a_flag),
        cmocka_unit_test(a_negative_number_is_no_flag),
        cmocka_unit_test(an_unknown_flag_is_refused_with_the_nearest_name),
        cmocka_unit_test(a_number_out_of_range_is_refused_with_the_range),
        cmocka_unit_test(a_missing_value_is_refused),
        cmocka_unit_test(too_few_and_too_many_arguments_are_refused),
        cmocka_unit_test(a_word_with_a_slip_finds_the_name_that_was_meant),
        cmocka_unit_test(a_very_long_word_is_near_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
