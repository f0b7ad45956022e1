/* mysql_text.h - SQL being put together: several statements to be sent in one go.
 *
 * Values are numbers, or strings that are quoted here (mysql_text.c); nothing else of a caller's
 * gets in. Memory that is short is remembered (`failed`), so that who builds need not ask each
 * time.
 */
#ifndef TALLY_LEDGER_MYSQL_TEXT_H
#define TALLY_LEDGER_MYSQL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct mydb_text {
    char *p;
    size_t used, room;
    unsigned statements; /* that are complete */
    bool failed;         /* memory was short: what stands there is not whole */
};

void mydb_text_close(struct mydb_text *t);
void mydb_text_clear(struct mydb_text *t);

void mydb_put(struct mydb_text *t, const char *sql);
void mydb_put_number(struct mydb_text *t, int64_t value);
void mydb_put_string(struct mydb_text *t, struct str s);
/* The same, with NULL for 0 and for "". */
void mydb_put_some_number(struct mydb_text *t, int64_t value);
void mydb_put_some_string(struct mydb_text *t, struct str s);
/* %d stands for an int64_t, %s for a struct str *, which is quoted; anything else stands for
 * itself.
 */
void mydb_putf(struct mydb_text *t, const char *sql, ...);
/* Ends a statement. */
void mydb_end(struct mydb_text *t);
/* "(1,2,3)"; of none, one that nothing is equal to. */
void mydb_put_numbers(struct mydb_text *t, const int64_t *numbers, size_t count);

#endif
