/* fixture_report.c - a server as a queue: latency grows towards its capacity, and what is beyond it
 * waits for the next second. */
#include "fixture.h"

#include "fixture_report.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SAMPLES_A_SECOND = 300 };

struct simulation {
    struct report *report;
    uint64_t random;
    double capacity, backlog; /* calls a second; calls */
    double units;             /* still to be sold */
    bool metrics;
};

static double draw(struct simulation *s)
{
    s->random = s->random * 6364136223846793005u + 1442695040888963407u;
    return ((double)(s->random >> 33) + 0.5) / 2147483648.0;
}

static double draw_normal(struct simulation *s)
{
    return sqrt(-2 * log(draw(s))) * cos(6.283185307179586 * draw(s));
}

static void entry(struct report_entry *list, uint32_t *count, const char *name, const char *value)
{
    snprintf(list[*count].name, sizeof(list[0].name), "%s", name);
    snprintf(list[*count].value, sizeof(list[0].value), "%s", value);
    (*count)++;
}

static void begin(struct simulation *s, struct report *r, const char *model, uint32_t stages,
                  uint32_t points)
{
    report_init(r);
    *s = (struct simulation){.report = r, .random = 42, .capacity = 11800, .metrics = true};
    r->stages = stages ? calloc(stages, sizeof(*r->stages)) : NULL;
    r->points = points ? calloc(points, sizeof(*r->points)) : NULL;
    snprintf(r->started_at, sizeof(r->started_at), "2026-11-22T10:00:00.000Z");
    entry(r->settings, &r->setting_count, "model", model);
    entry(r->settings, &r->setting_count, "target", "127.0.0.1:7070");
    entry(r->settings, &r->setting_count, "protocol", "grpc");
    entry(r->settings, &r->setting_count, "connections", "1000");
    entry(r->settings, &r->setting_count, "streams", "10");
    entry(r->settings, &r->setting_count, "threads", "1");
    entry(r->settings, &r->setting_count, "arrivals", "poisson");
    entry(r->settings, &r->setting_count, "lots", "1 new, 20000 units, one");
    entry(r->settings, &r->setting_count, "seed", "42");
    entry(r->machine, &r->machine_count, "processor", "Intel(R) Xeon(R) Processor");
    entry(r->machine, &r->machine_count, "cores", "2");
    entry(r->machine, &r->machine_count, "memory", "24 GiB");
    entry(r->machine, &r->machine_count, "kernel", "Linux 6.1.0-28-amd64");
}

/* Latencies of one second in which the server is loaded to `load` of its capacity. */
static void sample(struct simulation *s, double load, double wait_ms, struct histogram *second,
                   struct histogram *stage)
{
    double busy = load < 0.97 ? load : 0.97;
    double middle_ms = 0.34 + 0.22 * busy / (1 - busy);
    int stall = draw(s) < 0.04 ? 12 : 0; /* a slow fsync */
    for (int i = 0; i < SAMPLES_A_SECOND; i++) {
        double ms = middle_ms * exp(0.35 * draw_normal(s)) + wait_ms * draw(s);
        if (i < stall)
            ms += 30 * draw(s);
        uint64_t ns = (uint64_t)(ms * 1e6);
        histogram_record(second, ns);
        histogram_record(stage, ns);
        histogram_record(&s->report->histogram, ns);
    }
}

static void usage(struct simulation *s, double load, double at_s, struct server_usage *u)
{
    *u = (struct server_usage){-1, -1, -1};
    if (!s->metrics)
        return;
    u->cpu_share = 0.04 + 1.5 * (load < 1 ? load : 1) + 0.03 * draw(s);
    u->memory_bytes = 41e6 + 60e3 * at_s + 2e6 * load;
    u->threads = 6;
}

/* One second at a rate, as a point, and into its stage. */
static void second(struct simulation *s, struct report_stage *stage, double rate, double look_share)
{
    struct report *r = s->report;
    struct report_point *p = &r->points[r->point_count];
    struct histogram h;
    histogram_init(&h);
    double due = rate + sqrt(rate) * draw_normal(s);
    double offered = round(due > 0 ? due : 0);
    double waiting = s->backlog + offered;
    double answered = waiting < s->capacity ? waiting : s->capacity;
    s->backlog = waiting - answered;
    double errors = s->backlog > s->capacity ? s->backlog - s->capacity : 0;
    s->backlog -= errors;
    double orders = answered * (1 - look_share);
    double sold = floor(orders < s->units ? orders : s->units);
    s->units -= sold;
    p->at_s = r->point_count;
    p->stage = r->stage_count;
    p->offered_per_s = offered;
    p->achieved_per_s = answered;
    p->refused_per_s = floor(orders - sold);
    p->accepted_per_s = answered - p->refused_per_s;
    p->errors_per_s = floor(errors);
    if (offered > 0) {
        sample(s, answered / s->capacity, 1000 * s->backlog / s->capacity, &h, &stage->histogram);
        p->p50_ms = latency_of(&h).p50;
        p->p99_ms = latency_of(&h).p99;
        p->max_ms = latency_of(&h).max;
    }
    usage(s, answered / s->capacity, p->at_s, &p->server);
    stage->offered += (uint64_t)offered;
    stage->answered += (uint64_t)answered;
    stage->codes[ANSWER_OK] += (uint64_t)p->accepted_per_s;
    stage->codes[ANSWER_SOLD_OUT] += (uint64_t)p->refused_per_s;
    stage->codes[ANSWER_NOT_SENT] += (uint64_t)p->errors_per_s;
    stage->server = p->server;
    r->point_count++;
    histogram_close(&h);
}

static void stage(struct simulation *s, const char *name, uint32_t seconds, double rate_begin,
                  double rate_end, double look_share)
{
    struct report *r = s->report;
    struct report_stage *made = &r->stages[r->stage_count];
    snprintf(made->name, sizeof(made->name), "%s", name);
    histogram_init(&made->histogram);
    made->begin_s = r->point_count;
    made->duration_s = seconds;
    for (uint32_t i = 0; i < seconds; i++)
        second(s, made, rate_begin + (rate_end - rate_begin) * (i + 0.5) / seconds, look_share);
    made->latency = latency_of(&made->histogram);
    made->connections = 1000;
    made->streams_per_connection =
        (double)made->answered / seconds * made->latency.mean / 1000 / made->connections;
    r->stage_count++;
}

static void finish(struct simulation *s)
{
    struct report *r = s->report;
    r->latency = latency_of(&r->histogram);
    r->ended_at_s = r->point_count;
    r->audit.complete = true;
    for (uint32_t i = 0; i < r->stage_count; i++)
        r->audit.acknowledged += r->stages[i].codes[ANSWER_OK];
    r->audit.looked_up = r->audit.acknowledged;
    r->audit.refused_checked = 500;
    r->audit.lots_checked = r->audit.probed = 1;
}

void fixture_flash_sale(struct report *r)
{
    struct simulation s;
    begin(&s, r, "flash-sale", 4, 48);
    snprintf(r->command, sizeof(r->command),
             "tally bench --target 127.0.0.1:7070 --protocol grpc --model flash-sale "
             "--connections 1000 --streams 10 --threads 1 --rate 10000 --duration 48s --seed 42");
    s.units = 20000;
    stage(&s, "quiet", 10, 120, 120, 0.5);
    stage(&s, "countdown", 10, 400, 3000, 1);
    stage(&s, "opening", 6, 10500, 9000, 0.1);
    stage(&s, "tail", 22, 4000, 300, 0.1);
    finish(&s);
}

void fixture_staircase(struct report *r)
{
    struct simulation s;
    enum { STEPS = 128, EVERY = 3 };
    begin(&s, r, "staircase", STEPS, STEPS * EVERY);
    snprintf(r->command, sizeof(r->command),
             "tally bench --target 127.0.0.1:7070 --protocol grpc --model staircase --from 100 "
             "--to 12800 --step 100 --every 3s --connections 1000 --streams 10 --seed 42");
    s.units = 1e9;
    for (int i = 1; i <= STEPS; i++) {
        char name[STAGE_NAME_SIZE];
        snprintf(name, sizeof(name), "%d/s", 100 * i);
        stage(&s, name, EVERY, 100 * i, 100 * i, 0);
    }
    finish(&s);
}

void fixture_broken(struct report *r)
{
    struct simulation s;
    begin(&s, r, "flash-sale", 4, 40);
    snprintf(r->command, sizeof(r->command),
             "tally bench --target shop.example:7070 --lot '<b>\"A&B\"</b>#7156464a' "
             "--model flash-sale </script>");
    entry(r->settings, &r->setting_count, "lot", "<b>\"A&B\"</b>#7156464a");
    s.units = 2000;
    s.metrics = false;
    s.capacity = 1500;
    stage(&s, "quiet", 8, 60, 60, 0.5);
    stage(&s, "<opening> & co", 6, 6000, 6000, 0.1);
    stage(&s, "tail", 10, 500, 200, 0.1);
    r->stages[1].codes[ANSWER_TIMED_OUT] = 1204;
    r->stages[1].codes[ANSWER_OVERLOADED] = 31;
    r->stages[1].resets = 17;
    s.capacity = 0;
    stage(&s, "gone", 2, 0, 0, 0);
    r->stages[3].codes[ANSWER_CLOSED] = 412;
    finish(&s);
    r->histogram.lost = 3;
    r->end = END_SERVER_GONE;
    snprintf(r->end_text, sizeof(r->end_text),
             "the server has not answered since 24.0 s: Connection refused");
    r->audit.oversold = 3;
    r->audit.lost = 2;
    r->audit.duplicated = 1;
    r->audit.complete = false;
    snprintf(r->audit.reason, sizeof(r->audit.reason),
             "the server does not answer: Connection refused");
    r->audit.looked_up = 120;
    r->audit.in_doubt = 1600;
    r->audit.in_doubt_held = 9;
    static const char *const findings[] = {
        "lot <b>\"A&B\"</b>#7156464a: 2003 units sold of 2000",
        "order 0123456789ab-00000000002a: acknowledged as reservation 912497417356574720, and not "
        "there",
        "order 0123456789ab-000000000051: acknowledged as reservation 912497417356574788, and not "
        "there",
        "order 0123456789ab-0000000000ff: reserved twice, as 912497417356574999 and "
        "912497417356575002",
    };
    for (size_t i = 0; i < sizeof(findings) / sizeof(findings[0]); i++)
        snprintf(r->audit.findings[r->audit.finding_count++], FINDING_SIZE, "%s", findings[i]);
}

void fixture_group_buy(struct report *r)
{
    struct simulation s;
    begin(&s, r, "group-buy", 4, 20);
    snprintf(r->command, sizeof(r->command),
             "tally bench --target 127.0.0.1:7070 --model group-buy --rate 2000 --duration 20s");
    s.units = 20000;
    stage(&s, "countdown", 5, 100, 800, 0.9);
    stage(&s, "opening", 4, 2000, 2000, 0.1);
    stage(&s, "filling", 6, 1200, 400, 0.3);
    stage(&s, "closing", 5, 100, 100, 1);
    r->stages[0].codes[ANSWER_SALE_NOT_OPEN] = 225;
    r->stages[2].codes[ANSWER_SOLD_OUT] = 1310;
    r->stages[1].codes[ANSWER_LIMIT_EXCEEDED] = 530;
    r->stages[2].codes[ANSWER_GROUP_FULL] = 301;
    r->stages[2].codes[ANSWER_GROUP_CLOSED] = 77;
    r->stages[3].codes[ANSWER_TOO_LATE] = 240;
    finish(&s);
    r->audit.groups_opened = 2683;
    r->audit.groups_succeeded = 1702;
    r->audit.groups_failed = 981;
    r->audit.groups_refunded = 2210;
}

void fixture_empty(struct report *r)
{
    struct simulation s;
    begin(&s, r, "steady", 0, 0);
    snprintf(r->audit.reason, sizeof(r->audit.reason), "nothing was sent");
}

char *fixture_read_file(const char *path)
{
    FILE *from = fopen(path, "r");
    if (!from) {
        fail_msg("%s is not there", path);
        return NULL;
    }
    assert_int_equal(fseek(from, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(from);
    rewind(from);
    char *text = malloc(size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, size, from), size);
    text[size] = '\0';
    fclose(from);
    return text;
}

static char folder[64];

void fixture_folder_open(void)
{
    snprintf(folder, sizeof(folder), "/tmp/tally-report-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

const char *fixture_path(const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

size_t fixture_folder_size(void)
{
    DIR *d = opendir(folder);
    assert_non_null(d);
    size_t count = 0;
    while (readdir(d))
        count++;
    closedir(d);
    return count - 2; /* itself, and the one above */
}

void fixture_folder_close(void)
{
    DIR *d = opendir(folder);
    for (struct dirent *entry_of = d ? readdir(d) : NULL; entry_of; entry_of = readdir(d)) {
        if (entry_of->d_name[0] != '.')
            unlink(fixture_path(entry_of->d_name));
    }
    if (d)
        closedir(d);
    assert_int_equal(rmdir(folder), 0);
}
