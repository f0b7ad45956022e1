/* A stock file, read whole: the encoding, the CSV reader, the header, the rules of every field; and
 * the same bytes as lines of JSON. What the readers hand out is text with an end, every fault is
 * UTF-8, lines only go up, and a good row has its fields, a key where it names its lot, and a
 * quantity.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stockfile/csv.h"
#include "stockfile/stock_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_fault(void *context, uint32_t line, const char *column, const char *text)
{
    uint32_t *faults = context;
    assert(line > 0 && *text);
    assert(text_is_utf8(str_of(column)) && text_is_utf8(str_of(text)));
    (*faults)++;
}

static void read_csv(const struct stock_input *input)
{
    static struct csv_row row;
    struct text_reader *text;
    struct error e;
    uint32_t line = 0;
    size_t bytes = 0;
    enum csv_result result;
    if (text_reader_open(&text, input, ENCODING_FOUND, &e) != 0)
        return;
    struct csv *csv = csv_open(text, 0);
    while (csv && (result = csv_next(csv, &row, &e)) != CSV_END) {
        assert(row.line > line && row.count <= CSV_FIELDS_MAX);
        line = row.line;
        for (uint32_t i = 0; result == CSV_ROW && i < row.count; i++) {
            for (uint32_t k = 0; k < row.fields[i].len; k++)
                bytes += row.fields[i].p[k] != 0;
        }
    }
    assert(bytes <= 4 * text_reader_taken(text));
    csv_close(csv);
    text_reader_close(text);
}

static void check_row(const struct stock_row *row)
{
    assert(row->quantity >= 0 && row->quantity <= QUANTITY_MAX);
    assert(row->given[STOCK_sku]);
    for (int i = 0; i < STOCK_FIELD_COUNT; i++)
        assert(text_is_utf8(row->fields[i]));
    if (row->given[STOCK_flavor] && row->given[STOCK_size] && row->given[STOCK_batch])
        assert(strchr(row->key, '#'));
}

static void read_rows(const struct stock_input *input, bool json_lines, enum stock_rules rules)
{
    static struct stock_row row;
    static const struct stock_mapping mapping = {
        .mapped = {{"Stock", STOCK_quantity, true}}, .count = 1, .ignore_others = true};
    uint32_t faults = 0;
    const struct stock_file_config config = {.mapping = rules == STOCK_FREE ? &mapping : NULL,
                                             .json_lines = json_lines,
                                             .fault = on_fault,
                                             .context = &faults};
    struct stock_file *f;
    struct error e;
    enum stock_result result;
    if (stock_file_open(&f, input, &config, &e) != 0) {
        assert(e.code != TLY_EINVALID_ARGUMENT || faults > 0);
        return;
    }
    for (;;) {
        uint32_t before = faults;
        result = stock_file_next(f, rules, &row);
        if (result == STOCK_END)
            break;
        assert((faults > before) == (result == STOCK_BAD_ROW));
        if (result == STOCK_ROW && !stock_file_header_bad(f))
            check_row(&row);
    }
    stock_file_close(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str text = {(const char *)data, (uint32_t)size};
    const struct stock_input input = stock_input_text(&text);
    read_csv(&input);
    read_rows(&input, false, STOCK_DRINKS);
    read_rows(&input, false, STOCK_FREE);
    read_rows(&input, true, STOCK_DRINKS);
    return 0;
}
