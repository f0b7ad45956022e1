/* lot.c - picks the subcommand of `tally lot`. */
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

int cli_lot(int argc, char **argv)
{
    return cli_family(
        table, "tally lot",
        "A lot is the smallest pool of interchangeable units: sku, flavor, size and batch.\n", argc,
        argv);
}
