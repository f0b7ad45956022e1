/* backup.c - `tally backup`. Reads the data folder itself; works while a server runs on it. */
#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/progress.h"
#include "ledger/ledger_sqlite.h"

struct copy {
    struct progress bar;
    int64_t pages;
};

static void on_progress(void *context, int64_t done, int64_t total)
{
    struct copy *copy = context;
    copy->pages += done == total ? total : 0; /* of each file, at its end */
    progress_set(&copy->bar, done, total);
}

/* Stock files that are decided and not applied to their end: the copied ledger may have a part of
 * them, and the files are not copied. */
static int imports_under_way(const char *data)
{
    static const char end[] = ".decided";
    char path[1100];
    int count = 0;
    snprintf(path, sizeof path, "%s/imports", data);
    DIR *folder = opendir(path);
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        size_t len = strlen(entry->d_name);
        count += len >= sizeof end && strcmp(entry->d_name + len - (sizeof end - 1), end) == 0;
    }
    if (folder)
        closedir(folder);
    return count;
}

static void tell(const struct copy *copy, const char *data, const char *to, int imports,
                 double seconds)
{
    fprintf(stderr, "%s: a copy of %s, %lld pages in %.2f s\n", to, data, (long long)copy->pages,
            seconds);
    if (imports)
        fprintf(stderr,
                "%d stock files are being imported and are not in the copy: after a restore import "
                "them again\n",
                imports);
}

int cli_backup(int argc, char **argv)
{
    bool json = false;
    const char *data = "./data";
    const struct cli_option options[] = {
        {"data", "DIR", OPTION_TEXT, &data, "the data folder; ./data if not given", 0, 0},
        {"json", NULL, OPTION_FLAG, &json, "print the result as JSON", 0, 0},
    };
    const struct usage usage = {
        .name = "tally backup",
        .synopsis = "[--data DIR] TO",
        .text =
            "Copies the ledger in DIR to TO, which must not exist. The copy is consistent: the\n"
            "ledger as it is at one moment, also while a server is writing to it. With it go\n"
            "the places of waiting rooms and the list of what the webhook gave up.\n"
            "`tally verify TO` proves it.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_min = 1,
        .positionals_max = 1,
    };
    struct positionals given;
    int code = options_parse(&usage, argc, argv, &given);
    if (code != OPTIONS_GO)
        return code;
    const char *to = given.items[0];
    struct copy copy = {0};
    struct error e = {0};
    progress_begin(&copy.bar, "pages");
    int imports = imports_under_way(data);
    int failed = ledger_sqlite_backup(data, to, on_progress, &copy, &e);
    double seconds = progress_end(&copy.bar);
    int at_end = imports_under_way(data); /* one may have been decided meanwhile */
    imports = at_end > imports ? at_end : imports;
    if (failed) {
        fprintf(stderr, "tally backup: %s%s%s\n", e.field, *e.field ? ": " : "", e.text);
        return EXIT_FAILED;
    }
    if (json) {
        json_t *object =
            json_pack("{s:s, s:s, s:I, s:f, s:i}", "data", data, "backup", to, "pages",
                      (json_int_t)copy.pages, "seconds", seconds, "imports_under_way", imports);
        print_json(object);
        json_decref(object);
    } else {
        tell(&copy, data, to, imports, seconds);
    }
    return EXIT_DONE;
}
