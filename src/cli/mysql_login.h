/* mysql_login.h - a connection to a ledger in MySQL or MariaDB, for commands that are told its URL.
 *
 * The password never stands in the URL: it comes from a file that is named, or from the environment
 * as the server's does (TALLY_LEDGER_PASSWORD, TALLY_LEDGER_PASSWORD_FILE), and is shown nowhere.
 */
#ifndef TALLY_CLI_MYSQL_LOGIN_H
#define TALLY_CLI_MYSQL_LOGIN_H

#include <stdbool.h>

#include "base/error.h"

struct st_mysql;

struct mysql_login {
    const char *password_file; /* NULL: the environment */
    const char *tls;           /* "off", "on" (encrypted), "verify" (and by whom); NULL: off */
    const char *tls_ca;        /* certificates that are trusted; NULL: the system's */
};

#define MYSQL_LOGIN_OPTIONS(l)                                                                     \
    {"password-file",                                                                              \
     "FILE",                                                                                       \
     OPTION_TEXT,                                                                                  \
     &(l)->password_file,                                                                          \
     "of mysql://: the password, in a file; else it is that of the\nenvironment variable "         \
     "TALLY_LEDGER_PASSWORD",                                                                      \
     0,                                                                                            \
     0},                                                                                           \
        {"tls",                                                                                    \
         "MODE",                                                                                   \
         OPTION_TEXT,                                                                              \
         &(l)->tls,                                                                                \
         "of mysql://: off (if not given), on, or verify, which also\nchecks the certificate",     \
         0,                                                                                        \
         0},                                                                                       \
    {                                                                                              \
        "tls-ca", "FILE", OPTION_TEXT, &(l)->tls_ca,                                               \
            "of mysql://: trust these certificates, not the system's", 0, 0                        \
    }

/* Is it a URL that such a connection is for? */
bool login_is_mysql(const char *place);
/* 0, and a connection in utf8mb4 to the URL's database; the caller closes it with mysql_close(). */
int login_to_mysql(struct st_mysql **out, const char *url, const struct mysql_login *login,
                   struct error *e) MUST_CHECK;

#endif
