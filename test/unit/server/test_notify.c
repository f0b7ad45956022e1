/* What a service manager is told. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/notify.h"

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int manager;

static int open_manager(void **state)
{
    (void)state;
    char folder[] = "/tmp/tally-notify-XXXXXX";
    if (!mkdtemp(folder))
        return -1;
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", folder);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return bind(manager, (struct sockaddr *)&address, sizeof address);
}

static int close_manager(void **state)
{
    (void)state;
    close(manager);
    unlink(address.sun_path);
    *strrchr(address.sun_path, '/') = 0;
    unsetenv("NOTIFY_SOCKET");
    return rmdir(address.sun_path);
}

static void the_state_arrives_as_one_datagram(void **state)
{
    (void)state;
    char text[64] = "";
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    notify_send("READY=1");
    assert_int_equal(recv(manager, text, sizeof text, MSG_DONTWAIT), 7);
    assert_string_equal(text, "READY=1");
    notify_reloading();
    assert_true(recv(manager, text, sizeof text, MSG_DONTWAIT) > 0);
    assert_memory_equal(text, "RELOADING=1\nMONOTONIC_USEC=", 27);
}

static void without_a_manager_nothing_happens(void **state)
{
    (void)state;
    char text[64];
    notify_send("READY=1");
    char folder[sizeof address.sun_path];
    snprintf(folder, sizeof folder, "%s", address.sun_path);
    *strrchr(folder, '/') = 0;
    assert_int_equal(chdir(folder), 0); /* the socket is there, but by no absolute path */
    setenv("NOTIFY_SOCKET", "socket", 1);
    notify_send("READY=1");
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(recv(manager, text, sizeof text, MSG_DONTWAIT), -1);
}

static void the_watchdog_is_fed_twice_in_its_time_and_only_by_its_process(void **state)
{
    (void)state;
    char pid[32];
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    assert_int_equal(notify_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "10000000", 1);
    assert_int_equal(notify_watchdog_ms(), 5000);
    snprintf(pid, sizeof pid, "%ld", (long)getpid() + 1);
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_watchdog_ms(), 0);
    unsetenv("WATCHDOG_PID");
    setenv("WATCHDOG_USEC", "rubbish", 1);
    assert_int_equal(notify_watchdog_ms(), 0);
    unsetenv("WATCHDOG_USEC");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_state_arrives_as_one_datagram, open_manager,
                                        close_manager),
        cmocka_unit_test_setup_teardown(without_a_manager_nothing_happens, open_manager,
                                        close_manager),
        cmocka_unit_test(the_watchdog_is_fed_twice_in_its_time_and_only_by_its_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
