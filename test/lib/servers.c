#include "servers.h"
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX 8192

const char *server_url(const char *variable)
{
    const char *value = getenv(variable);
    if (value && *value)
        return value;
    printf("skipped: $%s is not set; run it with test/lib/servers.py\n", variable);
    fflush(stdout);
    _exit(77);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void server_command(const char *verb, const char *name)
{
    int fd = connect_to(server_url("TALLY_TEST_CONTROL"));
    char line[256], answer[ANSWER_MAX];
    int length = snprintf(line, sizeof line, "%s %s\n", verb, name);
    assert_true(length > 0 && (size_t)length < sizeof line);
    assert_int_equal(write(fd, line, (size_t)length), length);
    size_t used = 0;
    while (used < sizeof answer - 1) {
        ssize_t got = read(fd, answer + used, sizeof answer - 1 - used);
        assert_true(got >= 0);
        if (got == 0)
            break;
        used += (size_t)got;
        if (answer[used - 1] == '\n')
            break;
    }
    answer[used] = '\0';
    close(fd);
    if (strncmp(answer, "ok", 2) != 0)
        fail_msg("%s %s: %s", verb, name, answer);
}
