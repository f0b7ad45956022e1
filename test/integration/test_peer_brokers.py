#!/usr/bin/env python3
"""The real brokers that other tests stand on: test/lib/peer_rabbitmq.py and peer_kafka.py."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import peers  # pylint: disable=wrong-import-position
from peer_kafka import Kafka  # pylint: disable=wrong-import-position
from peer_process import Missing  # pylint: disable=wrong-import-position
from peer_rabbitmq import RabbitMq  # pylint: disable=wrong-import-position


def missing(kind):
    """Why it cannot be had, or nothing."""
    try:
        kind.check()
    except Missing as reason:
        return str(reason)
    return ""


class RealBrokers(unittest.TestCase):
    """Each survives a kill."""

    @peers.needs(not missing(RabbitMq), missing(RabbitMq))
    def test_rabbitmq_lets_its_user_in_again_after_a_kill_and_leaves_no_name_server(self):
        with RabbitMq() as broker:
            pid, names = broker.pid, broker.epmd
            self.assertIn("vhosts", broker.ctl("eval", "vhosts."))
            broker.kill9()
            self.assertRaises(OSError, broker.connect)
            broker.restart()
            self.assertNotEqual(broker.pid, pid)
        self.assertRaises(OSError, names.connect)

    @peers.needs(not missing(Kafka), missing(Kafka), "librdkafka's mock cluster, in the tests of src/bus")
    def test_kafka_serves_again_after_a_kill(self):
        with Kafka() as broker:
            pid = broker.pid
            broker.kill9()
            self.assertRaises(OSError, broker.connect)
            broker.restart()
            self.assertNotEqual(broker.pid, pid)
            self.assertTrue(broker.answers())


if __name__ == "__main__":
    peers.main()
