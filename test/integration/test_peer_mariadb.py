#!/usr/bin/env python3
"""The real MariaDB servers that other tests stand on: test/lib/peer_mariadb.py."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import peers  # pylint: disable=wrong-import-position
from peer_mariadb import PASSWORD, SEMI_SYNC, USER, Galera, MariaDb, Replica  # pylint: disable=wrong-import-position
from peer_process import Missing  # pylint: disable=wrong-import-position
from tally_server import ServerFailed, wait_until  # pylint: disable=wrong-import-position


def missing(kind):
    """Why it cannot be had, or nothing."""
    try:
        kind.check()
    except Missing as reason:
        return str(reason)
    return ""


NO_MARIADB, NO_GALERA = missing(MariaDb), missing(Galera)
TABLE = "CREATE TABLE tally.t (id INT PRIMARY KEY, n INT) ENGINE=InnoDB; INSERT INTO tally.t VALUES (1, 7);"
LOOK = "SELECT n FROM tally.t WHERE id = 1"


@peers.needs(not NO_MARIADB, NO_MARIADB)
class Alone(unittest.TestCase):
    """One server."""

    def test_what_is_committed_survives_a_kill_and_the_address_stays(self):
        with MariaDb() as server:
            server.sql(TABLE)
            port, pid = server.port, server.pid
            server.kill9()
            self.assertRaises(OSError, server.connect)
            server.restart()
            self.assertEqual(server.port, port)
            self.assertNotEqual(server.pid, pid)
            self.assertEqual(server.sql(LOOK), "7")

    def test_every_commit_is_flushed_and_rows_are_logged(self):
        with MariaDb() as server:
            for name, value in (("innodb_flush_log_at_trx_commit", "1"), ("sync_binlog", "1"),
                                ("log_bin", "ON"), ("binlog_format", "ROW")):
                self.assertEqual(server.variable(name), value, name)

    def test_the_products_user_may_make_databases_and_is_bound_by_read_only(self):
        with MariaDb() as server:
            who = ("-h", server.host, "-P", str(server.port), "--protocol=tcp", "-N", "-B",
                   f"-u{USER}", f"-p{PASSWORD}")
            server.sql("CREATE DATABASE elsewhere; CREATE TABLE elsewhere.t (a INT)", *who)
            server.sql("SET GLOBAL read_only = ON")
            with self.assertRaisesRegex(ServerFailed, "read-only"):
                server.sql("INSERT INTO elsewhere.t VALUES (1)", *who)

    def test_a_paused_server_answers_again_when_it_is_resumed(self):
        with MariaDb() as server:
            server.pause()
            with server.connect() as connection:
                connection.settimeout(0.2)
                self.assertRaises(TimeoutError, connection.recv, 1)
            server.resume()
            self.assertEqual(server.sql("SELECT 1"), "1")

    def test_a_server_that_cannot_start_shows_its_log(self):
        server = MariaDb("--no-such-option=1")
        try:
            with self.assertRaisesRegex(ServerFailed, "unknown variable 'no-such-option"):
                server.start()
        finally:
            server.close()


@peers.needs(not NO_MARIADB, NO_MARIADB)
class Replicated(unittest.TestCase):
    """A primary and a replica."""

    def test_a_replica_has_what_was_committed_and_goes_on_after_both_were_killed(self):
        with MariaDb() as primary, Replica(primary) as replica:
            primary.sql(TABLE)
            replica.wait_until_caught_up()
            self.assertEqual(replica.sql(LOOK), "7")
            replica.kill9()
            primary.kill9()
            primary.start()
            primary.sql("UPDATE tally.t SET n = 8")
            replica.start()
            replica.wait_until_caught_up()
            self.assertEqual(replica.sql(LOOK), "8")

    def test_with_semi_sync_the_primary_waits_for_its_replica(self):
        with MariaDb(*SEMI_SYNC) as primary, Replica(primary, *SEMI_SYNC) as replica:
            wait_until(lambda: primary.variable("Rpl_semi_sync_master_clients") == "1", "a replica")
            primary.sql(TABLE)
            self.assertGreaterEqual(int(primary.variable("Rpl_semi_sync_master_yes_tx")), 1)
            self.assertTrue(replica.running())


@peers.needs(not NO_GALERA, NO_GALERA)
class OfThree(unittest.TestCase):
    """A Galera cluster."""

    def test_a_node_that_was_killed_comes_back_with_what_it_missed(self):
        with Galera() as galera:
            first, second, third = galera.members
            first.sql(TABLE)
            self.assertEqual(third.sql("SET SESSION wsrep_sync_wait = 1; " + LOOK), "7")
            third.kill9()
            wait_until(lambda: second.variable("wsrep_cluster_size") == "2", "the others go on")
            second.sql("UPDATE tally.t SET n = 8")
            third.restart()
            wait_until(galera.whole, "all three")
            self.assertEqual(third.sql("SET SESSION wsrep_sync_wait = 1; " + LOOK), "8")


if __name__ == "__main__":
    peers.main()
