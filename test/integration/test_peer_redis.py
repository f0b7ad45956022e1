#!/usr/bin/env python3
"""The real Redis servers that other tests stand on: test/lib/peer_redis.py."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import peers  # pylint: disable=wrong-import-position
from peer_process import Missing  # pylint: disable=wrong-import-position
from peer_redis import (  # pylint: disable=wrong-import-position
    Redis, RedisCluster, RedisError, RedisReplica, RedisSentinels)
from tally_server import wait_until  # pylint: disable=wrong-import-position

try:
    Redis.check()
    NO_REDIS = ""
except Missing as reason:
    NO_REDIS = str(reason)


@peers.needs(not NO_REDIS, NO_REDIS)
class RealRedis(unittest.TestCase):
    """Each kind, and how it fails over."""

    def test_a_restarted_server_is_empty_and_has_its_old_port(self):
        with Redis() as redis:
            port = redis.port
            redis.call("SET", "a", "1")
            redis.kill9()
            self.assertRaises(OSError, redis.connect)
            redis.restart()
            self.assertEqual(redis.port, port)
            self.assertIsNone(redis.call("GET", "a"))

    def test_a_server_that_wants_a_password_counts_as_ready(self):
        with Redis("--requirepass", "secret") as redis:
            self.assertRaisesRegex(RedisError, "NOAUTH", redis.call, "GET", "a")

    def test_a_replica_has_its_masters_data(self):
        with Redis() as master:
            master.call("SET", "a", "1")
            with RedisReplica(master) as replica:
                self.assertEqual(replica.call("GET", "a"), "1")

    def test_sentinels_make_the_replica_the_master_when_that_is_killed(self):
        with RedisSentinels() as group:
            self.assertEqual(group.master_address(), group.master.address)
            group.master.kill9()
            wait_until(lambda: group.master_address() == group.replica.address, "a failover")
            wait_until(lambda: group.replica.info("replication", "role") == "master", "a master")

    def test_a_cluster_serves_all_slots_again_when_a_master_was_killed(self):
        with RedisCluster() as cluster:
            owner = cluster.owner("{lot}")
            owner.call("SET", "{lot}", "1")
            self.assertEqual(owner.call("WAIT", 0, 0) >= 0, True)
            other = next(n for n in cluster.members if n is not owner and
                         n.info("replication", "role") == "master")
            self.assertRaisesRegex(RedisError, "^MOVED ", other.call, "GET", "{lot}")
            owner.kill9()
            wait_until(lambda: cluster.owner("{lot}") is not owner, "another owner")
            owner.restart()
            cluster.wait_until_whole()


if __name__ == "__main__":
    peers.main()
