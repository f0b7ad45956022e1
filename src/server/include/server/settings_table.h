/* settings_table.h - every setting, declared once: the struct, the parser, --help, docs/settings.md
 * and the checks at the start all come from here.
 *
 * key, type, default, least, most, when, help
 *
 * Types: NUMBER; BYTES (1048576, 1024KiB, 1MiB); DURATION (milliseconds: 800, 800ms, 15m, 7d);
 * SWITCH (true or false; least and most are not used); TEXT (least and most bound its bytes).
 * When: START settings are read once; RELOAD ones also when SIGHUP comes.
 */
#ifndef TALLY_SERVER_SETTINGS_TABLE_H
#define TALLY_SERVER_SETTINGS_TABLE_H

#define KIB(n)     ((n)*INT64_C(1024))
#define MIB(n)     ((n)*INT64_C(1048576))
#define SECONDS(n) ((n)*INT64_C(1000))
#define MINUTES(n) ((n)*INT64_C(60000))
#define HOURS(n)   ((n)*INT64_C(3600000))
#define DAYS(n)    ((n)*INT64_C(86400000))

/* clang-format off */
#define SETTINGS_PLACE(X)                                                                          \
    X(data, TEXT, "./data", 1, 1000, START,                                                        \
      "data folder; made if it is not there, and locked while the server runs")                    \
    X(listen, TEXT, "127.0.0.1:7070", 3, 255, START,                                               \
      "address to listen on, HOST:PORT or [HOST]:PORT; port 0 takes any free one")                 \
    X(node, NUMBER, 0, 0, NODE_MAX, START,                                                         \
      "this node's number; it stands in every reservation id")                                     \
    X(dimensions, TEXT, "drinks", 4, 6, START,                                                     \
      "what a lot's flavor, size and batch may be: drinks (a word, a size that is normalised, "    \
      "BATCH-YYYYMMDD-X), or free (any printable text up to 64 bytes)")                            \
    X(flavors, TEXT, "", 0, 1000, RELOAD,                                                          \
      "flavors that a lot may have, separated by commas; empty: any lower-case word. Of drinks")              \
    X(feed_dir, TEXT, "", 0, 1000, START,                                                          \
      "folder into which files of new batches and corrections are renamed, to be applied once; "   \
      "made if it is not there; empty: none")                                                      \
    X(expiry_zone, TEXT, "UTC", 1, 64, START,                                                      \
      "time zone in which a lot's expires_on is its last day of sale: a name of the tz database "  \
      "(/usr/share/zoneinfo), such as Asia/Shanghai")                                              \
    X(log_level, TEXT, "info", 4, 5, RELOAD,                                                       \
      "least level that is logged: debug, info, warn or error")                                    \
    X(log_requests, SWITCH, false, 0, 1, RELOAD,                                                   \
      "a log line for each request, not only for those that were refused")

#define SETTINGS_HOLDS(X)                                                                          \
    X(hold_default_ms, DURATION, MINUTES(15), 1, DAYS(365), START,                                 \
      "how long a reservation is held when the order doesn't say")                                 \
    X(hold_max_ms, DURATION, HOURS(24), 1, DAYS(365), START,                                       \
      "longest hold_ms of an order or an extension")                                               \
    X(hold_total_max_ms, DURATION, DAYS(3), 1, DAYS(365), START,                                   \
      "longest time from reserving to the last deadline that extensions may reach")                \
    X(user_holds_max, NUMBER, 0, 0, 1000000, START,                                                \
      "most PENDING reservations of one user at a time; 0: any number")                            \
    X(refund_window_ms, DURATION, HOURS(72), 0, DAYS(3650), START,                                 \
      "how long after confirming a reservation may be returned")                                   \
    X(order_retention_ms, DURATION, DAYS(7), SECONDS(1), DAYS(3650), START,                        \
      "how long an order_id is remembered, so that a retry gets the first answer")                 \
    X(clock_gap_max_ms, DURATION, HOURS(24), MINUTES(1), DAYS(3650), START,                       \
      "how far the wall clock may be from the newest move, either way, to be believed; beyond it " \
      "time goes on from that move, and nothing ends because of the clock, until both agree or "   \
      "accept_clock is given")                                                                     \
    X(accept_clock, SWITCH, false, 0, 1, START,                                                    \
      "at this start the wall clock is right, however far it is from the newest move")

#define SETTINGS_TIME(X)                                                                           \
    X(request_timeout_ms, DURATION, 800, 1, MINUTES(10), RELOAD,                                   \
      "how long a request may take to reach the engine, if the client sets no deadline; later it " \
      "is refused and has no effect")                                                              \
    X(stock_timeout_ms, DURATION, 0, 0, MINUTES(10), RELOAD,                                       \
      "the same for orders and look-ups of lots, if it is less than request_timeout_ms; 0: three " \
      "eighths of that, so 300 ms of 800")                                                         \
    X(reply_timeout_ms, DURATION, SECONDS(5), 10, MINUTES(10), RELOAD,                             \
      "how long a request waits for the ledger before it is answered OUTCOME_UNKNOWN")             \
    X(retry_after_s, NUMBER, 1, 1, 3600, RELOAD,                                                   \
      "Retry-After, in seconds, of refusals that pass")                                            \
    X(receive_timeout_ms, DURATION, SECONDS(10), 10, HOURS(1), START,                              \
      "how long a client may take to send a request once it has begun; then it is answered 408")   \
    X(send_timeout_ms, DURATION, SECONDS(10), 10, HOURS(1), START,                                 \
      "how long a client may take nothing of an answer; then its HTTP/2 stream is reset, or the "  \
      "connection closed if it takes nothing at all")                                              \
    X(idle_timeout_ms, DURATION, MINUTES(5), 10, DAYS(1), START,                                   \
      "how long a connection may be idle")                                                         \
    X(connection_age_max_ms, DURATION, 0, 0, DAYS(365), START,                                     \
      "age at which a connection is told to end (GOAWAY, Connection: close), so that clients "     \
      "spread over new servers; 0: never")                                                         \
    X(drain_timeout_ms, DURATION, SECONDS(10), 0, HOURS(1), RELOAD,                                \
      "how long a stopping server lets requests and connections finish")

#define SETTINGS_LIMITS(X)                                                                         \
    X(io_workers, NUMBER, 0, 0, 64, START,                                                         \
      "threads that talk to clients; 0: one less than there are processors, at least one")         \
    X(h2c_upgrade, SWITCH, false, 0, 1, START,                                                     \
      "whether an HTTP/1.1 request may turn its connection into HTTP/2 (Upgrade: h2c); the rules " \
      "of a proxy in front end where such a tunnel begins")                                        \
    X(connections_max, NUMBER, 20000, 1, 1000000, START,                                           \
      "connections at one time, shared evenly by the workers")                                     \
    X(backlog, NUMBER, 4096, 1, 65535, START,                                                      \
      "connections that may wait to be accepted, for each worker")                                 \
    X(inflight_max, NUMBER, 16384, 1, 1000000, RELOAD,                                             \
      "requests of one worker at work, that is with the engine; beyond it they wait their turn. "  \
      "Fewer are let in while it takes them longer than half of stock_timeout_ms")                 \
    X(queue_max, NUMBER, 32768, 0, 1000000, RELOAD,                                                \
      "requests of one worker that wait for a place at work, as far as they will be served in "    \
      "time; beyond it they are refused")                                                          \
    X(waiting_users_max, NUMBER, 2000000, 1, 16000000, START,                                      \
      "users in the waiting rooms of sales, of all together; at most 24 bytes each")               \
    X(watchers_max, NUMBER, 1000, 0, 100000, RELOAD,                                               \
      "streams of one worker: watchers of stock or health, readers of events")                                          \
    X(watch_interval_ms, DURATION, 50, 10, MINUTES(1), RELOAD,                                    \
      "least time between two messages to a watcher")                                              \
    X(top_lots, NUMBER, 20, 0, 100, RELOAD,                                                        \
      "lots with gauges of their own in /metrics: those with most moves")                          \
    X(header_line_max, BYTES, KIB(8), 256, KIB(64), START,                                         \
      "one header line of a request")                                                              \
    X(header_bytes_max, BYTES, KIB(32), 1024, MIB(1), START,                                       \
      "all headers of a request")                                                                  \
    X(header_count_max, NUMBER, 100, 8, 10000, START,                                              \
      "headers of a request")                                                                      \
    X(target_max, BYTES, KIB(4), 64, KIB(64), START,                                               \
      "path and query of a request")                                                               \
    X(body_max, BYTES, MIB(4), 1024, MIB(64), START,                                               \
      "body of a request")                                                                         \
    X(import_max, BYTES, MIB(1024), 1024, MIB(65536), RELOAD,                                      \
      "a stock file that is imported over HTTP (POST /v1/lots/import)")                            \
    X(streams_max, NUMBER, 1000, 1, 10000, START,                                                  \
      "concurrent streams of an HTTP/2 connection")                                                \
    X(stream_buffer_max, BYTES, KIB(256), KIB(4), MIB(16), START,                                  \
      "unread bytes of a streaming answer")                                                        \
    X(output_max, BYTES, MIB(1), KIB(16), MIB(64), START,                                          \
      "unread bytes of a connection; beyond it nothing more is read from it")                      \
    X(connection_memory_max, BYTES, MIB(128), KIB(256), MIB(65536), START,                          \
      "memory of a connection's requests and answers; beyond it nothing more is read from it "     \
      "(HTTP/1.1), or its streams are refused (HTTP/2)")                                           \
    X(worker_memory_max, BYTES, MIB(256), MIB(8), MIB(65536), START,                               \
      "memory of a worker's requests and answers; beyond it they wait, or are refused. At least "  \
      "64 times body_max, so that the largest request has room")                                                                                  \
    X(process_memory_max, BYTES, MIB(1024), MIB(8), MIB(1048576), START,                           \
      "the same for all workers together; at least worker_memory_max")

#define SETTINGS_ENGINE(X)                                                                         \
    X(lots_max, NUMBER, 1000000, 1, 16000000, START,                                               \
      "lots")                                                                                      \
    X(holds_max, NUMBER, 10000000, 1, 1000000000, START,                                           \
      "reservations at one time that are PENDING, or paid in an OPEN group")                       \
    X(sales_max, NUMBER, 1000000, 1, 1048576, START,                                               \
      "sales that were ever made: some 300 bytes each")                                            \
    X(groups_max, NUMBER, 4000000, 1, 100000000, START,                                            \
      "OPEN groups at one time: some 170 bytes each")                                              \
    X(user_entries_max, NUMBER, 20000000, 1, 1000000000, START,                                    \
      "reservations that count towards limits of users, in sales until hold_total_max_ms and "     \
      "refund_window_ms after their end, and of lots with a per_user_limit: 30 to 47 bytes each")                                                       \
    X(backorders_max, NUMBER, 10000000, 1, 1000000000, START,                                      \
      "orders that wait for units of lots with a backorder_limit: 32 to 64 bytes each")            \
    X(order_memory_max, NUMBER, 8000000, 1024, 1000000000, START,                                  \
      "order_ids in memory; older ones of the window are looked up on disk")                       \
    X(batch_moves_max, NUMBER, 8192, 1, 65536, START,                                              \
      "moves in one ledger commit")                                                                \
    X(waiting_max, NUMBER, 262144, 1, 10000000, START,                                             \
      "requests of all workers that wait for a commit or a look-up")                               \
    X(questions_max, NUMBER, 1024, 1, 65536, START,                                                    \
      "look-ups in the ledger under way at one time")                                              \
    X(stale_tries_max, NUMBER, 5, 1, 100, START,                                                   \
      "how often a request is decided again when another writer was faster")                       \
    X(gate, TEXT, "local", 5, 1000, START,                                                         \
      "where orders are refused early: local, or redis://[user@]host:port[,host:port...], which "  \
      "nodes that share a ledger have in common. Over a shared ledger local refuses nothing early") \
    X(gate_password, TEXT, "", 0, 200, START,                                                      \
      "password of the gate's user in Redis")                                                      \
    X(gate_password_file, TEXT, "", 0, 1000, START,                                                \
      "a file that holds gate_password, so that it stands neither on the command line nor in the " \
      "environment")                                                                               \
    X(gate_timeout_ms, DURATION, 250, 1, SECONDS(60), START,                                       \
      "how long an answer of Redis is waited for; then the order asks the ledger")                 \
    X(gate_order_filter_bytes, BYTES, MIB(8), KIB(64), MIB(16384), START,                          \
      "filter of order_ids that tells retries from new orders at the gate; a power of two. "       \
      "Memory is used as it fills")

#define SETTINGS_LEDGER(X)                                                                         \
    X(ledger, TEXT, "local", 5, 1000, START,                                                       \
      "where the ledger is: local (in the data folder), or mysql://user@host:port/database "       \
      "(MariaDB, MySQL, Galera; several hosts of one database with commas), which several nodes "  \
      "may share")                                                                                 \
    X(ledger_password, TEXT, "", 0, 200, START,                                                    \
      "password of the user in ledger")                                                            \
    X(ledger_password_file, TEXT, "", 0, 1000, START,                                              \
      "a file that holds ledger_password, so that it stands neither on the command line nor in "   \
      "the environment")                                                                           \
    X(ledger_tls, TEXT, "off", 2, 6, START,                                                        \
      "to the ledger's database: off, on (encrypted, whoever answers), verify (its certificate "   \
      "and name are checked)")                                                                     \
    X(ledger_tls_ca, TEXT, "", 0, 1000, START,                                                     \
      "certificates (PEM) that the database's is checked against; empty: the system's")            \
    X(ledger_timeout_ms, DURATION, SECONDS(10), SECONDS(1), MINUTES(5), START,                     \
      "an answer of the ledger's database that takes longer counts as a lost connection")          \
    X(ledger_clock_gap_max_ms, DURATION, SECONDS(1), 1, HOURS(1), START,                           \
      "how far this machine's clock may be from that of the ledger's database; beyond it nothing " \
      "is written")                                                                                \
    X(ledger_weak_durability, SWITCH, false, 0, 1, START,                                          \
      "a database whose commits a power cut may undo (innodb_flush_log_at_trx_commit or "          \
      "sync_binlog is not 1) is taken all the same")                                               \
    X(wal_bytes_max, BYTES, MIB(4), MIB(1), MIB(16384), START,                                    \
      "write-ahead log size at which it is checkpointed")                                          \
    X(dirty_lots_max, NUMBER, 256, 0, 1000000, START,                                              \
      "lots whose stock is written with each commit; beyond it, it waits for the next snapshot")   \
    X(snapshot_moves, NUMBER, 1000000, 1000, 1000000000, START,                                    \
      "moves after which stock is written out in full, which bounds the time of a restart")        \
    X(accept_loss, TEXT, "", 0, 19, START,                                               \
      "the number that a start named which found moves missing: go on without them; it has no "   \
      "effect if nothing is missing")                                                              \
    X(archive_after_ms, DURATION, DAYS(30), 0, DAYS(36500), START,                                 \
      "age at which finished reservations leave the ledger; 0: never")                             \
    X(archive_keep, SWITCH, true, 0, 1, START,                                                     \
      "true: they go to archive.db in the data folder; false: they are deleted")                   \
    X(archive_step_rows, NUMBER, 500, 1, 100000, START,                                            \
      "reservations that leave in one transaction")

#define SETTINGS_CACHE(X)                                                                          \
    X(cache, TEXT, "off", 3, 1000, START,                                                          \
      "where GetLot looks first: off (the engine answers), local (lots that were read are kept in " \
      "this process), or redis://[user@]host:port[,host:port...] (in Redis, for all nodes; hot "   \
      "lots in this process)")                                                                     \
    X(cache_password, TEXT, "", 0, 800, START,                                                     \
      "password for the Redis of cache")                                                           \
    X(cache_password_file, TEXT, "", 0, 1000, START,                                               \
      "a file that holds cache_password")                                                          \
    X(cache_hot_reads, NUMBER, 5000, 1, 1000000000, START,                                         \
      "before Redis a lot is kept in this process if it was read more often within a minute")      \
    X(cache_hot_lots_max, NUMBER, 1000, 0, 1000000, START,                                         \
      "so many lots are")                                                                          \
    X(cache_hot_ms, DURATION, SECONDS(10), 10, HOURS(1), START,                                    \
      "for so long")                                                                               \
    X(cache_recheck_ms, DURATION, 500, 0, HOURS(1), START,                                         \
      "how often such a lot is looked up in Redis all the same, so that a node that nobody tells "  \
      "of commits is at most so far behind; 0: never")                                             \
    X(cache_memory_max, BYTES, MIB(64), MIB(1), MIB(65536), START,                                 \
      "memory of lots kept in this process")                                                       \
    X(cache_ttl_ms, DURATION, SECONDS(30), 10, HOURS(24), START,                                   \
      "how long a lot is kept, if no commit ends it sooner")                                       \
    X(cache_absent_ttl_ms, DURATION, SECONDS(5), 10, HOURS(24), START,                             \
      "how long it is kept that there is no such lot")                                             \
    X(cache_tombstone_ms, DURATION, SECONDS(30), SECONDS(1), HOURS(1), START,                      \
      "how long a commit is remembered, so that no older reading is kept: longer than a replica "  \
      "may lag")                                                                                   \
    X(cache_lease_ms, DURATION, SECONDS(1), 10, MINUTES(1), START,                                 \
      "how long one reader may take to read a lot for all; then the next one tries")               \
    X(cache_wait_ms, DURATION, 250, 1, MINUTES(1), START,                                          \
      "how long the others wait for that; then they ask the ledger themselves")                    \
    X(cache_stale_wait_ms, DURATION, 20, 1, MINUTES(1), START,                                     \
      "the same where there is what a commit has just made old; then they get that")               \
    X(cache_meter_ms, DURATION, SECONDS(1), 0, HOURS(1), RELOAD,                                   \
      "how often each worker compares the copies of a lot that was read with the ledger "          \
      "(tally_inconsistency_...); 0: never")                                                       \
    X(cache_stale_ms, DURATION, SECONDS(1), 0, MINUTES(1), START,                                  \
      "how long after the commit they may get it")

#define SETTINGS_EVENTS(X)                                                                         \
    X(event_source, TEXT, "/tally", 1, 200, START,                                                 \
      "source of events: a URI that tells this shop's ledger from others")                         \
    X(events_memory_max, BYTES, MIB(8), 0, MIB(1024), START,                                       \
      "memory of events that are kept encoded for further readers; others read the ledger again")  \
    X(events, TEXT, "none", 4, 1000, START,                                                        \
      "where every move goes as an event: none, or kafka://host:port[,host:port...], to the topic "\
      "bus_prefix.events; local caches of other nodes hear of changes over it, too")               \
    X(bus, TEXT, "inproc", 6, 1000, START,                                                         \
      "what keeps second deletes of cached lots until they are due: inproc (a timer of this "      \
      "process), or amqp://user@host:port/vhost (RabbitMQ)")                                       \
    X(bus_password, TEXT, "", 0, 800, START,                                                       \
      "the password of bus's user")                                                                \
    X(bus_password_file, TEXT, "", 0, 1000, START,                                                 \
      "a file that holds bus_password, so that it stands neither on the command line nor in the "  \
      "environment")                                                                               \
    X(bus_prefix, TEXT, "tally", 1, 40, START,                                                     \
      "beginning of the names of topics, exchanges and queues: one for each shop")                 \
    X(bus_quorum, SWITCH, false, 0, 1, START,                                                      \
      "RabbitMQ's queues are quorum queues, for a cluster of brokers")                             \
    X(delete_again_ms, DURATION, 150, 1, MINUTES(10), START,                                       \
      "how long after a commit a lot is deleted from caches once more, at least: longer than a "   \
      "replica takes to have the commit")                                                          \
    X(webhook_url, TEXT, "", 0, 1000, START,                                                       \
      "http: or https: URL to which every event is posted, from the first start with it on; "      \
      "empty: none. Redirects are not followed")                                                   \
    X(webhook_secret, TEXT, "", 0, 800, START,                                                     \
      "what deliveries are signed with: whsec_ and the base64 of 24 to 64 bytes. Several, "        \
      "separated by spaces, all sign")                                                             \
    X(webhook_secret_file, TEXT, "", 0, 1000, START,                                               \
      "a file that holds webhook_secret, so that it stands neither on the command line nor in the "\
      "environment")                                                                               \
    X(webhook_ca_file, TEXT, "", 0, 1000, START,                                                   \
      "certificates (PEM) that the receiver's is checked against; empty: the system's")            \
    X(webhook_attempts_max, NUMBER, 10, 1, 1000, START,                                            \
      "deliveries of one event before it goes to the list of what failed")                         \
    X(webhook_backoff_ms, DURATION, SECONDS(1), 1, HOURS(1), START,                                \
      "pause after the first failed delivery of an event; doubled with each, less up to half of "  \
      "it by chance")                                                                              \
    X(webhook_backoff_max_ms, DURATION, MINUTES(5), 1, DAYS(1), START,                             \
      "longest such pause, also if the receiver asks for more with Retry-After")                   \
    X(webhook_timeout_ms, DURATION, SECONDS(15), 10, MINUTES(10), START,                           \
      "how long a delivery may take")                                                              \
    X(webhook_parallel_max, NUMBER, 8, 1, 64, START,                                               \
      "deliveries at one time, of different lots and reservations; those of one go one by one")    \
    X(webhook_failed_max, NUMBER, 10000, 1, 1000000, START,                                        \
      "events on the list of what failed; when it is full, none is given up, and deliveries wait")
/* clang-format on */

/* title, settings */
#define SETTINGS_GROUPS(G)                                                                         \
    G("Place and log", SETTINGS_PLACE)                                                             \
    G("Holds and orders", SETTINGS_HOLDS)                                                          \
    G("Time limits", SETTINGS_TIME)                                                                \
    G("Connections and requests", SETTINGS_LIMITS)                                                 \
    G("Engine and gate", SETTINGS_ENGINE)                                                          \
    G("Ledger", SETTINGS_LEDGER)                                                                   \
    G("Cache", SETTINGS_CACHE)                                                                     \
    G("Events and webhooks", SETTINGS_EVENTS)

#define SETTINGS(X)                                                                                \
    SETTINGS_PLACE(X)                                                                              \
    SETTINGS_HOLDS(X)                                                                              \
    SETTINGS_TIME(X)                                                                               \
    SETTINGS_LIMITS(X) SETTINGS_ENGINE(X) SETTINGS_LEDGER(X) SETTINGS_CACHE(X) SETTINGS_EVENTS(X)

#endif
