/* Lots to rows and back.
 *
 * Failure modes: a row whose text is longer than its bound, whose number is not a lot_id, whose
 * date is not one or whose limits cannot be is TLY_ECORRUPT.
 */
#include "ledger/lot_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Days from civil and back: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void lot_date_format(int32_t days, char out[DATE_SIZE])
{
    int64_t z = (int64_t)days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    int day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
    int month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    int year = (int)(year_of_era + era * 400 + (month <= 2));
    char text[48];
    snprintf(text, sizeof text, "%04d-%02d-%02d", year < 0 || year > 9999 ? 0 : year, month, day);
    memcpy(out, text, DATE_SIZE - 1);
    out[DATE_SIZE - 1] = 0;
}

int lot_date_parse(struct str text, int32_t *days)
{
    int value[3] = {0};
    size_t part = 0;
    if (text.len != DATE_SIZE - 1)
        return TLY_EINVALID_ARGUMENT;
    for (uint32_t i = 0; i < text.len; i++) {
        bool dash = i == 4 || i == 7;
        if (dash ? text.p[i] != '-' : text.p[i] < '0' || text.p[i] > '9')
            return TLY_EINVALID_ARGUMENT;
        if (dash)
            part++;
        else
            value[part] = value[part] * 10 + (text.p[i] - '0');
    }
    int64_t result = days_of(value[0], value[1], value[2]);
    char back[DATE_SIZE];
    lot_date_format((int32_t)result, back);
    if (memcmp(back, text.p, text.len) != 0) /* the 30th of February */
        return TLY_EINVALID_ARGUMENT;
    *days = (int32_t)result;
    return 0;
}

static void bind_str(sqlite3_stmt *statement, int index, struct str s)
{
    sqlite3_bind_text(statement, index, s.p ? s.p : "", (int)s.len, SQLITE_STATIC);
}

static void bind_date(sqlite3_stmt *statement, int index, int32_t days, char text[DATE_SIZE])
{
    if (days == LOT_NEVER_EXPIRES) {
        sqlite3_bind_null(statement, index);
        return;
    }
    lot_date_format(days, text);
    sqlite3_bind_text(statement, index, text, DATE_SIZE - 1, SQLITE_STATIC);
}

void lot_terms_bind(sqlite3_stmt *put, lot_id id, const struct lot_terms *terms,
                    struct lot_dates *dates)
{
    sqlite3_bind_int64(put, 1, id);
    bind_date(put, 2, terms->expires_on, dates->expires);
    bind_date(put, 3, terms->expected_on, dates->expected);
    sqlite3_bind_int64(put, 4, terms->per_user_limit);
    sqlite3_bind_int64(put, 5, terms->backorder_limit);
    sqlite3_bind_int(put, 6, terms->withdrawn);
}

void lot_row_bind(sqlite3_stmt *insert, lot_id id, const struct lot_dims *dims,
                  const struct lot_terms *terms, int64_t created_ms, struct lot_dates *dates)
{
    lot_terms_bind(insert, id, terms, dates);
    bind_str(insert, 7, dims->key);
    bind_str(insert, 8, dims->sku);
    bind_str(insert, 9, dims->flavor);
    bind_str(insert, 10, dims->size);
    bind_str(insert, 11, dims->batch);
    sqlite3_bind_int64(insert, 12, created_ms);
}

static int corrupt(int64_t number, const char *what, struct error *e)
{
    return error_set(e, TLY_ECORRUPT, "lot", "lot %" PRId64 "%s", number, what);
}

static int read_texts(sqlite3_stmt *row, int64_t number, struct lot_row *out, struct error *e)
{
    static const uint32_t bounds[] = {LOT_KEY_MAX, SKU_MAX, DIMENSION_MAX, DIMENSION_MAX,
                                      DIMENSION_MAX};
    struct lot_dims *dims = &out->dims;
    struct str *const fields[] = {&dims->key, &dims->sku, &dims->flavor, &dims->size, &dims->batch};
    char *text = out->text;
    for (int i = 0; i < 5; i++) {
        const void *p = sqlite3_column_text(row, i + 1);
        uint32_t len = (uint32_t)sqlite3_column_bytes(row, i + 1);
        if (len > bounds[i] || (len && !p))
            return corrupt(number, " has a text that is too long", e);
        if (len)
            memcpy(text, p, len);
        *fields[i] = (struct str){text, len};
        text += len;
    }
    return 0;
}

static int read_date(sqlite3_stmt *row, int column, int32_t *days)
{
    *days = LOT_NEVER_EXPIRES;
    if (sqlite3_column_type(row, column) == SQLITE_NULL)
        return 0;
    struct str date = {(const char *)sqlite3_column_text(row, column), 0};
    date.len = (uint32_t)sqlite3_column_bytes(row, column);
    return date.p ? lot_date_parse(date, days) : TLY_ECORRUPT;
}

int lot_row_read(sqlite3_stmt *row, struct lot_row *out, struct error *e)
{
    struct lot_terms *terms = &out->terms;
    int64_t number = sqlite3_column_int64(row, 0);
    if (number < 1 || number > UINT32_MAX)
        return corrupt(number, ": its lot_id is not a lot number", e);
    int rc = read_texts(row, number, out, e);
    if (rc)
        return rc;
    if (read_date(row, 6, &terms->expires_on))
        return corrupt(number, ": expires_on is not a date", e);
    if (read_date(row, 7, &terms->expected_on))
        return corrupt(number, ": expected_on is not a date", e);
    terms->per_user_limit = sqlite3_column_int64(row, 8);
    terms->backorder_limit = sqlite3_column_int64(row, 9);
    terms->withdrawn = sqlite3_column_int(row, 10) != 0;
    terms->backorder_most = sqlite3_column_int64(row, 11);
    if (terms->per_user_limit < 0 || terms->backorder_limit < 0 ||
        terms->backorder_most < terms->backorder_limit)
        return corrupt(number, " has a limit that cannot be", e);
    out->dims.expires_on = terms->expires_on;
    out->id = (lot_id)number;
    return 0;
}
