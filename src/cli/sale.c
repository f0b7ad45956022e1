/* sale.c - picks the subcommand of `tally sale`. */
#include "cli/cli.h"

static const struct subcommand table[] = {
    {"create", "make a sale", cli_sale_create},
    {"list", "list sales", cli_sale_list},
    {"show", "show one sale, and how long it has", cli_sale_show},
    {"update", "change a sale", cli_sale_update},
    {"close", "take no more orders in a sale", cli_sale_close},
    {"queue", "take a place in a sale's waiting room", cli_sale_queue},
    {0},
};

const struct subcommand *cli_sale_table(void)
{
    return table;
}

int cli_sale(int argc, char **argv)
{
    return cli_family(table, "tally sale",
                      "A sale has a time, a share of the stock, limits, and perhaps groups of "
                      "buyers.\n",
                      argc, argv);
}
