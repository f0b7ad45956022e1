"""Kafka: one broker that is its own controller, from jars that `./dev setup` fetches with Maven."""
import os
import shutil
import struct
import subprocess

from peer_process import PEERS, Missing, Peer, new_port, program, received
from tally_server import ServerFailed

JARS = PEERS / "kafka"
JAVA = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
CLUSTER_ID = "AAAAAAAAAAAAAAAAAAAAAA"
METADATA, METADATA_VERSION = 3, 4


class Kafka(Peer):
    """Topics are made when they are first asked for. options: lines of its properties file."""

    def __init__(self, *options, name="kafka-0", folder=None):
        super().__init__(name, *options, folder=folder)
        self.role = "broker"
        self.controller_port = new_port()

    @classmethod
    def check(cls):
        program("java", "default-jre-headless")
        if not (JARS / "installed.xml").exists():
            raise Missing("Kafka's jars are not in build/peers/kafka (./dev setup fetches them with Maven)")

    def prepare(self):
        controller = "%s:%d" % (self.host, self.controller_port)
        lines = ["process.roles=broker,controller", "node.id=1",
                 "controller.quorum.voters=1@" + controller,
                 f"listeners=PLAINTEXT://{self.address},CONTROLLER://{controller}",
                 f"advertised.listeners=PLAINTEXT://{self.address}",
                 "controller.listener.names=CONTROLLER", f"log.dirs={self.folder}/data",
                 "offsets.topic.replication.factor=1", "offsets.topic.num.partitions=1",
                 "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
                 "transaction.state.log.num.partitions=1", "group.initial.rebalance.delay.ms=0",
                 *self.options]
        (self.folder / "server.properties").write_text("\n".join(lines) + "\n")
        done = subprocess.run(["java", *JAVA, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c",
                               str(self.folder / "server.properties")], env=self.environment(),
                              cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerFailed("kafka.tools.StorageTool: " + done.stdout + done.stderr)

    def environment(self):
        return {**os.environ, "CLASSPATH": f"{JARS}/lib/*"}

    def command(self):
        return ["java", *JAVA, "kafka.Kafka", self.folder / "server.properties"]

    def answers(self):
        """It names itself as a broker of the cluster, which it does once clients may use it."""
        body = struct.pack(">hhih", METADATA, METADATA_VERSION, 1, -1) + struct.pack(">i?", 0, False)
        with self.connect() as connection:
            connection.sendall(struct.pack(">i", len(body)) + body)
            answer = received(connection, int.from_bytes(received(connection, 4), "big"))
        _correlation, _throttled_ms, brokers = struct.unpack_from(">iii", answer)
        return brokers > 0


def fetch():
    """Fetches the jars, unless they are here; where there is no Maven this says so and is no failure."""
    wanted = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kafka", "pom.xml")
    installed = JARS / "installed.xml"
    with open(wanted, "rb") as pom:
        text = pom.read()
    if installed.exists() and installed.read_bytes() == text:
        return
    if not shutil.which("mvn"):
        print("kafka: no Maven to fetch it with")
        return
    print("fetching Kafka for the tests", flush=True)
    shutil.rmtree(JARS, ignore_errors=True)
    JARS.mkdir(parents=True)
    with open(JARS / "fetch.log", "wb") as log:
        done = subprocess.run(
            ["mvn", "-q", "-B", "-f", wanted, "dependency:copy-dependencies",
             f"-DoutputDirectory={JARS}/lib", "-DincludeScope=runtime"], stdout=log, stderr=log, check=False)
    if done.returncode != 0:
        print("kafka: could not be had; see build/peers/kafka/fetch.log")
        return
    installed.write_bytes(text)


if __name__ == "__main__":
    fetch()
