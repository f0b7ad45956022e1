/* cli.h - the command line: a table of subcommands, one file each.
 *
 * cli_run() picks the subcommand by argv[1] and hands it the rest, with its own name as argv[0].
 * A subcommand prints what it has to say (results on stdout, everything else on stderr) and returns
 * one of the exit codes below, which scripts rely on.
 */
#ifndef TALLY_CLI_CLI_H
#define TALLY_CLI_CLI_H

#include <stdio.h>

/* name, number, what it means */
#define CLI_EXITS(X)                                                                               \
    X(DONE, 0, "done")                                                                             \
    X(REFUSED, 1, "refused by the server, a file with faults, or a ledger with faults")            \
    X(USAGE, 2, "wrong use: unknown subcommand, flag or value")                                    \
    X(UNREACHABLE, 3, "no answer from the server; nothing was done")                               \
    X(UNKNOWN, 4, "the request was sent and its outcome is not known; ask again by its id")        \
    X(FAILED, 5, "a file could not be read or written, or memory ran short")

enum cli_exit {
#define X(name, number, text) EXIT_##name = (number),
    CLI_EXITS(X)
#undef X
};

struct subcommand {
    const char *name;
    const char *help; /* one line */
    int (*run)(int argc, char **argv);
};

int cli_run(int argc, char **argv);

/* The entry of `name` in a table that ends with an empty one; NULL after telling the user, with the
 * nearest name, on stderr. `family` is what stands before it: "tally", "tally lot". */
const struct subcommand *cli_find(const struct subcommand *table, const char *family,
                                  const char *name);
void cli_serve_usage(void);
/* All of --help as Markdown, for docs/cli.md. */
void cli_print_markdown(void);

/* A subcommand that has subcommands itself: runs the one that argv[1] names, or prints an overview
 * that begins with `text`. */
int cli_family(const struct subcommand *table, const char *family, const char *text, int argc,
               char **argv);
/* The subcommands of those that have some. */
const struct subcommand *cli_sale_table(void);
const struct subcommand *cli_group_table(void);
const struct subcommand *cli_lot_table(void);
const struct subcommand *cli_webhook_table(void);

int cli_serve(int argc, char **argv);
int cli_docs(int argc, char **argv);
int cli_lot(int argc, char **argv);
int cli_lot_create(int argc, char **argv);
int cli_lot_list(int argc, char **argv);
int cli_lot_show(int argc, char **argv);
int cli_lot_adjust(int argc, char **argv);
int cli_lot_import(int argc, char **argv);
int cli_lot_export(int argc, char **argv);
int cli_lot_reconcile(int argc, char **argv);
int cli_webhook(int argc, char **argv);
int cli_webhook_list(int argc, char **argv);
int cli_webhook_retry(int argc, char **argv);
int cli_reserve(int argc, char **argv);
int cli_confirm(int argc, char **argv);
int cli_refund(int argc, char **argv);
int cli_extend(int argc, char **argv);
int cli_ship(int argc, char **argv);
int cli_change(int argc, char **argv);
int cli_confirm_all(int argc, char **argv);
int cli_reservations(int argc, char **argv);
int cli_lot_update(int argc, char **argv);
int cli_sale(int argc, char **argv);
int cli_sale_create(int argc, char **argv);
int cli_sale_list(int argc, char **argv);
int cli_sale_show(int argc, char **argv);
int cli_sale_update(int argc, char **argv);
int cli_sale_close(int argc, char **argv);
int cli_sale_queue(int argc, char **argv);
int cli_group(int argc, char **argv);
int cli_group_open(int argc, char **argv);
int cli_group_show(int argc, char **argv);
int cli_group_complete(int argc, char **argv);
int cli_show(int argc, char **argv);
int cli_backup(int argc, char **argv);
int cli_verify(int argc, char **argv);
int cli_bench(int argc, char **argv);
int cli_version(int argc, char **argv);

#endif
