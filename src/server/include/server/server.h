/* server.h - the composition root: the one place that chooses adapters and starts threads.
 *
 *     settings -> data folder held -> ledger -> recovered into engine and gate -> listeners bound
 *     -> threads -> ready ... SIGTERM ... readiness fails -> listeners closed, streams ended
 *     -> what is under way finished -> engine thread -> ledger closed -> data folder given back
 *
 * Threads: main (signals), tally-engine, tally-io-N, and the ledger's own.
 * Who owns what: the server owns all parts; a command belongs to its worker, a batch to the engine
 * (engine_thread.h has the mailboxes). Parts are destroyed in the opposite order of their making,
 * except that the engine goes before the workers, whose commands it may still hold.
 */
#ifndef TALLY_SERVER_SERVER_H
#define TALLY_SERVER_SERVER_H

#include "base/error.h"

/* Runs until SIGTERM or SIGINT, and returns 0 after everything acknowledged is in the ledger and
 * the ledger is closed. argv and the environment are read again at SIGHUP. */
int server_run(int argc, char *const *argv, char *const *environment, struct error *e) MUST_CHECK;

#endif
