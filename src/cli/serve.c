/* serve.c - tally serve: runs the server in the foreground until SIGTERM.
 *
 * Happy path: exit 0 after a drain. Failure: a setting that is not understood is wrong use (2);
 * what the machine or the ledger refuses is EXIT_FAILED. The reason is one line on stderr.
 */
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "server/server.h"
#include "server/settings.h"

void cli_serve_usage(void)
{
    fputs(
        "usage: tally serve [--config FILE] [--data DIR] [--listen HOST:PORT] [--KEY VALUE ...]\n\n"
        "Serves reservations over gRPC and HTTP on one port. Settings come from FILE (or the\n"
        "file that TALLY_CONFIG names), then TALLY_KEY in the environment, then flags. SIGHUP\n"
        "reads them again, SIGTERM drains and stops; a second signal hurries. Log lines go to\n"
        "stderr. Exit codes: 0 stopped in order, 2 a setting is wrong, 5 it could not start.\n",
        stdout);
}

int cli_serve(int argc, char **argv)
{
    struct error e = {0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            cli_serve_usage();
            settings_print_help(stdout);
            return EXIT_DONE;
        }
    }
    int code = server_run(argc, argv, environ, &e);
    if (code == 0)
        return EXIT_DONE;
    fprintf(stderr, "tally serve: %s\n", e.text[0] ? e.text : error_text(code));
    return code == TLY_EINVALID_ARGUMENT ? EXIT_USAGE : EXIT_FAILED;
}
