#include "redis_server.h"

#include "fixture.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PORT_FIRST = 20000, PORTS = 12000, ARGUMENTS_MAX = 40, LOOKS_MAX = 3000, SKIPPED = 77 };

bool redis_server_there(void)
{
    return system("command -v redis-server >/dev/null 2>&1") == 0;
}

void redis_server_needed(void)
{
    const char *ci = getenv("CI");
    if (redis_server_there())
        return;
    puts("skipped: there is no redis-server");
    exit(ci && strcmp(ci, "true") == 0 ? 1 : SKIPPED);
}

/* ---- talking to one ---- */

static int connect_to(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Reads until the answer's first line is there, and of a bulk string the text. */
static bool read_answer(int fd, char *out, size_t size)
{
    size_t have = 0;
    ssize_t got;
    while (have < size - 1 && (got = recv(fd, out + have, size - 1 - have, 0)) > 0) {
        have += (size_t)got;
        out[have] = 0;
        char *end = strstr(out, "\r\n");
        if (!end)
            continue;
        if (out[0] != '$' || out[1] == '-') {
            *end = 0;
            memmove(out, out + 1, strlen(out));
            return true;
        }
        size_t text = strtoul(out + 1, NULL, 10), head = (size_t)(end + 2 - out);
        if (have < head + text)
            continue;
        memmove(out, out + head, text);
        out[text] = 0;
        return true;
    }
    return false;
}

const char *redis_server_do(const struct redis_server *s, const char *command)
{
    static _Thread_local char answer[65536];
    int fd = connect_to(s->port);
    answer[0] = 0;
    if (fd < 0)
        return "";
    dprintf(fd, "%s\r\n", command);
    if (!read_answer(fd, answer, sizeof answer))
        answer[0] = 0;
    close(fd);
    return answer;
}

int64_t redis_server_number(const struct redis_server *s, const char *command)
{
    return strtoll(redis_server_do(s, command), NULL, 10);
}

/* ---- starting and stopping ---- */

static bool port_is_free(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool is_free = bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return is_free;
}

static uint16_t find_port(void)
{
    static unsigned next;
    if (!next)
        next = (unsigned)getpid() * 61 + (unsigned)time(NULL);
    for (;;) {
        uint16_t port = (uint16_t)(PORT_FIRST + next++ % PORTS);
        if (port_is_free(port))
            return port;
    }
}

static void run(struct redis_server *s)
{
    char port[8], bus[8];
    const char *arguments[ARGUMENTS_MAX] = {"redis-server",
                                            "--bind",
                                            "127.0.0.1",
                                            "--save",
                                            "",
                                            "--appendonly",
                                            "no",
                                            "--port",
                                            port,
                                            "--dir",
                                            s->folder,
                                            "--daemonize",
                                            "no",
                                            "--repl-diskless-sync-delay",
                                            "0"};
    size_t n = 0;
    snprintf(port, sizeof port, "%u", s->port);
    snprintf(bus, sizeof bus, "%u", s->bus_port);
    while (arguments[n])
        n++;
    if (s->in_cluster) {
        const char *const more[] = {
            "--cluster-enabled",      "yes",  "--cluster-config-file", "nodes.conf",
            "--cluster-node-timeout", "1000", "--cluster-port",        bus};
        for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
            arguments[n++] = more[i];
    }
    for (size_t i = 0; s->arguments && s->arguments[i]; i++)
        arguments[n++] = s->arguments[i];
    s->pid = fork();
    assert(s->pid >= 0);
    if (s->pid)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    execvp("redis-server", (char *const *)arguments);
    _exit(127);
}

/* False: it has ended, since somebody else was faster to its port. */
static bool wait_until_it_answers(struct redis_server *s)
{
    for (int i = 0; i < LOOKS_MAX; i++) {
        const char *answer = redis_server_do(s, "PING");
        if (strcmp(answer, "PONG") == 0 || strncmp(answer, "NOAUTH", 6) == 0)
            return waitpid(s->pid, NULL, WNOHANG) == 0;
        if (waitpid(s->pid, NULL, WNOHANG) != 0)
            return false;
        pause_ms(10);
    }
    return false;
}

static void start(struct redis_server *s, bool in_cluster, const char *const *arguments)
{
    *s = (struct redis_server){.in_cluster = in_cluster, .arguments = arguments};
    snprintf(s->folder, sizeof s->folder, "/tmp/tally-redis-XXXXXX");
    assert(mkdtemp(s->folder));
    do {
        s->port = find_port();
        s->bus_port = in_cluster ? find_port() : 0;
        run(s);
    } while (!wait_until_it_answers(s));
}

void redis_server_start(struct redis_server *s, const char *const *arguments)
{
    start(s, false, arguments);
}

void redis_server_start_again(struct redis_server *s)
{
    do
        run(s);
    while (!wait_until_it_answers(s));
}

void redis_server_kill(struct redis_server *s)
{
    if (s->pid <= 0)
        return;
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

void redis_server_pause(struct redis_server *s)
{
    kill(s->pid, SIGSTOP);
}

void redis_server_go_on(struct redis_server *s)
{
    kill(s->pid, SIGCONT);
}

void redis_server_remove(struct redis_server *s)
{
    char command[128];
    redis_server_kill(s);
    snprintf(command, sizeof command, "rm -rf '%s'", s->folder);
    if (s->folder[0] && system(command) != 0)
        fprintf(stderr, "cannot remove %s\n", s->folder);
}

/* ---- a cluster ---- */

void redis_cluster_start(struct redis_cluster *c)
{
    char command[512];
    size_t size = (size_t)snprintf(command, sizeof command, "redis-cli --cluster create");
    for (int i = 0; i < CLUSTER_NODES; i++) {
        start(&c->nodes[i], true, NULL);
        size += (size_t)snprintf(command + size, sizeof command - size, " 127.0.0.1:%u",
                                 c->nodes[i].port);
    }
    snprintf(command + size, sizeof command - size,
             " --cluster-replicas 1 --cluster-yes >/dev/null 2>&1");
    assert(system(command) == 0);
    for (int i = 0; i < CLUSTER_NODES; i++)
        while (!strstr(redis_server_do(&c->nodes[i], "CLUSTER INFO"), "cluster_state:ok"))
            pause_ms(20);
}

void redis_cluster_remove(struct redis_cluster *c)
{
    for (int i = 0; i < CLUSTER_NODES; i++)
        redis_server_remove(&c->nodes[i]);
}
