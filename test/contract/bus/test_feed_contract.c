/* What every feed promises, for every adapter: a document comes until it is finished, with the same
 * id; what is rejected is kept. */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/feed_files.h"
#include "bus/feed_memory.h"

struct rig {
    const char *name;
    struct feed *feed;
    char dir[64];
    struct feed_document document;
    struct error e;
    void (*put)(struct rig *r, const char *name, const char *text);
    /* What stands in the dead-letter place of that document. */
    const char *(*dead)(struct rig *r, const char *name);
};

/* ---- rigs ---- */

static void memory_put(struct rig *r, const char *name, const char *text)
{
    assert_int_equal(feed_memory_put(r->feed, name, *text == '{', str_of(text)), 0);
}

static const char *memory_dead(struct rig *r, const char *name)
{
    (void)name;
    return feed_memory_rejects(r->feed);
}

static void files_put(struct rig *r, const char *name, const char *text)
{
    char part[200], path[200];
    snprintf(part, sizeof(part), "%s/.%s", r->dir, name);
    snprintf(path, sizeof(path), "%s/%s", r->dir, name);
    FILE *f = fopen(part, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(rename(part, path), 0);
}

static const char *read_file(const struct rig *r, const char *folder, const char *name)
{
    static char text[4096];
    char path[200];
    snprintf(path, sizeof(path), "%s/%s/%s", r->dir, folder, name);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = 0;
    return f ? text : "NONE";
}

static const char *files_dead(struct rig *r, const char *name)
{
    static char both[8192];
    char why[100];
    snprintf(why, sizeof(why), "%s.why", name);
    int n = snprintf(both, sizeof(both), "%s", read_file(r, "dead", name));
    snprintf(both + n, sizeof(both) - (size_t)n, "%s", read_file(r, "dead", why));
    return both;
}

static int setup_memory(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    r->put = memory_put;
    r->dead = memory_dead;
    *state = r;
    return feed_memory_create(&r->feed, &r->e);
}

static int setup_files(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    snprintf(r->dir, sizeof(r->dir), "/tmp/tally-feed-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    r->put = files_put;
    r->dead = files_dead;
    *state = r;
    return feed_files_create(&r->feed, r->dir, &r->e);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int teardown(void **state)
{
    struct rig *r = *state;
    r->feed->ops->destroy(r->feed);
    if (*r->dir)
        nftw(r->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(r);
    return 0;
}

/* ---- for all ---- */

static bool take(struct rig *r)
{
    return r->feed->ops->take(r->feed, &r->document, &r->e) == 1;
}

static void expect_text(struct rig *r, const char *expected)
{
    char text[256];
    long n = r->document.read_at(r->document.context, 0, text, sizeof(text) - 1);
    assert_true(n >= 0);
    text[n] = 0;
    assert_string_equal(text, expected);
    assert_int_equal(r->document.read_at(r->document.context, (uint64_t)n, text, 9), 0);
}

static void reject(struct rig *r, uint32_t line, const char *reason, const char *message)
{
    const struct feed_reject it = {line, STR("sku"), str_of(reason), str_of(message)};
    assert_int_equal(r->feed->ops->reject(r->feed, STR("head"), &it, &r->e), 0);
}

static void finish(struct rig *r, bool applied)
{
    assert_int_equal(r->feed->ops->finish(r->feed, applied, &r->e), 0);
}

static void documents_come_in_their_order_until_they_are_finished(void **state)
{
    struct rig *r = *state;
    assert_false(take(r));
    r->put(r, "a", "first");
    pause_ms(2); /* files are told apart by their time */
    r->put(r, "b", "{\"second\": 1}");
    assert_true(take(r));
    expect_text(r, "first");
    assert_false(r->document.json_lines);
    assert_false(take(r));
    finish(r, true);
    assert_true(take(r));
    assert_true(r->document.json_lines);
    finish(r, true);
    assert_false(take(r));
}

static void a_document_that_is_given_back_comes_again_as_the_same(void **state)
{
    struct rig *r = *state;
    char id[FEED_ID_SIZE];
    r->put(r, "a", "text");
    assert_true(take(r));
    memcpy(id, r->document.id, sizeof(id));
    r->feed->ops->give_back(r->feed);
    assert_true(take(r));
    assert_string_equal(r->document.id, id);
    finish(r, true);
    assert_false(take(r));
}

static void what_is_rejected_is_kept_with_its_reason(void **state)
{
    struct rig *r = *state;
    r->put(r, "a", "text");
    assert_true(take(r));
    reject(r, 7, "is \"no\" sku", "x,y");
    finish(r, true);
    const char *dead = r->dead(r, "a");
    assert_non_null(strstr(dead, "x,y"));
    assert_non_null(strstr(dead, "7"));
    assert_true(strstr(dead, "is \"no\" sku") || strstr(dead, "is \\\"no\\\" sku"));
}

static void a_new_document_wakes_who_waits(void **state)
{
    struct rig *r = *state;
    struct pollfd fd = {.fd = r->feed->ops->wait_fd(r->feed), .events = POLLIN};
    r->feed->ops->woken(r->feed);
    assert_int_equal(poll(&fd, 1, 0), 0);
    r->put(r, "a", "text");
    assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
    r->feed->ops->woken(r->feed);
    assert_int_equal(poll(&fd, 1, 0), 0);
    assert_true(take(r));
    finish(r, true);
}

/* ---- files ---- */

static void a_finished_file_is_in_done_and_one_of_no_use_in_dead(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 2; i++) { /* the same names again */
        r->put(r, "good.csv", "good");
        assert_true(take(r));
        finish(r, true);
        r->put(r, "bad.csv", "bad");
        assert_true(take(r));
        reject(r, 1, "no", "");
        finish(r, false);
    }
    assert_string_equal(read_file(r, "done", "good.csv"), "good");
    assert_string_equal(read_file(r, "done", "good.csv.1"), "good");
    assert_string_equal(read_file(r, "dead", "bad.csv"), "bad");
    assert_string_equal(read_file(r, "dead", "bad.csv.1"), "bad");
    assert_string_equal(read_file(r, "dead", "bad.csv.1.why"),
                        "{\"line\": 1, \"column\": \"sku\", \"reason\": \"no\"}\n");
    assert_string_equal(read_file(r, "done", "bad.csv"), "NONE");
}

static void what_was_rejected_before_a_kill_is_written_anew(void **state)
{
    struct rig *r = *state;
    r->put(r, "a.csv", "text");
    assert_true(take(r));
    reject(r, 1, "before", "x");
    r->feed->ops->destroy(r->feed);
    assert_int_equal(feed_files_create(&r->feed, r->dir, &r->e), 0);
    assert_true(take(r));
    reject(r, 2, "after", "y");
    finish(r, true);
    assert_string_equal(read_file(r, "dead", "a.csv"), "head\ny\n");
    assert_null(strstr(read_file(r, "dead", "a.csv.why"), "before"));
}

static void remove_all(const struct rig *r, const char *below)
{
    char path[200];
    snprintf(path, sizeof(path), "%s%s", r->dir, below);
    assert_int_equal(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void folders_that_are_removed_are_made_again(void **state)
{
    struct rig *r = *state;
    static const char *const below[] = {"/done", "/dead"};
    for (size_t i = 0; i < 2; i++) {
        r->put(r, "a.csv", "1");
        assert_int_equal(r->feed->ops->take(r->feed, &r->document, &r->e), 1);
        reject(r, 1, "no", "bad");
        remove_all(r, below[0]);
        finish(r, i == 0);
        assert_string_equal(read_file(r, i ? "dead" : "done", "a.csv"), "1");
        assert_int_equal(r->feed->ops->take(r->feed, &r->document, &r->e), 0);
        remove_all(r, below[1]);
    }
    remove_all(r, "");
    r->feed->ops->woken(r->feed);
    assert_int_equal(r->feed->ops->take(r->feed, &r->document, &r->e), 0); /* it is there again */
    r->put(r, "b.csv", "2");
    struct pollfd fd = {.fd = r->feed->ops->wait_fd(r->feed), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 60000), 1);
    assert_int_equal(r->feed->ops->take(r->feed, &r->document, &r->e), 1);
    finish(r, true);
    assert_string_equal(read_file(r, "done", "b.csv"), "2");
}

enum { NOBODY = 65534 };

static int give_to_nobody(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return chown(path, NOBODY, NOBODY);
}

/* As one who may not do everything, as root may: 0, or what the call says. */
static int as_nobody(struct rig *r, int (*call)(struct rig *r))
{
    bool root = geteuid() == 0;
    if (root) {
        assert_int_equal(nftw(r->dir, give_to_nobody, 8, FTW_PHYS), 0);
        assert_int_equal(seteuid(NOBODY), 0);
    }
    int rv = call(r);
    assert_int_equal(root ? seteuid(0) : 0, 0);
    return rv;
}

static int call_take(struct rig *r)
{
    return r->feed->ops->take(r->feed, &r->document, &r->e);
}

static int call_finish(struct rig *r)
{
    return r->feed->ops->finish(r->feed, true, &r->e);
}

static void set_mode(const struct rig *r, const char *below, mode_t mode)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", r->dir, below);
    assert_int_equal(chmod(path, mode), 0);
}

static void a_finish_that_failed_is_made_good(void **state)
{
    struct rig *r = *state;
    r->put(r, "a.csv", "1");
    assert_int_equal(r->feed->ops->take(r->feed, &r->document, &r->e), 1);
    reject(r, 1, "no", "bad");
    set_mode(r, "done", 0555);
    assert_int_equal(as_nobody(r, call_finish), TLY_EIO);
    set_mode(r, "done", 0755);
    finish(r, true);
    assert_string_equal(read_file(r, "dead", "a.csv"), "head\nbad\n");
    assert_string_equal(read_file(r, "dead", "a.csv.why"),
                        "{\"line\": 1, \"column\": \"sku\", \"reason\": \"no\"}\n");
    assert_string_equal(read_file(r, "done", "a.csv"), "1");
}

static void a_name_may_come_any_number_of_times(void **state)
{
    enum { TAKEN = 150 };
    struct rig *r = *state;
    char path[200];
    for (int i = 0; i < TAKEN; i++) {
        int n = snprintf(path, sizeof(path), "%s/done/a.csv", r->dir);
        if (i)
            snprintf(path + n, sizeof(path) - (size_t)n, ".%d", i);
        int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    for (int i = 0; i < 2; i++) {
        r->put(r, "a.csv", "1");
        assert_int_equal(r->feed->ops->take(r->feed, &r->document, &r->e), 1);
        finish(r, true);
    }
    snprintf(path, sizeof(path), "%s/done", r->dir);
    uint32_t files = 0;
    DIR *done = opendir(path);
    for (const struct dirent *entry; (entry = readdir(done));)
        files += *entry->d_name != '.';
    closedir(done);
    assert_int_equal(files, TAKEN + 2);
}

static void a_file_that_may_not_be_read_does_not_hold_up_the_others(void **state)
{
    struct rig *r = *state;
    r->put(r, "a.csv", "1");
    r->put(r, "b.csv", "2");
    set_mode(r, "a.csv", 0);
    assert_int_equal(as_nobody(r, call_take), 1);
    expect_text(r, "2");
    finish(r, true);
    set_mode(r, "dead/a.csv", 0600);
    assert_string_equal(read_file(r, "dead", "a.csv"), "1");
    assert_non_null(strstr(read_file(r, "dead", "a.csv.why"), "cannot open a.csv: Permission"));
}

static void files_that_are_still_written_are_not_looked_at(void **state)
{
    struct rig *r = *state;
    r->put(r, "a.csv.part", "x");
    r->put(r, "b.tmp", "x");
    r->put(r, "c.csv~", "x");
    r->put(r, ".hidden", "x");
    assert_false(take(r));
}

static void a_file_with_a_byte_order_mark_may_be_json(void **state)
{
    struct rig *r = *state;
    r->put(r, "a", "\xEF\xBB\xBF\n {\"sku\": 1}");
    assert_true(take(r));
    assert_true(r->document.json_lines);
    finish(r, true);
}

static void a_folder_that_cannot_be_made_is_told(void **state)
{
    (void)state;
    struct feed *feed;
    struct error e;
    assert_int_equal(feed_files_create(&feed, "/dev/null/feed", &e), TLY_EIO);
    assert_non_null(strstr(e.text, "/dev/null/feed"));
}

#define MEMORY(name)                                                                               \
    {                                                                                              \
#name "(memory)", name, setup_memory, teardown, NULL                                       \
    }
#define FILES(name)                                                                                \
    {                                                                                              \
#name "(files)", name, setup_files, teardown, NULL                                         \
    }
#define BOTH(name) MEMORY(name), FILES(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(documents_come_in_their_order_until_they_are_finished),
        BOTH(a_document_that_is_given_back_comes_again_as_the_same),
        BOTH(what_is_rejected_is_kept_with_its_reason),
        BOTH(a_new_document_wakes_who_waits),
        FILES(a_finished_file_is_in_done_and_one_of_no_use_in_dead),
        FILES(what_was_rejected_before_a_kill_is_written_anew),
        FILES(folders_that_are_removed_are_made_again),
        FILES(a_finish_that_failed_is_made_good),
        FILES(a_name_may_come_any_number_of_times),
        FILES(a_file_that_may_not_be_read_does_not_hold_up_the_others),
        FILES(files_that_are_still_written_are_not_looked_at),
        FILES(a_file_with_a_byte_order_mark_may_be_json),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
