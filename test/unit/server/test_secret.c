/* Secrets of settings: from the setting or its file, and in no error. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/secret.h"
#include "server/settings.h"

static char path[64];

static void write_file(const char *text)
{
    snprintf(path, sizeof path, "/tmp/tally-secret-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void it_comes_from_the_setting_or_the_file_without_its_line_end(void **state)
{
    (void)state;
    char out[16];
    struct error e = {0};
    assert_int_equal(secret_read("ledger_password", "word", "", out, sizeof out, &e), 0);
    assert_string_equal(out, "word");
    assert_int_equal(secret_read("ledger_password", "", "", out, sizeof out, &e), 0);
    assert_string_equal(out, "");
    static const char *const texts[] = {"word\n", "word\r\n", "word"};
    for (int i = 0; i < 3; i++) {
        write_file(texts[i]);
        assert_int_equal(secret_read("ledger_password", "", path, out, sizeof out, &e), 0);
        assert_string_equal(out, "word");
        unlink(path);
    }
}

static void both_of_them_or_a_file_that_is_none_is_refused(void **state)
{
    (void)state;
    char out[8];
    struct error e = {0};
    assert_int_equal(secret_read("ledger_password", "a", "b", out, sizeof out, &e),
                     TLY_EINVALID_ARGUMENT);
    assert_string_equal(e.field, "ledger_password_file");
    assert_non_null(strstr(e.text, "only one"));
    assert_int_equal(secret_read("gate_password", "", "/nowhere/x", out, sizeof out, &e),
                     TLY_EINVALID_ARGUMENT);
    assert_string_equal(e.field, "gate_password_file");
    assert_non_null(strstr(e.text, "/nowhere/x"));
    write_file("long-secret-word");
    assert_int_equal(secret_read("gate_password", "", path, out, sizeof out, &e),
                     TLY_EINVALID_ARGUMENT);
    assert_null(strstr(e.text, "long-s"));
    unlink(path);
    assert_int_equal(secret_read("gate_password", "long-secret-word", "", out, sizeof out, &e),
                     TLY_EINVALID_ARGUMENT);
    assert_null(strstr(e.text, "long-s"));
}

static void a_refused_value_of_a_secret_setting_is_not_shown(void **state)
{
    (void)state;
    struct settings s;
    struct error e = {0};
    settings_default(&s);
    assert_int_equal(settings_set(&s, "flag", STR("webhook_secret"), STR("hunter2\x01"), &e),
                     TLY_EINVALID_ARGUMENT);
    assert_null(strstr(e.text, "hunter2"));
    assert_non_null(strstr(e.text, "webhook_secret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_from_the_setting_or_the_file_without_its_line_end),
        cmocka_unit_test(both_of_them_or_a_file_that_is_none_is_refused),
        cmocka_unit_test(a_refused_value_of_a_secret_setting_is_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
