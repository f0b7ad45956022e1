/* group.c - picks the subcommand of `tally group`. */
#include "cli/cli.h"

static const struct subcommand table[] = {
    {"open", "open a group in a sale", cli_group_open},
    {"show", "show one group", cli_group_show},
    {"complete", "let a group succeed although places are left", cli_group_complete},
    {0},
};

const struct subcommand *cli_group_table(void)
{
    return table;
}

int cli_group(int argc, char **argv)
{
    return cli_family(table, "tally group",
                      "A group of buyers: it succeeds when enough of them have paid in time.\n",
                      argc, argv);
}
