/* sim - runs the simulation for one seed or many.
 *
 *     sim --seed N [--verbose] [--plant NAME]       one seed
 *     sim --seeds FROM..TO [--plant NAME]           many; stops at the first that breaks a promise
 *     sim --find-plants FROM..TO                    every planted bug must be found by one of them
 *
 * Exit code 0 if all promises were kept (with --plant: if the bug was found), 1 if not, 2 for a
 * wrong call. A failing seed prints the command that repeats it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

struct plant_text {
    const char *name;
    const char *help;
};

static const struct plant_text plants[] = {
#define X(name, text, help) {text, help},
    PLANTS(X)
#undef X
};

struct totals {
    uint64_t seeds, answers, refused_by_gate, crashes;
};

static int usage(void)
{
    fprintf(stderr, "usage: sim --seed N | --seeds FROM..TO | --find-plants FROM..TO\n"
                    "           [--plant NAME] [--verbose]\nplants:\n");
    for (size_t i = 0; i < PLANT_COUNT; i++)
        fprintf(stderr, "  %-24s %s\n", plants[i].name, plants[i].help);
    return 2;
}

static bool run_one(uint64_t seed, enum plant plant, bool verbose, struct totals *totals,
                    char *finding)
{
    static struct world world;
    bool kept = world_run(&world, seed, plant, verbose);
    totals->seeds++;
    totals->answers += world.answered;
    totals->refused_by_gate += world.refused_by_gate;
    totals->crashes += world.crashes;
    memcpy(finding, world.finding, sizeof world.finding);
    return kept;
}

static int run_many(uint64_t from, uint64_t to, enum plant plant, bool verbose)
{
    struct totals totals = {0};
    char finding[AUDIT_TEXT_MAX];
    for (uint64_t seed = from; seed <= to; seed++) {
        if (run_one(seed, plant, verbose, &totals, finding))
            continue;
        printf("seed %" PRIu64 ": %s\n", seed, finding);
        printf("repeat with: sim --seed %" PRIu64 " --verbose%s%s\n", seed,
               plant ? " --plant " : "", plant ? plants[plant].name : "");
        return 1;
    }
    printf("%" PRIu64 " seeds, %" PRIu64 " answers, %" PRIu64 " refusals by the gate, %" PRIu64
           " crashes: all promises kept\n",
           totals.seeds, totals.answers, totals.refused_by_gate, totals.crashes);
    return 0;
}

static int find_plants(uint64_t from, uint64_t to)
{
    int missed = 0;
    for (size_t plant = 1; plant < PLANT_COUNT; plant++) {
        printf("%-24s ", plants[plant].name);
        fflush(stdout);
        missed += run_many(from, to, (enum plant)plant, false) == 0;
    }
    return missed ? 1 : 0;
}

static bool parse_range(const char *text, uint64_t *from, uint64_t *to)
{
    char *end;
    *from = strtoull(text, &end, 10);
    *to = *from;
    if (end != text && strncmp(end, "..", 2) == 0) {
        text = end + 2;
        *to = strtoull(text, &end, 10);
    }
    return end != text && *end == 0 && *to >= *from;
}

static int parse_plant(const char *name)
{
    for (int i = 0; i < PLANT_COUNT; i++)
        if (strcmp(plants[i].name, name) == 0)
            return i;
    return -1;
}

int main(int argc, char **argv)
{
    uint64_t from = 0, to = 0;
    bool verbose = false, finding_plants = false, ranged = false;
    int plant = PLANT_NONE;
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else if (strcmp(argv[i], "--plant") == 0 && more) {
            plant = parse_plant(argv[++i]);
        } else if ((strcmp(argv[i], "--seed") == 0 || strcmp(argv[i], "--seeds") == 0 ||
                    strcmp(argv[i], "--find-plants") == 0) &&
                   more) {
            finding_plants = strcmp(argv[i], "--find-plants") == 0;
            ranged = parse_range(argv[++i], &from, &to);
        } else {
            return usage();
        }
    }
    if (!ranged || plant < 0)
        return usage();
    if (finding_plants)
        return find_plants(from, to);
    int broke = run_many(from, to, (enum plant)plant, verbose);
    return plant == PLANT_NONE ? broke : !broke;
}
