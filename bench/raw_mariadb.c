/* raw_mariadb.c - what MariaDB alone can do: orders with a random unique order id in multi-row
 * inserts, the stock reduced in the same transaction, one connection, one commit on its way.
 *
 *   raw_mariadb PORT ORDERS ORDERS_PER_COMMIT
 *
 * Of the tables of bench/peers.py. Prints one JSON object.
 */
#include <inttypes.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ORDER_TEXT = 40, HEAD_TEXT = 64, PER_COMMIT_MAX = 10000 };

static MYSQL *server;

static void run(const char *sql, size_t size)
{
    if (mysql_real_query(server, sql, size) == 0)
        return;
    fprintf(stderr, "raw_mariadb: %s\n", mysql_error(server));
    exit(1);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* An order id that lies anywhere in the index, and comes once: a bijection of its number. */
static uint64_t mixed(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void commit_orders(char *sql, uint64_t first, uint64_t count)
{
    size_t used =
        (size_t)snprintf(sql, HEAD_TEXT, "INSERT INTO shop.orders (order_id, quantity) VALUES ");
    for (uint64_t i = 0; i < count; i++)
        used += (size_t)snprintf(sql + used, ORDER_TEXT + 1, "%s('%016" PRIx64 "%016" PRIx64 "',1)",
                                 i ? "," : "", mixed(first + i), first + i);
    char update[128];
    int size = snprintf(update, sizeof update,
                        "UPDATE shop.stock SET stock = stock - %" PRIu64
                        " WHERE id = 1 AND stock >= %" PRIu64,
                        count, count);
    run("BEGIN", 5);
    run(sql, used);
    run(update, (size_t)size);
    run("COMMIT", 6);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: raw_mariadb PORT ORDERS ORDERS_PER_COMMIT\n");
        return 2;
    }
    uint64_t orders = strtoull(argv[2], NULL, 10), per_commit = strtoull(argv[3], NULL, 10);
    if (per_commit == 0 || per_commit > PER_COMMIT_MAX) {
        fprintf(stderr, "raw_mariadb: 1 to %d orders a commit\n", PER_COMMIT_MAX);
        return 2;
    }
    char *sql = malloc(HEAD_TEXT + ORDER_TEXT * per_commit + 1);
    server = mysql_init(NULL);
    if (!sql || !server)
        return 1;
    if (!mysql_real_connect(server, "127.0.0.1", "bench", "bench", "shop",
                            (unsigned)strtoul(argv[1], NULL, 10), NULL, 0)) {
        fprintf(stderr, "raw_mariadb: %s\n", mysql_error(server));
        return 1;
    }
    double start = now_s();
    for (uint64_t done = 0; done < orders; done += per_commit)
        commit_orders(sql, done, done + per_commit < orders ? per_commit : orders - done);
    double seconds = now_s() - start;
    printf("{\"orders\": %" PRIu64 ", \"per_commit\": %" PRIu64 ", \"orders_per_s\": %.0f}\n",
           orders, per_commit, (double)orders / seconds);
    mysql_close(server);
    free(sql);
    return 0;
}
