"""MariaDB: a server alone, a replica of it, or a Galera cluster.

The data folder is made once, with the users and an empty database, kept in build/peers, and copied for
each server. `tally` is the user of the product: it may do anything with data, and nothing that a server's
administrator may, so that read_only and a full max_connections hold for it. `admin` may do all.
"""
import fcntl
import hashlib
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

from peer_process import PEERS, Group, Missing, Peer, new_port, program, received
from tally_server import ServerFailed, wait_until

DATABASE, USER, PASSWORD, ADMIN, ADMIN_PASSWORD = "tally", "tally", "tally-secret", "admin", "admin-secret"
REPLICATION = ("repl", "repl-secret")
SCHEMA = f"""
CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4;
CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE VIEW, SHOW VIEW,
    TRIGGER, EVENT, CREATE ROUTINE, ALTER ROUTINE, EXECUTE, CREATE TEMPORARY TABLES, LOCK TABLES, PROCESS,
    REPLICATION SLAVE, BINLOG MONITOR, SLAVE MONITOR ON *.* TO {USER}@'%';
CREATE USER {ADMIN}@'%' IDENTIFIED BY '{ADMIN_PASSWORD}';
GRANT ALL ON *.* TO {ADMIN}@'%' WITH GRANT OPTION;
CREATE USER {REPLICATION[0]}@'%' IDENTIFIED BY '{REPLICATION[1]}';
GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO {REPLICATION[0]}@'%';
"""
DURABLE = ("--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1")
SMALL = ("--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--performance-schema=OFF")
BINLOG = ("--log-bin=bin", "--binlog-format=ROW", "--binlog-row-image=FULL", "--binlog-row-metadata=FULL",
          "--gtid-strict-mode=ON", "--log-slave-updates")
SEMI_SYNC = ("--rpl-semi-sync-master-enabled=ON", "--rpl-semi-sync-slave-enabled=ON",
             "--rpl-semi-sync-master-timeout=3000")


def url(hosts, database=DATABASE, user=USER, password=PASSWORD):
    """hosts: one HOST:PORT, or several with commas."""
    return "mysql://%s:%s@%s/%s" % (user, password, hosts, database)


class MariaDb(Peer):
    """One server, durable at every commit, with a binary log of rows and GTIDs."""

    user = "mysql"

    def __init__(self, *options, name="mysql-0", server_id=1, folder=None):
        super().__init__(name, *options, folder=folder)
        self.server_id = server_id
        self.socket = self.folder / "socket"
        self.database = DATABASE
        self.role = "primary"

    @classmethod
    def check(cls):
        program("mariadbd", "mariadb-server")
        program("mariadb", "mariadb-client")
        program("mysql_install_db", "mariadb-server")

    def prepare(self):
        copied = ["cp", "-a", "--reflink=auto", data_template(), self.folder / "data"]
        subprocess.run([str(word) for word in copied], check=True)

    def command(self):
        return [program("mariadbd", "mariadb-server"), "--no-defaults", f"--datadir={self.folder}/data",
                f"--socket={self.socket}", f"--pid-file={self.folder}/pid", "--bind-address=127.0.0.1",
                f"--port={self.port}", f"--server-id={self.server_id}", "--skip-name-resolve",
                "--lc-messages-dir=/usr/share/mysql", *SMALL, *DURABLE, *BINLOG, *self.options]

    def answers(self):
        """It greets whoever connects, with version 10 of its protocol."""
        with self.connect() as connection:
            length = int.from_bytes(received(connection, 4)[:3], "little")
            return received(connection, length)[0] == 10

    @property
    def url(self):
        """mysql://USER:PASSWORD@HOST:PORT/DATABASE"""
        return url(self.address)

    def sql(self, text, *arguments):
        """Runs it as root; the rows as text, columns separated by tabs. arguments: of the client,
        instead of those that leave out the columns' names."""
        done = subprocess.run(
            ["mariadb", "--no-defaults", "-u", "root", "-S", str(self.socket), *(arguments or ("-N", "-B"))],
            input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerFailed("%s: %s" % (self.name, done.stderr.strip()))
        return done.stdout.strip()

    def variable(self, name):
        """Of the server's status, or of its settings; an empty text if it has no such variable."""
        for kind in ("STATUS", "VARIABLES"):
            row = self.sql("SHOW GLOBAL %s LIKE '%s'" % (kind, name))
            if row:
                return row.partition("\t")[2]
        return ""


class Replica(MariaDb):
    """Follows a primary by GTID. It takes writes from nobody but the primary (and root)."""

    def __init__(self, primary, *options, name="mysql-1", server_id=2, folder=None):
        super().__init__("--read-only=ON", *options, name=name, server_id=server_id, folder=folder)
        self.primary = primary
        self.role = "replica"
        self._follows = False

    def wait_until_ready(self):
        """Until it follows."""
        super().wait_until_ready()
        if not self._follows:
            self.sql("CHANGE MASTER TO master_host='%s', master_port=%d, master_user='%s', "
                     "master_password='%s', master_connect_retry=1, master_use_gtid=slave_pos; "
                     "START SLAVE" % (self.primary.host, self.primary.port, *REPLICATION))
            self._follows = True
        wait_until(self.follows, lambda: "%s follows\n%s" % (self.name, self.log_tail()))
        return self

    def slave_status(self):
        """SHOW SLAVE STATUS, by name."""
        lines = self.sql("SHOW SLAVE STATUS", "--vertical").splitlines()
        return {key.strip(): value.strip() for key, _, value in
                (line.partition(":") for line in lines if ":" in line)}

    def follows(self):
        """True while it receives and applies; a replica whose primary is down is ready, too."""
        status = self.slave_status()
        reached = status.get("Slave_IO_Running") == "Yes" or not self.primary.running()
        return reached and status.get("Slave_SQL_Running") == "Yes"

    def wait_until_caught_up(self):
        """Until it has applied what the primary has committed by now."""
        wanted = self.primary.sql("SELECT @@gtid_binlog_pos")
        wait_until(lambda: self.sql("SELECT MASTER_GTID_WAIT('%s', 5)" % wanted) == "0",
                   lambda: "%s catches up\n%s" % (self.name, self.log_tail()))


class GaleraNode(MariaDb):
    """One of a cluster."""

    def __init__(self, name, *options, folder=None):
        super().__init__(*options, name=name, server_id=1, folder=folder)
        self.role = "galera"
        self.group_port, self.ist_port, self.sst_port = new_port(), new_port(), new_port()
        self.cluster = []
        self.bootstraps = False

    @classmethod
    def check(cls):
        super().check()
        program("rsync", "rsync")
        if not os.path.exists("/usr/lib/galera/libgalera_smm.so"):
            raise Missing("Galera is not installed (package galera-4)")

    def command(self):
        members = ",".join("%s:%d" % (node.host, node.group_port) for node in self.cluster)
        words = [*super().command(), "--wsrep-on=ON", "--wsrep-provider=/usr/lib/galera/libgalera_smm.so",
                 "--wsrep-cluster-name=tally", f"--wsrep-cluster-address=gcomm://{members}",
                 f"--wsrep-node-name={self.name}", f"--wsrep-node-address={self.host}:{self.group_port}",
                 f"--wsrep-provider-options=gmcast.listen_addr=tcp://{self.host}:{self.group_port};"
                 f"ist.recv_addr={self.host}:{self.ist_port};gcache.size=16M",
                 "--wsrep-sst-method=rsync", f"--wsrep-sst-receive-address={self.host}:{self.sst_port}",
                 "--innodb-autoinc-lock-mode=2", "--wsrep-gtid-mode=ON", "--wsrep-gtid-domain-id=1"]
        if self.bootstraps:
            words.append("--wsrep-new-cluster")
        return words

    def begin(self):
        """Where no other node runs, it begins the cluster anew with the data that it has."""
        self.bootstraps = not any(node.running() for node in self.cluster)
        state = self.folder / "data/grastate.dat"
        if self.bootstraps and state.exists():
            state.write_text(state.read_text().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1"))
        return super().begin()

    def answers(self):
        return super().answers() and self.variable("wsrep_ready") == "ON" and \
            self.variable("wsrep_local_state_comment") == "Synced"


class Galera(Group):
    """Three nodes, each with the same data; the first one begins the cluster."""

    check = GaleraNode.check

    def __init__(self, *options, prefix="galera", count=3, folder=None):
        names = ["%s-%d" % (prefix, i) for i in range(count)]
        super().__init__([
            GaleraNode(name, *options, folder=folder and pathlib.Path(folder) / name) for name in names])
        for node in self.members:
            node.cluster = self.members

    def start(self):
        """The first node first, since the others copy its data; one after the other, since a donor
        serves one."""
        for node in self.members:
            if not node.running():
                node.start()
        wait_until(self.whole, "every node sees all of the cluster")
        return self

    def whole(self):
        """Every node counts all."""
        return all(node.variable("wsrep_cluster_size") == str(len(self.members)) for node in self.members)

    @property
    def url(self):
        """With every node's address."""
        return url(",".join(node.address for node in self.members))


# ---- the data folder that all are copies of ----


def data_template():
    """Path of the data folder, which is made if no run has made it yet."""
    server = program("mariadbd", "mariadb-server")
    version = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
    key = hashlib.sha256((version + SCHEMA + " ".join(SMALL)).encode()).hexdigest()[:16]
    PEERS.mkdir(parents=True, exist_ok=True)
    template = PEERS / ("mariadb-data-" + key)
    with open(PEERS / "mariadb-data.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            _make(template)
    return template


def _make(template):
    """In a folder that the server's user can reach, wherever this tree lies."""
    with tempfile.TemporaryDirectory(prefix="tally-mariadb-") as folder:
        path = pathlib.Path(folder)
        user = MariaDb.user if os.geteuid() == 0 else None
        if user:
            owner = pwd.getpwnam(user)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        done = subprocess.run(
            ["mysql_install_db", "--no-defaults", f"--datadir={folder}/data", "--skip-test-db",
             "--auth-root-authentication-method=normal", *SMALL, *([f"--user={user}"] if user else [])],
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerFailed("mysql_install_db: " + done.stdout + done.stderr)
        with _First("--skip-log-bin", name="mysql-template", folder=folder) as server:
            server.sql(SCHEMA)
        shutil.rmtree(f"{template}.new", ignore_errors=True)
        subprocess.run(["cp", "-a", path / "data", f"{template}.new"], check=True)
        os.rename(f"{template}.new", template)


class _First(MariaDb):
    """On the data folder that was just made."""

    def prepare(self):
        pass
