/* mysql_text.c - see mysql_text.h.
 *
 * A string is quoted for a session whose character set is utf8mb4 and whose sql_mode has no
 * NO_BACKSLASH_ESCAPES (mysql_db.c sees to both): quotes, backslashes and zeros are escaped, which
 * is safe byte by byte, as no byte of a character of UTF-8 looks like one of them. What is not
 * plain ASCII is said to be bytes, since an id need not be UTF-8. */
#include "ledger/mysql_text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_MIN = 4096, DIGITS_MAX = 20 };

void mydb_text_close(struct mydb_text *t)
{
    free(t->p);
    *t = (struct mydb_text){0};
}

void mydb_text_clear(struct mydb_text *t)
{
    t->used = 0;
    t->statements = 0;
    t->failed = false;
}

static char *more(struct mydb_text *t, size_t size)
{
    if (t->room - t->used < size) {
        size_t room = t->room ? t->room * 2 : ROOM_MIN;
        while (room - t->used < size)
            room *= 2;
        char *p = realloc(t->p, room);
        if (!p) {
            t->failed = true;
            return NULL;
        }
        t->p = p;
        t->room = room;
    }
    return t->p + t->used;
}

static void put(struct mydb_text *t, const char *p, size_t size)
{
    char *to = more(t, size);
    if (!to)
        return;
    memcpy(to, p, size);
    t->used += size;
}

void mydb_put(struct mydb_text *t, const char *sql)
{
    put(t, sql, strlen(sql));
}

void mydb_put_number(struct mydb_text *t, int64_t value)
{
    char digits[DIGITS_MAX];
    size_t at = sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (value < 0)
        put(t, "-", 1);
    put(t, digits + at, sizeof digits - at);
}

void mydb_put_string(struct mydb_text *t, struct str s)
{
    static const char binary[] = "_binary";
    char *to = more(t, sizeof binary + 2 * (size_t)s.len + 2);
    if (!to)
        return;
    for (uint32_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.p[i] >= 0x80) {
            memcpy(to, binary, sizeof binary - 1);
            to += sizeof binary - 1;
            break;
        }
    }
    *to++ = '\'';
    for (uint32_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (c == '\'' || c == '\\' || c == 0)
            *to++ = '\\';
        *to++ = c ? c : '0';
    }
    *to++ = '\'';
    t->used = (size_t)(to - t->p);
}

void mydb_put_some_number(struct mydb_text *t, int64_t value)
{
    if (value)
        mydb_put_number(t, value);
    else
        put(t, "NULL", 4);
}

void mydb_put_some_string(struct mydb_text *t, struct str s)
{
    if (s.len)
        mydb_put_string(t, s);
    else
        put(t, "NULL", 4);
}

void mydb_putf(struct mydb_text *t, const char *sql, ...)
{
    va_list values;
    va_start(values, sql);
    while (*sql) {
        size_t plain = strcspn(sql, "%");
        put(t, sql, plain);
        sql += plain;
        if (sql[0] == '%' && sql[1] == 'd') {
            mydb_put_number(t, va_arg(values, int64_t));
            sql += 2;
        } else if (sql[0] == '%' && sql[1] == 's') {
            mydb_put_string(t, *va_arg(values, const struct str *));
            sql += 2;
        } else if (sql[0] == '%') {
            put(t, sql++, 1);
        }
    }
    va_end(values);
}

void mydb_end(struct mydb_text *t)
{
    put(t, ";", 1);
    t->statements++;
}

void mydb_put_numbers(struct mydb_text *t, const int64_t *numbers, size_t count)
{
    put(t, "(", 1);
    if (count == 0)
        put(t, "NULL", 4);
    for (size_t i = 0; i < count; i++) {
        if (i)
            put(t, ",", 1);
        mydb_put_number(t, numbers[i]);
    }
    put(t, ")", 1);
}
