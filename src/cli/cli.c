/* cli.c - the table of subcommands.
 *
 * Happy path: the first argument names a subcommand, which runs with what follows. An unknown one
 * is refused with the nearest name; no argument at all prints the overview and counts as wrong use.
 */
#include "cli/cli.h"

#include <stdbool.h>
#include <string.h>

#include "base/nearest.h"

static const struct subcommand table[] = {
    {"serve", "run the server", cli_serve},
    {"lot", "create, list, show, adjust lots; stock files", cli_lot},
    {"reserve", "hold units for an order", cli_reserve},
    {"confirm", "the payment arrived: a hold becomes a sale", cli_confirm},
    {"refund", "cancel a hold, or take units back", cli_refund},
    {"extend", "give a hold a later deadline", cli_extend},
    {"change", "give a hold other lines", cli_change},
    {"ship", "paid units leave the house", cli_ship},
    {"confirm-all", "one payment for several holds: all or none", cli_confirm_all},
    {"show", "show a reservation and its history", cli_show},
    {"reservations", "list reservations by user, lot, status, sale", cli_reservations},
    {"sale", "sales: their time, share and limits", cli_sale},
    {"group", "groups of buyers in a sale", cli_group},
    {"backup", "copy a ledger while its server runs", cli_backup},
    {"webhook", "list what the webhook could not deliver, and send it again", cli_webhook},
    {"bench", "put load on a server and count what was sold", cli_bench},
    {"verify", "prove from a ledger's rows that nothing was oversold or lost", cli_verify},
    {"docs", "print the reference of settings, metrics and errors", cli_docs},
    {"version", "print the version", cli_version},
    {0},
};

static void print_overview(FILE *to)
{
    fputs("Tallystick: inventory reservations for flash sales.\n"
          "\n"
          "usage: tally SUBCOMMAND [arguments]\n"
          "\n",
          to);
    for (const struct subcommand *s = table; s->name; s++)
        fprintf(to, "  %-12s  %s\n", s->name, s->help);
    fputs("\n"
          "tally SUBCOMMAND --help tells more. The server is the one at --server HOST:PORT,\n"
          "else at $TALLY_SERVER, else at 127.0.0.1:7070.\n"
          "\n"
          "exit codes\n",
          to);
#define X(name, number, text) fprintf(to, "  %d  %s\n", number, text);
    CLI_EXITS(X)
#undef X
}

const struct subcommand *cli_find(const struct subcommand *entries, const char *family,
                                  const char *name)
{
    struct nearest nearest = nearest_to(name);
    for (const struct subcommand *s = entries; s->name; s++) {
        if (strcmp(s->name, name) == 0)
            return s;
        nearest_offer(&nearest, s->name);
    }
    fprintf(stderr, "%s: no subcommand '%s'", family, name);
    if (nearest_found(&nearest))
        fprintf(stderr, "; did you mean '%s'?", nearest.best);
    fprintf(stderr, "\n%s --help lists them\n", family);
    return NULL;
}

int cli_family(const struct subcommand *entries, const char *family, const char *text, int argc,
               char **argv)
{
    bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    if (argc > 1 && !help) {
        const struct subcommand *s = cli_find(entries, family, argv[1]);
        return s ? s->run(argc - 1, argv + 1) : EXIT_USAGE;
    }
    FILE *to = help ? stdout : stderr;
    fprintf(to, "usage: %s SUBCOMMAND [arguments]\n\n%s\n", family, text);
    for (const struct subcommand *s = entries; s->name; s++)
        fprintf(to, "  %-9s  %s\n", s->name, s->help);
    fprintf(to, "\n%s SUBCOMMAND --help tells more.\n", family);
    return help ? EXIT_DONE : EXIT_USAGE;
}

static void print_help_of(const char *family, const struct subcommand *s)
{
    char name[32];
    char help[] = "--help";
    snprintf(name, sizeof(name), "%s", s->name);
    char *arguments[] = {name, help, NULL};
    printf("\n## %s %s\n\n```text\n", family, s->name);
    s->run(2, arguments);
    fputs("```\n", stdout);
}

void cli_print_markdown(void)
{
    char family[32];
    fputs("# Command line\n\n```text\n", stdout);
    print_overview(stdout);
    fputs("```\n", stdout);
    for (const struct subcommand *s = table; s->name; s++) {
        if (s->run == cli_docs)
            continue; /* it prints this page */
        if (s->run == cli_serve) {
            fputs("\n## tally serve\n\n```text\n", stdout);
            cli_serve_usage();
            fputs("```\n\nEvery KEY is in [settings.md](settings.md).\n", stdout);
            continue;
        }
        print_help_of("tally", s);
        const struct subcommand *inner = s->run == cli_lot       ? cli_lot_table()
                                         : s->run == cli_webhook ? cli_webhook_table()
                                         : s->run == cli_sale    ? cli_sale_table()
                                         : s->run == cli_group   ? cli_group_table()
                                                                 : NULL;
        snprintf(family, sizeof(family), "tally %s", s->name);
        for (; inner && inner->name; inner++)
            print_help_of(family, inner);
    }
}

/* tally help lot create: tally lot create --help */
static int help_of(int argc, char **argv)
{
    enum { WORDS_MAX = 4 };
    char help[] = "--help";
    char *arguments[WORDS_MAX + 2] = {NULL};
    if (argc > WORDS_MAX)
        argc = WORDS_MAX;
    memcpy(arguments, argv, (size_t)argc * sizeof *argv);
    arguments[argc] = help;
    const struct subcommand *s = cli_find(table, "tally", arguments[0]);
    return s ? s->run(argc + 1, arguments) : EXIT_USAGE;
}

int cli_run(int argc, char **argv)
{
    if (argc < 2) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    bool help = strcmp(argv[1], "help") == 0;
    if (help && argc > 2)
        return help_of(argc - 2, argv + 2);
    if (help || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_overview(stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0)
        argv[1] += 2;
    const struct subcommand *s = cli_find(table, "tally", argv[1]);
    if (!s)
        return EXIT_USAGE;
    int code = s->run(argc - 1, argv + 1);
    if (fflush(stdout) != 0 && code == EXIT_DONE) {
        fputs("tally: standard output cannot be written\n", stderr);
        return EXIT_FAILED;
    }
    return code;
}
