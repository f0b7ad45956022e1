/* bench.c - tally bench: puts load on a server and counts what was sold.
 *
 * Happy path: options, loadgen_run(), the report on stdout and in the files asked for; exit 0 if
 * the audit found nothing. An oversold, undersold, lost or duplicated unit is exit 1; an audit that
 * could not be finished is 4, a server that went away 3. Ctrl-C ends the run early and still
 * audits and reports; a second one leaves the audit out.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/bench_live.h"
#include "cli/bench_values.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "loadgen/loadgen.h"

/* As typed; NULL where the model or the default decides. */
enum { STREAMS_GRPC = 100 };

struct bench_options {
    const char *target, *protocol, *model, *arrivals, *lot_choice;
    const char *rate, *duration, *from, *to, *step, *every, *period;
    const char *pay, *cancel, *expire, *retry, *look, *zipf, *think, *hold, *expire_after;
    const char *group_window;
    const char *json, *html;
    bool closed, no_audit, until_broken;
    int64_t connections, streams, threads, calls, timeout_ms, seed, lots, units, quantity, batch,
        burst, look_ups, group_size, user_limit, total_limit;
    struct option_list lot;
};

static volatile sig_atomic_t interrupts;

static void on_interrupt(int number)
{
    (void)number;
    interrupts++;
}

static bool was_interrupted(void *owner)
{
    (void)owner;
    return interrupts > 0;
}

static bool was_hurried(void *owner)
{
    (void)owner;
    return interrupts > 1;
}

static void show(void *owner, const struct load_progress *p)
{
    bench_live_show(owner, p);
}

/* ---- options ---- */

static int wrong(const struct usage *u, const char *name, const char *value, const char *right)
{
    return options_wrong(u, "--%s must be %s, is '%s'", name, right, value);
}

static int take_durations(const struct usage *u, const struct bench_options *b,
                          struct load_options *o)
{
    uint64_t think_ns = 0, hold_ns = 0, expire_ns = 0, window_ns = 0;
    const struct {
        const char *name, *value;
        uint64_t *to;
    } all[] = {{"duration", b->duration, &o->model.duration_ns},
               {"every", b->every, &o->model.every_ns},
               {"period", b->period, &o->model.period_ns},
               {"hold", b->hold, &hold_ns},
               {"expire-after", b->expire_after, &expire_ns},
               {"group-window", b->group_window, &window_ns}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].value && !duration_parse(all[i].value, all[i].to))
            return wrong(u, all[i].name, all[i].value, "a time such as 250ms, 30s, 5m or 1h");
    if (b->think && strcmp(b->think, "0") != 0 && !duration_parse(b->think, &think_ns))
        return wrong(u, "think", b->think, "a time such as 0, 250ms or 5s");
    if (b->think)
        o->think_ms = (uint32_t)(think_ns / 1000000u);
    o->hold_ms = (uint32_t)(hold_ns / 1000000u);
    if (b->hold && o->hold_ms == 0)
        return wrong(u, "hold", b->hold, "at least 1ms");
    o->group_window_ms = (uint32_t)(window_ns / 1000000u);
    if (b->group_window && o->group_window_ms == 0)
        return wrong(u, "group-window", b->group_window, "at least 1ms");
    if (b->expire_after)
        o->expire_ms = (uint32_t)(expire_ns / 1000000u);
    if (o->expire_ms == 0)
        return wrong(u, "expire-after", b->expire_after, "at least 1ms");
    return OPTIONS_GO;
}

static int take_rates(const struct usage *u, const struct bench_options *b, struct load_options *o)
{
    const struct {
        const char *name, *value;
        double *to;
    } all[] = {{"rate", b->rate, &o->model.rate},
               {"from", b->from, &o->model.from},
               {"to", b->to, &o->model.to},
               {"step", b->step, &o->model.step}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].value && !rate_parse(all[i].value, all[i].to))
            return wrong(u, all[i].name, all[i].value, "calls a second, such as 100, 12800 or 20k");
    return OPTIONS_GO;
}

static int take_shares(const struct usage *u, const struct bench_options *b, struct load_options *o)
{
    const struct {
        const char *name, *value;
        double *to;
    } all[] = {{"pay", b->pay, &o->pay},
               {"cancel", b->cancel, &o->cancel},
               {"expire", b->expire, &o->expire},
               {"retry", b->retry, &o->retry},
               {"look", b->look, &o->look}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        *all[i].to = -1;
        if (all[i].value && !share_parse(all[i].value, all[i].to))
            return wrong(u, all[i].name, all[i].value, "percent, 0 to 100");
    }
    return OPTIONS_GO;
}

/* The place of `value` in a list of words that ends with NULL; -1: none. */
static int word_of(const char *value, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], value) == 0)
            return i;
    return -1;
}

static int take_words(const struct usage *u, const struct bench_options *b, struct load_options *o)
{
    static const char *const protocols[] = {"grpc", "http", NULL};
    static const char *const arrivals[] = {"poisson", "uniform", NULL};
    static const char *const choices[] = {"one", "uniform", "zipf", NULL};
    int protocol = word_of(b->protocol, protocols);
    int arrival = word_of(b->arrivals, arrivals);
    int choice = b->lot_choice ? word_of(b->lot_choice, choices)
                               : (o->lot_count > 1 ? CHOICE_UNIFORM : CHOICE_ONE);
    if (protocol < 0)
        return wrong(u, "protocol", b->protocol, "grpc or http");
    if (arrival < 0)
        return wrong(u, "arrivals", b->arrivals, "poisson or uniform");
    if (choice < 0)
        return wrong(u, "lot-choice", b->lot_choice, "one, uniform or zipf");
    if (!model_parse(b->model, &o->model.model))
        return wrong(u, "model", b->model,
                     "steady, staircase, flash-sale, heartbeat, signalling, diurnal or group-buy");
    double zipf = 0.99;
    if (b->zipf && (!rate_parse(b->zipf, &zipf) || zipf > 10))
        return wrong(u, "zipf", b->zipf, "an exponent, more than 0 and at most 10");
    o->http = protocol == 1;
    if (!b->streams && o->http)
        o->streams = 1;
    o->arrivals = arrival == 1 ? ARRIVALS_UNIFORM : ARRIVALS_POISSON;
    o->choice = (enum choice_kind)choice;
    o->zipf_exponent = zipf;
    return OPTIONS_GO;
}

static int take_options(const struct usage *u, const struct bench_options *b,
                        struct load_options *o)
{
    const struct client_options client = {.server = b->target};
    *o = (struct load_options){
        .target = client_server(&client),
        .model = {.rate = 1000,
                  .duration_ns = 30 * 1000000000ull,
                  .from = 100,
                  .to = 12800,
                  .step = 100,
                  .every_ns = 30 * 1000000000ull,
                  .period_ns = 10 * 1000000000ull,
                  .burst = (uint32_t)b->burst},
        .closed = b->closed,
        .until_broken = b->until_broken,
        .calls = (uint64_t)b->calls,
        .connections = (uint32_t)b->connections,
        .streams = b->streams ? (uint32_t)b->streams : STREAMS_GRPC,
        .threads = (uint32_t)b->threads,
        .timeout_ms = (uint32_t)b->timeout_ms,
        .seed = (uint64_t)b->seed,
        .lot_keys = b->lot.count ? b->lot.items : NULL,
        .lot_count = b->lot.count ? (uint32_t)b->lot.count : (uint32_t)b->lots,
        .units = b->units,
        .think_ms = UINT32_MAX,
        .quantity_max = (uint32_t)b->quantity,
        .expire_ms = 2000,
        .batch = (uint32_t)b->batch,
        .group_size = (uint32_t)b->group_size,
        .user_limit = (uint32_t)b->user_limit,
        .total_limit = b->total_limit,
        .look_ups_max = (uint64_t)b->look_ups,
        .audit = !b->no_audit,
    };
    if (!b->seed)
        o->seed = (uint64_t)time(NULL);
    int code = take_words(u, b, o);
    if (code == OPTIONS_GO)
        code = take_rates(u, b, o);
    if (code == OPTIONS_GO)
        code = take_durations(u, b, o);
    if (code == OPTIONS_GO)
        code = take_shares(u, b, o);
    if (code == OPTIONS_GO && b->lot.count && b->units >= 0)
        code = options_wrong(u, "--units is for lots that are made; --lot names some");
    if (code == OPTIONS_GO && b->calls && !b->closed)
        code = options_wrong(u, "--calls goes with --closed; an open loop ends by --duration");
    return code;
}

/* ---- the end ---- */

static int exit_code(const struct report *r, const struct bench_options *b)
{
    enum report_verdict verdict = report_verdict(r);
    if (verdict == VERDICT_WRONG)
        return EXIT_REFUSED;
    if (r->end == END_SERVER_GONE)
        return EXIT_UNREACHABLE;
    struct report_stage all;
    report_total(r, &all);
    if (all.offered > 0 && stage_accepted(&all) + stage_refused(&all) == 0) {
        fputs("tally bench: not one call was answered well: the count says nothing\n", stderr);
        return EXIT_UNKNOWN;
    }
    return verdict == VERDICT_RIGHT || b->no_audit ? EXIT_DONE : EXIT_UNKNOWN;
}

static int failure(const struct error *e)
{
    if (e->code == TLY_EINVALID_ARGUMENT && e->field[0])
        fprintf(stderr, "tally bench: --%s: %s\n", e->field, e->text);
    else
        fprintf(stderr, "tally bench: %s\n", e->text[0] ? e->text : error_text(e->code));
    switch (e->code) {
    case TLY_EINVALID_ARGUMENT:
    case TLY_ENOT_FOUND:
        return EXIT_USAGE;
    case TLY_EUNAVAILABLE:
    case TLY_ECLOSED:
    case TLY_EREQUEST_TIMEOUT:
        return EXIT_UNREACHABLE;
    default: /* EXIT_REFUSED is what the count says */
        return EXIT_FAILED;
    }
}

/* As a shell takes it: what has other than plain characters is quoted. `clock_seed`: the seed, if
 * it was not told; else 0. */
static void write_command(struct report *r, int argc, char **argv, uint64_t clock_seed)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_=+./:,%@";
    FILE *to = fmemopen(r->command, sizeof r->command, "w");
    if (!to)
        return;
    fputs("tally", to);
    for (int i = 0; i < argc; i++) {
        fputc(' ', to);
        if (*argv[i] && strspn(argv[i], plain) == strlen(argv[i])) {
            fputs(argv[i], to);
            continue;
        }
        fputc('\'', to);
        for (const char *c = argv[i]; *c; c++)
            *c == '\'' ? (void)fputs("'\\''", to) : (void)fputc(*c, to);
        fputc('\'', to);
    }
    if (clock_seed)
        fprintf(to, " --seed %" PRIu64, clock_seed);
    fclose(to);
    r->command[sizeof r->command - 1] = '\0';
}

static int write_report(const struct report *r, const struct bench_options *b)
{
    struct error e = {0};
    int code = report_print(r, stdout, &e) ? failure(&e) : EXIT_DONE;
    if (b->json && report_write_json(r, b->json, &e))
        code = failure(&e);
    if (b->html && report_write_html(r, b->html, &e))
        code = failure(&e);
    return code;
}

static int run(const struct usage *u, const struct bench_options *b, int argc, char **argv)
{
    struct load_options o;
    int code = take_options(u, b, &o);
    if (code != OPTIONS_GO)
        return code;
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct bench_live live;
    bench_live_begin(&live);
    const struct load_watcher watcher = {show, was_interrupted, was_hurried, &live};
    struct error e = {0};
    struct report *report = malloc(sizeof *report);
    if (!report)
        return failure(&(struct error){.code = TLY_ENO_MEMORY});
    report_init(report);
    write_command(report, argc, argv, b->seed ? 0 : o.seed);
    int failed = loadgen_run(&o, &watcher, report, &e);
    bench_live_end(&live);
    if (failed) {
        code = failure(&e);
    } else {
        code = write_report(report, b);
        if (code == EXIT_DONE || report_verdict(report) == VERDICT_WRONG)
            code = exit_code(report, b);
    }
    report_close(report);
    free(report);
    return code;
}

static int compare(int argc, char **argv)
{
    const struct usage usage = {
        .name = "tally bench compare",
        .synopsis = "A.json B.json",
        .text = "Puts two reports that tally bench --json wrote side by side, stage by stage.\n",
        .positionals_min = 2,
        .positionals_max = 2,
    };
    struct positionals files;
    int code = options_parse(&usage, argc, argv, &files);
    if (code != OPTIONS_GO)
        return code;
    struct report *reports = calloc(2, sizeof *reports);
    struct error e = {0};
    if (!reports)
        return failure(&(struct error){.code = TLY_ENO_MEMORY});
    report_init(&reports[0]);
    report_init(&reports[1]);
    int failed = report_read(&reports[0], files.items[0], &e);
    if (!failed)
        failed = report_read(&reports[1], files.items[1], &e);
    if (!failed)
        failed = report_print_comparison(&reports[0], &reports[1], stdout, &e);
    report_close(&reports[0]);
    report_close(&reports[1]);
    free(reports);
    if (!failed)
        return EXIT_DONE;
    fprintf(stderr, "tally bench compare: %s\n", e.text[0] ? e.text : error_text(failed));
    return EXIT_FAILED;
}

/* What stands above the flags in --help. */
static const char *bench_text(char *out, size_t size)
{
    size_t at = (size_t)snprintf(
        out, size,
        "Puts load on a server and then counts, through the public API, what was sold:\n"
        "units sold twice or stranded, orders lost or duplicated. Anything but zero is\n"
        "exit 1. Calls are due at their times, whether or not the server keeps up, and\n"
        "their latency counts from then. Ctrl-C ends the run early and still reports.\n"
        "The lots it makes stay; its holds end an hour after the run.\n"
        "\nModels\n");
    for (int m = 0; m < MODEL_COUNT && at < size; m++)
        at += (size_t)snprintf(out + at, size - at, "  %-11s %s\n", model_name((enum model)m),
                               model_help((enum model)m));
    if (at < size)
        snprintf(out + at, size - at,
                 "tally bench models tells their numbers; docs/bench.md what each is usually run\n"
                 "with.\n");
    return out;
}

/* As Markdown, which docs/bench.md has. */
static int print_models(void)
{
    for (int m = 0; m < MODEL_COUNT; m++)
        printf("%s**%s**: %s\n\n```text\n%s```\n", m ? "\n" : "", model_name((enum model)m),
               model_help((enum model)m), model_text((enum model)m));
    return EXIT_DONE;
}

static const struct bench_options usual = {
    .protocol = "grpc",
    .model = "steady",
    .arrivals = "poisson",
    .connections = 10,
    .threads = 1,
    .timeout_ms = 5000,
    .lots = 1,
    .units = -1,
    .total_limit = -1,
    .quantity = 1,
    .batch = 1,
    .burst = 20,
    .look_ups = 1000000,
};

int cli_bench(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "compare") == 0)
        return compare(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "models") == 0)
        return print_models();
    struct bench_options b = usual;
    const struct cli_option options[] = {
#define TEXT(name, argument, to, help) {name, argument, OPTION_TEXT, &b.to, help, 0, 0}
#define NUMBER(name, to, help, min, max)                                                           \
    {                                                                                              \
        name, "N", OPTION_NUMBER, &b.to, help, min, max                                            \
    }
        TEXT("target", "HOST:PORT", target, "the server; else $TALLY_SERVER, else 127.0.0.1:7070"),
        TEXT("protocol", "NAME", protocol, "grpc (HTTP/2, many calls on a connection) or http"),
        TEXT("model", "NAME", model, "the traffic, see below; steady if not given"),
        TEXT("rate", "N", rate, "calls a second; the peak of models that have one; 1000"),
        TEXT("duration", "TIME", duration, "how long, such as 30s or 5m; 30s"),
        {"closed", NULL, OPTION_FLAG, &b.closed,
         "closed loop: each stream sends its next call when it has its answer", 0, 0},
        NUMBER("calls", calls, "with --closed: stop after so many", 0, INT64_MAX),
        TEXT("arrivals", "NAME", arrivals, "poisson or uniform; poisson if not given"),
        TEXT("from", "N", from, "staircase: the first rate; 100"),
        TEXT("to", "N", to, "staircase: the last rate; 12800"),
        TEXT("step", "N", step, "staircase: from one rate to the next; 100"),
        TEXT("every", "TIME", every, "staircase: how long each rate lasts; 30s"),
        {"until-broken", NULL, OPTION_FLAG, &b.until_broken,
         "staircase: end at the first rate that the server cannot keep up with", 0, 0},
        TEXT("period", "TIME", period, "heartbeat: between two calls of a connection; 10s"),
        NUMBER("burst", burst, "signalling: sessions that begin together; 20", 1, 100000),
        NUMBER("connections", connections, "10 if not given", 1, 1000000),
        NUMBER("streams", streams, "calls at once on a connection; 100, with http 1", 1, 10000),
        NUMBER("threads", threads, "of the load generator; 1", 1, 255),
        NUMBER("timeout-ms", timeout_ms, "for a call to be sent, and to be answered; 5000", 1,
               600000),
        {"lot", "KEY", OPTION_LIST, &b.lot, "a lot to use, may be repeated; else lots are made", 0,
         0},
        NUMBER("lots", lots, "how many to make; 1", 1, 1000000),
        NUMBER("units", units, "in each lot made; flash-sale: half of what will be asked for", 0,
               INT64_C(1) << 50),
        TEXT("lot-choice", "NAME", lot_choice, "one, uniform or zipf; uniform if there are many"),
        TEXT("zipf", "N", zipf, "the exponent of zipf; 0.99"),
        NUMBER("quantity", quantity, "units an order asks for: 1 to N; 1", 1, 1000),
        NUMBER("batch", batch, "orders in a call, by ReserveBatch; 1", 1, 8190),
        NUMBER("group-size", group_size, "group-buy: places of a group; 3", 2, 1000),
        TEXT("group-window", "TIME", group_window,
             "group-buy: within which they must pay; a fifth of the duration"),
        NUMBER("user-limit", user_limit,
               "group-buy: units that a buyer may have in the sale; as --quantity", 1, 1000000),
        NUMBER("total-limit", total_limit,
               "group-buy: units of the sale, 0: no limit; two thirds of the demand", 0,
               INT64_C(1) << 50),
        TEXT("pay", "PERCENT", pay, "of the orders held, are confirmed; of teams in group-buy"),
        TEXT("cancel", "PERCENT", cancel, "... are refunded"),
        TEXT("expire", "PERCENT", expire, "... get a short hold that is left to its deadline"),
        TEXT("expire-after", "TIME", expire_after, "how short; 2s"),
        TEXT("retry", "PERCENT", retry,
             "... are sent again with the same order_id; any number above 0 also\n"
             "retries the orders that took a lot's last units"),
        TEXT("hold", "TIME", hold, "of the other holds; the duration and an hour, at most a day"),
        TEXT("think", "TIME", think, "from the acknowledgement to what follows"),
        TEXT("look", "PERCENT", look, "of the calls, read a lot instead of reserving"),
        NUMBER("seed", seed, "the same seed gives the same traffic; else from the clock", 1,
               INT64_MAX),
        NUMBER("look-ups", look_ups, "orders that the audit asks for at most; 1000000", 0,
               INT64_MAX),
        {"no-audit", NULL, OPTION_FLAG, &b.no_audit, "count nothing at the end", 0, 0},
        TEXT("json", "FILE", json, "write the report for machines"),
        TEXT("html", "FILE", html, "write the report as one page with charts"),
#undef TEXT
#undef NUMBER
    };
    static char text[8192];
    const struct usage usage = {
        .name = "tally bench",
        .synopsis = "[--target HOST:PORT] [--model NAME] [flags] | compare A.json B.json | models",
        .text = bench_text(text, sizeof text),
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    struct positionals none;
    int code = options_parse(&usage, argc, argv, &none);
    return code == OPTIONS_GO ? run(&usage, &b, argc, argv) : code;
}
