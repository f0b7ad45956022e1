/* limits.c - files and ports for many connections.
 *
 * Happy path: the process's own limit of open files is raised, and on loopback the connections are
 * spread over as many source addresses as their ports take. What this process cannot change is an
 * error that says what to set. A limit that cannot be read counts as the kernel's default.
 */
#include "loadgen/limits.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>

enum {
    /* Of the ports of one source address. connect() tries one half of them first, the even ones:
     * once those are taken it passes by them all every time, 50 times slower. The rest is for
     * others, and for connections that are opened again while the old ones are remembered. */
    PORTS_SHARE_PERCENT = 40,
    PORT_LOW_DEFAULT = 32768,
    PORT_HIGH_DEFAULT = 60999,
    PORT_LOW_BEST = 1024,
    PORT_HIGH_BEST = 65535,
    PORTS_BEST = PORT_HIGH_BEST - PORT_LOW_BEST + 1,
};

static const char range_name[] = "net.ipv4.ip_local_port_range";

static int check_files(const struct limits *l, uint32_t connections, struct error *e)
{
    uint64_t need = (uint64_t)connections + FILES_BESIDE_CONNECTIONS;
    if (need <= l->files)
        return 0;
    unsigned long long n = need, have = l->files;
    return error_set(e, TLY_ELIMIT_EXCEEDED, "connections",
                     "%u connections need %llu open files, the limit is %llu: ulimit -n %llu as "
                     "root, or \"* hard nofile %llu\" in /etc/security/limits.d/tally.conf and a "
                     "new login, or LimitNOFILE=%llu in a systemd unit",
                     connections, n, have, n, n, n);
}

static int check_ports(const struct limits *l, uint32_t connections, uint64_t ports,
                       struct error *e)
{
    if (connections <= ports)
        return 0;
    unsigned long long have = ports;
    if (connections > PORTS_BEST)
        return error_set(e, TLY_ELIMIT_EXCEEDED, "connections",
                         "%u connections to one address need as many ports, and there can be %d at "
                         "most: use several machines, or a server on 127.0.0.1",
                         connections, PORTS_BEST);
    return error_set(e, TLY_ELIMIT_EXCEEDED, "connections",
                     "%u connections need as many local ports, %s = %u %u has %llu: "
                     "sysctl -w %s=\"%d %d\"",
                     connections, range_name, l->port_low, l->port_high, have, range_name,
                     PORT_LOW_BEST, PORT_HIGH_BEST);
}

int limits_check(const struct limits *l, uint32_t connections, bool loopback, uint32_t *sources,
                 struct error *e)
{
    uint64_t ports = l->port_high >= l->port_low ? l->port_high - l->port_low + 1 : 0;
    int rc = check_files(l, connections, e);
    if (!rc && !loopback)
        rc = check_ports(l, connections, ports, e);
    if (rc)
        return rc;
    uint64_t each = ports * PORTS_SHARE_PERCENT / 100;
    if (each == 0)
        each = 1;
    *sources = !loopback || connections <= each ? 1 : (uint32_t)((connections + each - 1) / each);
    return 0;
}

/* What the limit is then. */
static uint64_t raise_files(uint64_t need)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return UINT64_MAX; /* unknown: socket() will tell */
    if (limit.rlim_max < need) {
        struct rlimit more = {.rlim_cur = need, .rlim_max = need};
        if (!setrlimit(RLIMIT_NOFILE, &more))
            return need;
    }
    struct rlimit whole = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (limit.rlim_cur < limit.rlim_max && !setrlimit(RLIMIT_NOFILE, &whole))
        return whole.rlim_cur;
    return limit.rlim_cur;
}

static void read_ports(struct limits *l)
{
    l->port_low = PORT_LOW_DEFAULT;
    l->port_high = PORT_HIGH_DEFAULT;
    FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    if (!f)
        return;
    unsigned low, high;
    if (fscanf(f, "%u %u", &low, &high) == 2 && low <= high && high <= PORT_HIGH_BEST) {
        l->port_low = low;
        l->port_high = high;
    }
    fclose(f);
}

/* Of IPv4: ::1 is a single address, from which connections cannot be spread. */
static bool is_loopback(const struct sockaddr_storage *server)
{
    const struct sockaddr_in *in = (const void *)server;
    return server->ss_family == AF_INET && ntohl(in->sin_addr.s_addr) >> IN_CLASSA_NSHIFT == 127;
}

int limits_prepare(uint32_t connections, const struct sockaddr_storage *server, uint32_t *sources,
                   struct error *e)
{
    struct limits l = {.files = raise_files((uint64_t)connections + FILES_BESIDE_CONNECTIONS)};
    read_ports(&l);
    return limits_check(&l, connections, is_loopback(server), sources, e);
}
