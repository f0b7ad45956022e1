/* docs.c - tally docs: the pages of docs/ that are made from declarations in the code. */
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"
#include "server/documents.h"
#include "server/settings.h"

static void print_settings(void)
{
    settings_print_markdown(stdout);
}

static void print_metrics(void)
{
    metrics_page_print_markdown(stdout);
}

/* The names of gRPC's status codes, by number. */
static const char *const grpc_names[] = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS",
};

static void print_errors(void)
{
    printf(
        "# Errors\n\nMade by `tally docs errors` from `src/base/error.h`; change it there.\n\n"
        "Over HTTP a refusal is `application/problem+json` with `code` and a `type` of\n"
        "`https://tallystick.dev/problems/<code in lower case>`; over gRPC it is a status with\n"
        "`google.rpc.ErrorInfo`, whose `reason` is the code, in `grpc-status-details-bin`.\n\n"
        "A refusal that passes says when to try again: `Retry-After` and `retry_after_s`, or\n"
        "`google.rpc.RetryInfo`. A look-up whose time was up is `OVERLOADED`, over gRPC with the\n"
        "status DEADLINE_EXCEEDED. Where a field breaks a rule, gRPC has a\n"
        "`google.rpc.BadRequest` too.\n\n"
        "| code | HTTP | gRPC | passes | meaning |\n| --- | --- | --- | --- | --- |\n");
#define X(name, number, http, grpc, retry, text)                                                   \
    printf("| `%s` | %d | %s | %s | %s |\n", #name, (http), grpc_names[grpc],                      \
           error_passes(number) ? "yes" : "", (text));
    TLY_ERRORS(X)
#undef X
}

static const struct {
    const char *name;
    void (*print)(void);
} pages[] = {
    {"settings", print_settings},
    {"metrics", print_metrics},
    {"errors", print_errors},
    {"cli", cli_print_markdown},
};

int cli_docs(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(argv[1], pages[i].name) == 0) {
            pages[i].print();
            return EXIT_DONE;
        }
    }
    bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
    fprintf(help ? stdout : stderr, "tally docs - a page of the documentation, as Markdown\n\n"
                                    "  tally docs settings|metrics|errors|cli\n");
    return help ? EXIT_DONE : EXIT_USAGE;
}
