/* import_file.c - the rows of a stock file, kept; no lot twice.
 *
 * Failures: as stockfile/ tells them, each noted, and reading goes on, so that one run tells all
 * faults. A lot that stands in the file twice makes all of its rows bad: none of them is known to
 * be the right one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/import.h"

enum { ARENA_BYTES_MAX = 1 << 30 };

void import_init(struct import *im)
{
    *im = (struct import){.encoding = ""};
    arena_init(&im->arena, NULL, 0, ARENA_BYTES_MAX);
}

void import_close(struct import *im)
{
    arena_close(&im->arena);
    free(im->rows);
    free(im->by_key);
    free(im->by_sku);
    free(im->problems);
}

static const char *keep(struct import *im, const char *text)
{
    const char *kept = arena_copy(&im->arena, text, strlen(text));
    im->short_of_memory |= !kept;
    return kept ? kept : "";
}

static void note(struct import *im, uint32_t line, const char *column, const char *text)
{
    if (im->problem_count == im->problem_capacity) {
        uint32_t capacity = im->problem_capacity ? 2 * im->problem_capacity : 64;
        struct import_problem *problems = realloc(im->problems, capacity * sizeof *problems);
        if (!problems) {
            im->short_of_memory = true;
            return;
        }
        im->problems = problems;
        im->problem_capacity = capacity;
    }
    im->problems[im->problem_count++] =
        (struct import_problem){line, keep(im, column), keep(im, text)};
}

void import_bad(struct import *im, struct import_row *row, uint32_t line, const char *column,
                const char *format, ...)
{
    char text[ERROR_TEXT_MAX], shown[3 * ERROR_TEXT_MAX];
    va_list args;
    if (!row || row->action != IMPORT_BAD)
        im->bad_count++;
    if (row)
        row->action = IMPORT_BAD;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    text_show(str_of(text), shown, sizeof shown);
    note(im, line, column, shown);
}

/* ---- rows ---- */

static void on_fault(void *context, uint32_t line, const char *column, const char *text)
{
    note(context, line, column, text);
}

static struct import_row *add_row(struct import *im)
{
    if (im->row_count == im->row_capacity) {
        uint32_t capacity = im->row_capacity ? 2 * im->row_capacity : 256;
        struct import_row *rows = realloc(im->rows, capacity * sizeof(*rows));
        if (!rows)
            return NULL;
        im->rows = rows;
        im->row_capacity = capacity;
    }
    return &im->rows[im->row_count++];
}

static int take_row(struct import *im, const struct stock_row *from, bool good)
{
    struct import_row *row = add_row(im);
    if (!row)
        return TLY_ENO_MEMORY;
    *row = (struct import_row){.line = from->line,
                               .action = good ? IMPORT_UNCHANGED : IMPORT_BAD,
                               .counts = from->given[STOCK_quantity],
                               .quantity = from->quantity};
    memcpy(row->key, from->key, sizeof row->key);
    im->bad_count += !good;
    im->rules_matter |= !good || from->rewritten;
    for (int i = 0; i < STOCK_quantity && good; i++) {
        if (!from->given[i])
            continue;
        struct str value = from->fields[i];
        row->fields[i] = arena_copy(&im->arena, value.p ? value.p : "", value.len);
        if (!row->fields[i])
            return TLY_ENO_MEMORY;
    }
    return 0;
}

/* ---- no lot twice ---- */

static int compare_keys(const void *a, const void *b)
{
    const struct import_row *x = *(struct import_row *const *)a;
    const struct import_row *y = *(struct import_row *const *)b;
    int order = strcmp(x->key, y->key);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

static int compare_skus(const void *a, const void *b)
{
    const struct import_row *x = *(struct import_row *const *)a;
    const struct import_row *y = *(struct import_row *const *)b;
    int order = strcmp(x->fields[STOCK_sku], y->fields[STOCK_sku]);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* Rows of one key stand together. A bad one may be the lot's right row, had it been written well.
 */
static void refuse_duplicates(struct import *im)
{
    for (uint32_t i = 0, n; i < im->key_count; i += n) {
        struct import_row **rows = im->by_key + i;
        n = 1;
        while (i + n < im->key_count && strcmp(rows[n]->key, rows[0]->key) == 0)
            n++;
        for (uint32_t k = 0; n > 1 && k < n; k++) {
            if (rows[k]->twice)
                continue;
            rows[k]->twice = true;
            import_bad(im, rows[k], rows[k]->line, "", "lot %s stands in line %u, too%s",
                       rows[k]->key, rows[k == 0 ? 1 : 0]->line, n > 2 ? ", and in others" : "");
        }
    }
}

int import_index(struct import *im)
{
    free(im->by_key);
    free(im->by_sku);
    im->by_key = malloc((im->row_count + 1) * sizeof(struct import_row *));
    im->by_sku = malloc((im->row_count + 1) * sizeof(struct import_row *));
    im->key_count = im->sku_count = 0;
    if (!im->by_key || !im->by_sku)
        return TLY_ENO_MEMORY;
    for (uint32_t i = 0; i < im->row_count; i++) {
        struct import_row *row = &im->rows[i];
        if (*row->key)
            im->by_key[im->key_count++] = row;
        else if (row->action != IMPORT_BAD)
            im->by_sku[im->sku_count++] = row;
    }
    qsort(im->by_key, im->key_count, sizeof(struct import_row *), compare_keys);
    qsort(im->by_sku, im->sku_count, sizeof(struct import_row *), compare_skus);
    refuse_duplicates(im);
    return 0;
}

struct import_row *import_find(const struct import *im, const char *key)
{
    uint32_t low = 0, high = im->key_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(im->by_key[middle]->key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < im->key_count && strcmp(im->by_key[low]->key, key) == 0;
    return found ? im->by_key[low] : NULL;
}

/* In the order of the file, whatever found them. */
static int compare_problems(const void *a, const void *b)
{
    const struct import_problem *x = a, *y = b;
    return (x->line > y->line) - (x->line < y->line);
}

void import_sort_problems(struct import *im)
{
    /* a merge sort, in glibc, so that a line's problems stay as they are; and if it is not: no harm
     */
    if (im->problem_count > 1)
        qsort(im->problems, im->problem_count, sizeof *im->problems, compare_problems);
}

int import_read(struct import *im, const struct stock_input *input, struct error *e)
{
    const struct stock_file_config config = {.mapping = &im->source->mapping,
                                             .encoding = im->source->told,
                                             .delimiter = im->source->separator,
                                             .dimensions_needed = !im->source->existing_only,
                                             .fault = on_fault,
                                             .context = im};
    struct stock_file *file = NULL;
    struct stock_row *row = malloc(sizeof *row);
    int code = row ? stock_file_open(&file, input, &config, e) : TLY_ENO_MEMORY;
    enum stock_result result;
    while (!code && (result = stock_file_next(file, im->rules, row)) != STOCK_END)
        code = take_row(im, row, result == STOCK_ROW);
    if (!code) {
        im->header_bad = stock_file_header_bad(file);
        im->encoding = encoding_name(stock_file_encoding(file));
        im->separator = stock_file_delimiter(file);
        code = import_index(im);
    }
    import_sort_problems(im);
    stock_file_close(file);
    free(row);
    if (code == TLY_ENO_MEMORY || im->short_of_memory)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    im->header_bad |= code != 0;
    return code;
}

/* ---- the file ---- */

/* Standard input is read twice, as a file is. */
static int spool(int from)
{
    char block[65536];
    FILE *f = tmpfile();
    int fd = f ? dup(fileno(f)) : -1;
    if (f)
        fclose(f);
    for (long n = 1; fd >= 0 && n != 0;) {
        n = read(from, block, sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || write(fd, block, (size_t)n) != n) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

int import_read_file(struct import *im)
{
    struct error e = {0};
    const char *name = im->source->file;
    int fd = strcmp(name, "-") == 0 ? spool(STDIN_FILENO) : open(name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && lseek(fd, 0, SEEK_CUR) < 0) {
        int pipe = fd;
        fd = spool(pipe);
        close(pipe);
    }
    if (fd < 0) {
        fprintf(stderr, "tally: %s: %s\n", name, strerror(errno));
        return EXIT_FAILED;
    }
    const struct stock_input input = stock_input_file(&fd);
    int code = import_read(im, &input, &e);
    if (!code && im->rules_matter && import_ask_rules(im->client) == STOCK_FREE) {
        const struct import was = *im;
        import_close(im);
        import_init(im);
        im->client = was.client;
        im->source = was.source;
        im->mode = was.mode;
        im->rules = STOCK_FREE;
        code = import_read(im, &input, &e);
    }
    close(fd);
    if (code && code != TLY_EINVALID_ARGUMENT) {
        fprintf(stderr, "tally: %s: %s\n", name, e.text);
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}
