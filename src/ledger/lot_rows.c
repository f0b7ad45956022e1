/* Lots to rows and back.
 *
 * Failure modes: a row whose text is longer than its bound, whose number is not a lot_id or whose
 * date is not one is TLY_ECORRUPT.
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

int lot_row_bind(sqlite3_stmt *insert, lot_id id, const struct lot_dims *dims, int64_t created_ms,
                 char expires[DATE_SIZE])
{
    sqlite3_bind_int64(insert, 1, id);
    bind_str(insert, 2, dims->key);
    bind_str(insert, 3, dims->sku);
    bind_str(insert, 4, dims->flavor);
    bind_str(insert, 5, dims->size);
    bind_str(insert, 6, dims->batch);
    if (dims->expires_on == LOT_NEVER_EXPIRES) {
        sqlite3_bind_null(insert, 7);
    } else {
        lot_date_format(dims->expires_on, expires);
        sqlite3_bind_text(insert, 7, expires, DATE_SIZE - 1, SQLITE_STATIC);
    }
    return sqlite3_bind_int64(insert, 8, created_ms) == SQLITE_OK ? 0 : TLY_EIO;
}

int lot_row_read(sqlite3_stmt *row, lot_id *id, struct lot_dims *dims, char text[LOT_TEXT_MAX],
                 struct error *e)
{
    static const uint32_t bounds[] = {LOT_KEY_MAX, SKU_MAX, FLAVOR_MAX, SIZE_MAX_BYTES,
                                      BATCH_MAX_BYTES};
    struct str *const fields[] = {&dims->key, &dims->sku, &dims->flavor, &dims->size, &dims->batch};
    int64_t number = sqlite3_column_int64(row, 0);
    if (number < 1 || number > UINT32_MAX)
        return error_set(e, TLY_ECORRUPT, "lot", "lot_id %" PRId64 " is not a lot number", number);
    for (int i = 0; i < 5; i++) {
        const void *p = sqlite3_column_text(row, i + 1);
        uint32_t len = (uint32_t)sqlite3_column_bytes(row, i + 1);
        if (len > bounds[i] || (len && !p))
            return error_set(e, TLY_ECORRUPT, "lot", "lot %" PRId64 " has a text that is too long",
                             number);
        if (len)
            memcpy(text, p, len);
        *fields[i] = (struct str){text, len};
        text += len;
    }
    dims->expires_on = LOT_NEVER_EXPIRES;
    if (sqlite3_column_type(row, 6) != SQLITE_NULL) {
        struct str date = {(const char *)sqlite3_column_text(row, 6), 0};
        date.len = (uint32_t)sqlite3_column_bytes(row, 6);
        if (!date.p || lot_date_parse(date, &dims->expires_on))
            return error_set(e, TLY_ECORRUPT, "lot", "lot %" PRId64 ": expires_on is not a date",
                             number);
    }
    *id = (lot_id)number;
    return 0;
}
