/* A file for `tally lot import`, read whole: the CSV reader, the header, the rules of every field.
 * Every row is either bad, with a problem told, or has all its fields, a key and a quantity; and
 * what the reader hands out lies within the text. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/csv.h"
#include "cli/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_rows(char *text, size_t size)
{
    struct csv csv;
    struct csv_row row;
    struct error e;
    uint32_t line = 0;
    enum csv_result result;
    csv_begin(&csv, text, size);
    while ((result = csv_next(&csv, &row, &e)) != CSV_END) {
        assert(row.line > line);
        line = row.line;
        assert(row.count <= CSV_FIELDS_MAX);
        for (uint32_t i = 0; i < row.count; i++)
            assert(row.fields[i].p >= text && row.fields[i].p + row.fields[i].len <= text + size);
    }
}

static void check_rows(const struct import *im)
{
    uint32_t bad = 0;
    for (uint32_t i = 0; i < im->row_count; i++) {
        const struct import_row *row = &im->rows[i];
        bad += row->action == IMPORT_BAD;
        if (row->action == IMPORT_BAD)
            continue;
        assert(row->quantity >= 0 && row->quantity <= QUANTITY_MAX);
        assert(strchr(row->key, '#'));
        for (int c = 0; c < IMPORT_quantity; c++)
            assert(row->fields[c]);
        assert(import_find(im, row->key) == row);
    }
    assert(im->bad_count >= bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct import im;
    struct error e;
    if (!text)
        return 0;
    memcpy(text, data, size);
    read_rows(text, size);
    memcpy(text, data, size);
    import_init(&im);
    if (import_read(&im, text, size, &e) == 0)
        check_rows(&im);
    import_close(&im);
    free(text);
    return 0;
}
