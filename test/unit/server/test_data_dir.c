/* The data folder: made, held by one process, given back. */
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/data_dir.h"

static char base[64], folder[96], lock_file[128];

static int make_base(void **state)
{
    (void)state;
    snprintf(base, sizeof base, "/tmp/tally-data-XXXXXX");
    if (!mkdtemp(base))
        return -1;
    snprintf(folder, sizeof folder, "%s/data", base);
    snprintf(lock_file, sizeof lock_file, "%s/lock", folder);
    return 0;
}

static int remove_base(void **state)
{
    (void)state;
    unlink(lock_file);
    rmdir(folder);
    return rmdir(base);
}

static void read_lock_file(char *out, size_t size)
{
    FILE *f = fopen(lock_file, "r");
    assert_non_null(f);
    out[fread(out, 1, size - 1, f)] = 0;
    fclose(f);
}

static void the_folder_is_made_for_its_owner_alone(void **state)
{
    (void)state;
    struct data_dir d;
    struct stat s;
    assert_int_equal(data_dir_hold(&d, folder, "127.0.0.1:1", NULL), 0);
    assert_int_equal(stat(folder, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0700);
    data_dir_release(&d);
}

static void the_lock_file_tells_who_holds_it(void **state)
{
    (void)state;
    struct data_dir d;
    char text[512], pid[32];
    assert_int_equal(data_dir_hold(&d, folder, "a.long.host.name.example:65535", NULL), 0);
    assert_int_equal(data_dir_tell(&d, "127.0.0.1:7", NULL), 0);
    read_lock_file(text, sizeof text);
    snprintf(pid, sizeof pid, "{\"pid\":%ld,", (long)getpid());
    assert_non_null(strstr(text, pid));
    assert_non_null(strstr(text, "\"listen\":\"127.0.0.1:7\",\"started\":\"20"));
    assert_null(strstr(text, "example"));
    data_dir_release(&d);
}

static void a_second_holder_is_refused_by_name_of_the_first(void **state)
{
    (void)state;
    struct data_dir first, second;
    struct error e = {0};
    char holder[64];
    assert_int_equal(data_dir_hold(&first, folder, "127.0.0.1:7070", NULL), 0);
    assert_int_equal(data_dir_hold(&second, folder, "127.0.0.1:7071", &e), TLY_EBUSY);
    snprintf(holder, sizeof holder, "in use by tally, process %ld,", (long)getpid());
    assert_non_null(strstr(e.text, folder));
    assert_non_null(strstr(e.text, holder));
    assert_non_null(strstr(e.text, "listening on 127.0.0.1:7070"));
    data_dir_release(&first);
}

static void a_deleted_lock_file_lets_nobody_in(void **state)
{
    (void)state;
    struct data_dir first, second;
    struct error e = {0};
    assert_int_equal(data_dir_hold(&first, folder, "127.0.0.1:7070", NULL), 0);
    assert_int_equal(unlink(lock_file), 0);
    assert_int_equal(data_dir_hold(&second, folder, "127.0.0.1:7071", &e), TLY_EBUSY);
    assert_non_null(strstr(e.text, folder));
    data_dir_release(&first);
    assert_int_equal(data_dir_hold(&second, folder, "127.0.0.1:7071", &e), 0);
    data_dir_release(&second);
}

/* A file system that locks no folders has the file. */
static void the_lock_file_alone_keeps_a_second_one_out(void **state)
{
    (void)state;
    struct data_dir d;
    assert_int_equal(mkdir(folder, 0700), 0);
    int fd = open(lock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(data_dir_hold(&d, folder, "127.0.0.1:7071", NULL), TLY_EBUSY);
    close(fd);
}

static void a_released_or_dead_holder_leaves_the_folder_free(void **state)
{
    (void)state;
    struct data_dir d;
    pid_t child = fork();
    if (child == 0) {
        struct data_dir mine;
        _exit(data_dir_hold(&mine, folder, "x:1", NULL) == 0 ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(data_dir_hold(&d, folder, "y:1", NULL), 0);
        data_dir_release(&d);
    }
    data_dir_release(&d);
}

static int reader_fd;

static void stop_reading(int number)
{
    (void)number;
    flock(reader_fd, LOCK_UN);
}

static void a_reader_that_looks_for_an_instant_does_not_stop_the_start(void **state)
{
    (void)state;
    struct data_dir d;
    assert_int_equal(mkdir(folder, 0700), 0);
    reader_fd = open(lock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(reader_fd, LOCK_SH), 0);
    /* The reader leaves in this process, so that it is not late on a machine that is busy. */
    signal(SIGALRM, stop_reading);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {.tv_usec = 60000}}, NULL);
    assert_int_equal(data_dir_hold(&d, folder, "x:1", NULL), 0);
    signal(SIGALRM, SIG_IGN);
    data_dir_release(&d);
    close(reader_fd);
}

static void a_folder_that_cannot_be_made_is_named(void **state)
{
    (void)state;
    struct data_dir d;
    struct error e = {0};
    assert_int_equal(data_dir_hold(&d, "/nowhere/at/all", "x:1", &e), TLY_EIO);
    assert_non_null(strstr(e.text, "/nowhere/at/all"));
    assert_non_null(strstr(e.text, "No such file"));
    assert_int_equal(data_dir_hold(&d, "/dev/null", "x:1", &e), TLY_EIO);
    assert_non_null(strstr(e.text, "Not a directory"));
    assert_int_equal(d.lock_fd, -1);
    assert_int_equal(mkdir(folder, 0700), 0);
}

#define DIR_TEST(f) cmocka_unit_test_setup_teardown(f, make_base, remove_base)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIR_TEST(a_deleted_lock_file_lets_nobody_in),
        DIR_TEST(the_lock_file_alone_keeps_a_second_one_out),
        DIR_TEST(the_folder_is_made_for_its_owner_alone),
        DIR_TEST(the_lock_file_tells_who_holds_it),
        DIR_TEST(a_second_holder_is_refused_by_name_of_the_first),
        DIR_TEST(a_released_or_dead_holder_leaves_the_folder_free),
        DIR_TEST(a_reader_that_looks_for_an_instant_does_not_stop_the_start),
        DIR_TEST(a_folder_that_cannot_be_made_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
