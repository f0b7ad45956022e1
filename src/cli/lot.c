/* lot.c - picks the subcommand of `tally lot`. */
#include <string.h>

#include "cli/cli.h"

static const struct subcommand table[] = {
    {"create", "create a lot", cli_lot_create},
    {"list", "list lots with their stock", cli_lot_list},
    {"show", "show one lot", cli_lot_show},
    {"update", "change what a lot is sold on", cli_lot_update},
    {"adjust", "supply units to a lot or write them off", cli_lot_adjust},
    {"import", "bring lots and their stock to what a CSV file says", cli_lot_import},
    {"export", "write all lots as a CSV file", cli_lot_export},
    {"reconcile", "compare what was counted with the stock, and set it", cli_lot_reconcile},
    {0},
};

const struct subcommand *cli_lot_table(void)
{
    return table;
}

static void print_overview(FILE *to)
{
    fputs("usage: tally lot SUBCOMMAND [arguments]\n\n"
          "A lot is the smallest pool of interchangeable units: sku, flavor, size and batch.\n\n",
          to);
    for (const struct subcommand *s = table; s->name; s++)
        fprintf(to, "  %-9s  %s\n", s->name, s->help);
    fputs("\ntally lot SUBCOMMAND --help tells more.\n", to);
}

int cli_lot(int argc, char **argv)
{
    if (argc < 2) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_overview(stdout);
        return EXIT_DONE;
    }
    const struct subcommand *s = cli_find(table, "tally lot", argv[1]);
    return s ? s->run(argc - 1, argv + 1) : EXIT_USAGE;
}
