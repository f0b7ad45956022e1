/* ledger_bench.c - what the embedded ledger can do, next to what SQLite alone can do in the same
 * minute: rows a second at several sizes of commit, for one lot and for 100,000; then recovery;
 * then lists of reservations: the making of their index, and questions.
 *
 *     ledger_bench DIR [ROWS] [RECOVERY_ROWS] [LIST_ROWS]
 *
 * 400,000, 5,000,000 and 1,000,000 if not given; 0: skip
 *
 * "raw" is two integers and a sequential rowid by a prepared INSERT, one updated stock row a
 * commit, WAL, synchronous=FULL. The ledger's rows carry an order_id of 36 bytes and a user_id.
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "ledger/ledger_sqlite.h"

enum { ID_BYTES = 36, MANY_LOTS = 100000, PER_COMMIT_MAX = 8190, ROUNDS = 3 };
#define START_MS INT64_C(1790000000000)

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "ledger_bench: %s: %s\n", what, why);
    exit(1);
}

static void remove_db(const char *dir)
{
    static const char *const names[] = {
        "ledger.db",  "ledger.db-wal", "ledger.db-shm", "mark",         "raw.db",
        "raw.db-wal", "raw.db-shm",    "lists.db",      "lists.db-wal", "lists.db-shm"};
    char path[512];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
}

/* ---- raw ---- */

static void sql(sqlite3 *db, const char *text)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        die(text, sqlite3_errmsg(db));
}

static void step(sqlite3 *db, sqlite3_stmt *statement)
{
    if (sqlite3_step(statement) != SQLITE_DONE)
        die("step", sqlite3_errmsg(db));
    sqlite3_reset(statement);
}

static double raw_rate(const char *dir, int64_t rows, int per_commit)
{
    char path[512];
    sqlite3 *db;
    sqlite3_stmt *insert, *update, *begin, *commit;
    remove_db(dir);
    snprintf(path, sizeof path, "%s/raw.db", dir);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL))
        die(path, sqlite3_errmsg(db));
    sql(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=16000;"
            "CREATE TABLE t(id INTEGER PRIMARY KEY, lot INT, quantity INT);"
            "CREATE TABLE s(lot INTEGER PRIMARY KEY, n INT); INSERT INTO s VALUES (1, 0)");
    sqlite3_prepare_v2(db, "INSERT INTO t VALUES (?, ?, ?)", -1, &insert, NULL);
    sqlite3_prepare_v2(db, "UPDATE s SET n = n + ? WHERE lot = 1", -1, &update, NULL);
    sqlite3_prepare_v2(db, "BEGIN IMMEDIATE", -1, &begin, NULL);
    sqlite3_prepare_v2(db, "COMMIT", -1, &commit, NULL);
    double start = now_s();
    for (int64_t done = 0; done < rows; done += per_commit) {
        step(db, begin);
        for (int i = 0; i < per_commit; i++) {
            sqlite3_bind_int64(insert, 1, done + i + 1);
            sqlite3_bind_int64(insert, 2, 1);
            sqlite3_bind_int64(insert, 3, 1);
            step(db, insert);
        }
        sqlite3_bind_int64(update, 1, per_commit);
        step(db, update);
        step(db, commit);
    }
    double rate = (double)rows / (now_s() - start);
    sqlite3_finalize(insert);
    sqlite3_finalize(update);
    sqlite3_finalize(begin);
    sqlite3_finalize(commit);
    sqlite3_close(db);
    return rate;
}

/* ---- the ledger ---- */

struct bench {
    struct ledger *ledger;
    struct batch batch;
    struct move moves[PER_COMMIT_MAX];
    char ids[PER_COMMIT_MAX][ID_BYTES + 1];
    char users[PER_COMMIT_MAX][16];
    uint32_t user_count; /* 0: one */
    int64_t seq;
    uint32_t lots;
    uint32_t next_lot;
    uint64_t loaded;
    int64_t loaded_sum;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool answered;
    double slowest_s; /* commit */
};

static void on_outcome(void *context, struct batch *b)
{
    struct bench *x = context;
    if (b->outcome != LEDGER_COMMITTED)
        die("commit", "not committed");
    pthread_mutex_lock(&x->lock);
    x->answered = true;
    pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

static void on_answered(void *context, struct question *q)
{
    struct bench *x = context;
    if (q->code)
        die("list", "not answered");
    pthread_mutex_lock(&x->lock);
    x->answered = true;
    pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

static void on_available(void *context, bool available, const char *why)
{
    (void)context;
    if (!available)
        die("ledger", why);
}

static int on_lot(void *context, lot_id id, const struct lot_dims *dims,
                  const struct lot_terms *terms, const struct stock *stock, struct error *e)
{
    (void)context, (void)id, (void)dims, (void)terms, (void)stock, (void)e;
    return 0;
}

static int on_order_run(void *context, struct order_run *run)
{
    (void)context;
    order_run_free(run);
    return 0;
}

static int on_move(void *context, const struct move *m, bool in_stock, struct error *e)
{
    struct bench *x = context;
    (void)in_stock, (void)e;
    x->loaded++;
    x->loaded_sum += m->line.quantity + (int64_t)m->order_id.len;
    return 0;
}

static void open_ledger(struct bench *x, const char *dir)
{
    struct error e = {0};
    struct ledger_sqlite_config config = {.dir = dir,
                                          .accept_loss = -1,
                                          .order_retention_ms = INT64_C(7) * 86400000,
                                          .wal_bytes_max = 64 << 20,
                                          .dirty_lots_max = 256,
                                          .snapshot_moves = 1000000};
    struct ledger_loader loader = {
        .context = x, .lot = on_lot, .order_run = on_order_run, .move = on_move};
    struct ledger_events events = {
        .context = x, .outcome = on_outcome, .answered = on_answered, .available = on_available};
    if (ledger_sqlite_create(&x->ledger, &config, &e) ||
        x->ledger->ops->recover(x->ledger, &loader, &e) ||
        x->ledger->ops->start(x->ledger, &events, &e))
        die("open", e.text);
}

static void close_ledger(struct bench *x)
{
    x->ledger->ops->stop(x->ledger);
    x->ledger->ops->destroy(x->ledger);
}

static void commit(struct bench *x, uint32_t count)
{
    x->batch = (struct batch){.moves = x->moves, .move_count = count, .oldest_pending = x->seq + 1};
    x->answered = false;
    double start = now_s();
    x->ledger->ops->submit(x->ledger, &x->batch);
    pthread_mutex_lock(&x->lock);
    while (!x->answered)
        pthread_cond_wait(&x->changed, &x->lock);
    pthread_mutex_unlock(&x->lock);
    double took = now_s() - start;
    x->slowest_s = took > x->slowest_s ? took : x->slowest_s;
}

static void create_lots(struct bench *x, uint32_t lots)
{
    static char keys[PER_COMMIT_MAX][32];
    static struct lot_dims dims[PER_COMMIT_MAX];
    uint32_t count = 0;
    for (uint32_t lot = 1; lot <= lots; lot++) {
        int len = snprintf(keys[count], sizeof keys[count], "cola#%08x", lot);
        dims[count] = (struct lot_dims){.key = {keys[count], (uint32_t)len},
                                        .sku = STR("cola"),
                                        .flavor = STR("lime"),
                                        .size = STR("330ml_can"),
                                        .batch = STR("BATCH-20261122-A"),
                                        .expires_on = 20800};
        x->moves[count] = (struct move){.seq = ++x->seq,
                                        .kind = MOVE_CREATE,
                                        .at_ms = START_MS,
                                        .line_count = 1,
                                        .line = {lot, 1000000000},
                                        .dims = &dims[count]};
        count++;
        if (count == PER_COMMIT_MAX || lot == lots) {
            commit(x, count);
            count = 0;
        }
    }
    x->lots = lots;
}

static void reserve(struct bench *x, uint32_t count)
{
    static const char hex[] = "0123456789abcdef";
    for (uint32_t i = 0; i < count; i++) {
        char *id = x->ids[i];
        uint64_t bits = (uint64_t)x->seq * 0x9e3779b97f4a7c15u;
        for (int k = 0; k < ID_BYTES; k++)
            id[k] = hex[bits >> (k * 5 & 63) & 15];
        x->next_lot = (x->next_lot + 7919) % x->lots;
        x->seq++;
        x->moves[i] = (struct move){.seq = x->seq,
                                    .reservation_id = x->seq,
                                    .kind = MOVE_RESERVE,
                                    .at_ms = START_MS,
                                    .deadline_ms = START_MS + 900000,
                                    .line_count = 1,
                                    .line = {x->next_lot + 1, 1},
                                    .order_id = {id, ID_BYTES},
                                    .fingerprint = ~bits,
                                    .user_id = STR("user-1234")};
        if (x->user_count)
            x->moves[i].user_id = (struct str){
                x->users[i], (uint32_t)snprintf(x->users[i], sizeof x->users[i], "user-%u",
                                                (uint32_t)(bits >> 32) % x->user_count)};
    }
}

/* *slowest_ms: of all commits, checkpoints before them included. */
static double ledger_rate(const char *dir, int64_t rows, int per_commit, uint32_t lots,
                          double *slowest_ms)
{
    static struct bench x;
    memset(&x, 0, sizeof x);
    pthread_mutex_init(&x.lock, NULL);
    pthread_cond_init(&x.changed, NULL);
    x.seq = seq_first_of_ms(START_MS);
    remove_db(dir);
    open_ledger(&x, dir);
    create_lots(&x, lots);
    x.slowest_s = 0;
    double start = now_s();
    for (int64_t done = 0; done < rows; done += per_commit) {
        reserve(&x, (uint32_t)per_commit);
        commit(&x, (uint32_t)per_commit);
    }
    double rate = (double)rows / (now_s() - start);
    if (slowest_ms)
        *slowest_ms = x.slowest_s * 1e3;
    close_ledger(&x);
    return rate;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *rates)
{
    qsort(rates, ROUNDS, sizeof *rates, ascending);
    return rates[ROUNDS / 2];
}

static void compare(const char *dir, int64_t rows)
{
    static const int sizes[] = {100, 1000, 8190};
    printf("rows a commit         raw   ledger, 1 lot  of raw   100,000 lots  of 1 lot\n");
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        double raw[ROUNDS], one[ROUNDS], many[ROUNDS];
        int64_t n = rows / (sizes[k] == 100 ? 4 : 1) / sizes[k] * sizes[k];
        for (int round = 0; round < ROUNDS; round++) {
            raw[round] = raw_rate(dir, n, sizes[k]);
            one[round] = ledger_rate(dir, n, sizes[k], 1, NULL);
            many[round] = ledger_rate(dir, n, sizes[k], MANY_LOTS, NULL);
        }
        double r = median(raw), o = median(one), m = median(many);
        printf("%13d %11.0f %15.0f %7.2f %14.0f %9.2f\n", sizes[k], r, o, o / r, m, m / o);
    }
    double slowest_ms;
    double alone = ledger_rate(dir, 2000, 1, 1, &slowest_ms);
    printf("one row a commit, one after another: %.0f commits/s, the slowest took %.1f ms\n", alone,
           slowest_ms);
    for (uint32_t lots = 1; lots <= MANY_LOTS; lots *= MANY_LOTS) {
        double rate = ledger_rate(dir, rows * 6, 1000, lots, &slowest_ms);
        printf("%lld rows, 1,000 a commit, %u lots, snapshots among them: %.0f rows/s, the slowest"
               " commit took %.1f ms\n",
               (long long)rows * 6, lots, rate, slowest_ms);
    }
}

static void recover(const char *dir, int64_t rows)
{
    static struct bench x;
    ledger_rate(dir, rows / PER_COMMIT_MAX * PER_COMMIT_MAX, PER_COMMIT_MAX, 1, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        memset(&x, 0, sizeof x);
        double start = now_s();
        open_ledger(&x, dir);
        double took = now_s() - start;
        printf("recovery: %llu rows in %.2f s, %.2f million rows/s (check %lld)\n",
               (unsigned long long)x.loaded, took, (double)x.loaded / took / 1e6,
               (long long)x.loaded_sum);
        close_ledger(&x);
    }
}

/* Microseconds until a page of 50 is there. */
static double ask(struct bench *x, struct reservation_list list)
{
    list.before = INT64_MAX;
    list.now_ms = START_MS;
    list.page_size = 50;
    struct question q = {.kind = QUESTION_LIST, .list = &list};
    x->answered = false;
    double start = now_s();
    x->ledger->ops->ask(x->ledger, &q);
    pthread_mutex_lock(&x->lock);
    while (!x->answered)
        pthread_cond_wait(&x->changed, &x->lock);
    pthread_mutex_unlock(&x->lock);
    double took = now_s() - start;
    for (uint32_t i = 0; i < list.count; i++)
        free(list.records[i]);
    free(list.records);
    return took * 1e6;
}

/* Every second order is confirmed at once. */
static void half_confirmed(struct bench *x, uint32_t count)
{
    reserve(x, count);
    for (uint32_t i = 1; i < count; i += 2) {
        const struct move before = x->moves[i - 1];
        x->moves[i].kind = MOVE_CONFIRM;
        x->moves[i].reservation_id = before.seq;
        x->moves[i].line = before.line;
        x->moves[i].order_id = x->moves[i].user_id = (struct str){0};
        x->moves[i].deadline_ms = 0;
        x->moves[i].fingerprint = 0;
    }
}

static void lists(const char *dir, int64_t rows)
{
    enum { USERS = 100000, LOTS = 1000, EACH = 200 };
    static struct bench x;
    char path[512];
    struct stat st = {0};
    struct reservation_list build = {.lot = 1};
    pthread_mutex_init(&x.lock, NULL);
    pthread_cond_init(&x.changed, NULL);
    x.seq = seq_first_of_ms(START_MS);
    x.user_count = USERS;
    remove_db(dir);
    open_ledger(&x, dir);
    create_lots(&x, LOTS);
    for (int64_t done = 0; done < rows; done += 8000) {
        reserve(&x, 6000);
        commit(&x, 6000);
        half_confirmed(&x, 4000);
        commit(&x, 4000);
    }
    double cpu = cpu_s();
    double took = ask(&x, build);
    cpu = cpu_s() - cpu;
    snprintf(path, sizeof path, "%s/lists.db", dir);
    stat(path, &st);
    printf(
        "lists: %lld orders indexed in %.2f s (%.2f s of processor time), %.0f orders/s, %.1f MB\n",
        (long long)rows, took / 1e6, cpu, (double)rows / took * 1e6, (double)st.st_size / 1e6);
    cpu = cpu_s();
    double user = 0, lot = 0, both = 0, state = 0;
    for (uint32_t i = 0; i < EACH; i++) {
        char id[16];
        int len = snprintf(id, sizeof id, "user-%u", i * 499 % USERS);
        user += ask(&x, (struct reservation_list){.user_id = {id, (uint32_t)len}});
        lot += ask(&x, (struct reservation_list){.lot = i % LOTS + 1});
        both += ask(&x, (struct reservation_list){.lot = i % LOTS + 1, .state = HOLD_CONFIRMED});
        state += ask(&x, (struct reservation_list){.state = HOLD_CONFIRMED});
    }
    cpu = (cpu_s() - cpu) * 1e6 / EACH / 4;
    printf("a page of 50, microseconds: by user %.0f, by lot %.0f, by lot and state %.0f, by state"
           " %.0f; %.0f of processor time\n",
           user / EACH, lot / EACH, both / EACH, state / EACH, cpu);
    reserve(&x, 1000);
    commit(&x, 1000);
    printf("by lot, 1,000 orders after the last question: %.0f\n", ask(&x, build));
    close_ledger(&x);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 5) {
        fprintf(stderr, "usage: ledger_bench DIR [ROWS] [RECOVERY_ROWS] [LIST_ROWS]\n");
        return 2;
    }
    int64_t rows = argc > 2 ? strtoll(argv[2], NULL, 10) : 400000;
    int64_t recovery_rows = argc > 3 ? strtoll(argv[3], NULL, 10) : 5000000;
    int64_t list_rows = argc > 4 ? strtoll(argv[4], NULL, 10) : 1000000;
    mkdir(argv[1], 0700);
    if (rows > 0)
        compare(argv[1], rows);
    if (recovery_rows > 0)
        recover(argv[1], recovery_rows);
    if (list_rows > 0)
        lists(argv[1], list_rows);
    remove_db(argv[1]);
    return 0;
}
