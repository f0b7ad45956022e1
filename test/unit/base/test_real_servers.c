/* needs: redis */
/* A test that says so on its first line is run with real servers, and may have them killed. */
#include "fixture.h"
#include "servers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* True if the server at HOST:PORT says PONG. */
static int pongs(const char *address)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    const char *colon = strrchr(address, ':');
    assert_non_null(colon);
    at.sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char answer[8] = "";
    int ok = connect(fd, (struct sockaddr *)&at, sizeof at) == 0 && write(fd, "PING\r\n", 6) == 6 &&
             read(fd, answer, 7) == 7 && strcmp(answer, "+PONG\r\n") == 0;
    close(fd);
    return ok;
}

static void a_server_is_killed_and_started_again(void **state)
{
    (void)state;
    const char *address = server_url("TALLY_TEST_REDIS");
    assert_true(pongs(address));
    server_command("kill9", "redis-0");
    assert_false(pongs(address));
    server_command("start", "redis-0");
    assert_true(pongs(address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_server_is_killed_and_started_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
