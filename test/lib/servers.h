/* servers.h - the real servers that a test was started with.
 *
 * A test whose first line is `needs: mariadb redis` (in a comment) is started by servers.py, which
 * has started those, says in variables where they are, and stops, kills and restarts them on
 * request.
 */
#ifndef TALLY_TEST_SERVERS_H
#define TALLY_TEST_SERVERS_H

/* The value of a variable of servers.py, e.g. "TALLY_TEST_MYSQL". Without it the test ends as
 * skipped (exit code 77), and says how to run it. */
const char *server_url(const char *variable);

/* Has servers.py do something to a server, e.g. ("kill9", "mysql-0"), and returns when it is done.
 * Fails the test if it could not be. */
void server_command(const char *verb, const char *name);

#endif
