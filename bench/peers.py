"""The servers of a benchmark run: ours and its peers, each on a loopback port of its own, with its
data in a folder of the run."""
import json
import os
import pwd
import time
import urllib.parse
import urllib.request

from process import TALLY, Failed, Process, free_port, run

UNITS = 2_000_000_000
CONNECTIONS_MAX = 18_000
MARIADB_SETTINGS = (
    "--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=256M",
    "--innodb-log-file-size=512M", "--skip-log-bin",
    # Measured best here from 128 clients on, and no worse below: few threads at once at the row.
    "--thread-handling=pool-of-threads", "--thread-pool-max-threads=32",
)
MARIADB_SCHEMA = f"""
CREATE DATABASE shop;
USE shop;
CREATE TABLE stock (id INT PRIMARY KEY, stock BIGINT NOT NULL, version BIGINT NOT NULL) ENGINE=InnoDB;
CREATE TABLE orders (order_id CHAR(32) CHARACTER SET ascii PRIMARY KEY, quantity INT NOT NULL)
    ENGINE=InnoDB;
INSERT INTO stock VALUES (1, {UNITS}, 0);
CREATE USER bench@127.0.0.1 IDENTIFIED BY 'bench';
GRANT ALL ON shop.* TO bench@127.0.0.1;
DELIMITER //
CREATE PROCEDURE take(given CHAR(32) CHARACTER SET ascii)
BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
    START TRANSACTION;
    INSERT INTO orders (order_id, quantity) VALUES (given, 1);
    UPDATE stock SET stock = stock - 1 WHERE id = 1 AND stock >= 1;
    IF ROW_COUNT() = 1 THEN
        COMMIT;
    ELSE
        ROLLBACK;
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'sold out';
    END IF;
END//
"""


class Tally(Process):
    binary = TALLY  # or that of another build, which is to be compared

    def __init__(self, folder, *flags):
        port = free_port()
        if not self.binary.exists():
            raise Failed(f"{self.binary} is not built")
        self.folder = folder
        super().__init__(
            [self.binary, "serve", "--data", folder / "data", "--listen", f"127.0.0.1:{port}", *flags],
            port,
            folder / "tally.log",
        )

    def _wait_until_it_listens(self, log):
        super()._wait_until_it_listens(log)
        deadline = time.monotonic() + 60
        while True:
            try:
                if self.get("/readyz") is not None:
                    return
            except OSError:
                if time.monotonic() > deadline:
                    raise Failed(f"the server is not ready; see {log}") from None
            time.sleep(0.005)

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return answer.read().decode()

    def post(self, path, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def create_lot(self, sku, quantity):
        return self.post(
            "/v1/lots",
            {"sku": sku, "flavor": "plain", "size": "330ml_can", "batch": "BATCH-20261122-A",
             "quantity": quantity},
        )["lot"]

    def metric_text(self, name):
        for line in self.get("/metrics").splitlines():
            if line.startswith(name + " "):
                return line.split()[1]
        raise Failed(f"/metrics has no {name}")

    def metric(self, name):
        return float(self.metric_text(name))

    def metric_integer(self, name):
        """Of more digits than a float has."""
        return int(self.metric_text(name))

    def lots_file(self, count):
        """A file with that many lot keys, made through the bulk import."""
        table = self.folder / "lots.csv"
        with table.open("w") as out:
            out.write("sku,flavor,size,batch,expires_on,quantity\n")
            for i in range(count):
                out.write(f"SKU-{i:06d},plain,330ml_can,BATCH-20261122-A,,1000000\n")
        run(TALLY, "lot", "import", table, "--server", f"127.0.0.1:{self.port}")
        keys, token = [], ""
        while True:
            page = json.loads(
                self.get(f"/v1/lots?page_size=1000&page_token={urllib.parse.quote(token)}")
            )
            keys += [lot["lot"] for lot in page["lots"]]
            token = page["next_page_token"]
            if not token:
                break
        listing = self.folder / "lots.txt"
        listing.write_text("\n".join(keys) + "\n")
        return listing


def nghttpd(place):
    """Bare HTTP/2: three bytes from a file for every request."""
    root = place / "root"
    root.mkdir()
    (root / "index.html").write_text("ok\n")
    port = free_port()
    return Process(
        ["nghttpd", "--no-tls", "-n", "1", "-m", "1000", "-a", "127.0.0.1", "-d", root, port],
        port, place / "log",
    )


def nginx(place):
    """Bare HTTP/1.1: `return 200`."""
    port = free_port()
    config = place / "nginx.conf"
    config.write_text(
        f"daemon off; worker_processes 1; pid {place}/pid; error_log {place}/error.log;\n"
        f"events {{ worker_connections {CONNECTIONS_MAX}; multi_accept on; }}\n"
        f"http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600;\n"
        f"client_body_temp_path {place}/b; proxy_temp_path {place}/p;\n"
        f"fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;\n"
        f"server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 'ok'; }} }} }}\n"
    )
    return Process(["nginx", "-c", config, "-p", place], port, place / "log")


def redis(place, *flags):
    port = free_port()
    return Process(
        ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", place, "--save", "",
         "--tcp-backlog", "4096", "--maxclients", CONNECTIONS_MAX, *flags],
        port, place / "log",
    )


class MariaDB(Process):
    """One data folder, kept over the restarts of a run."""

    def __init__(self, place):
        owner = self._owner()
        self.socket = place / "socket"
        if not (place / "data").exists():
            self._install(place, owner)
        port = free_port()
        options = {}
        if owner:
            options = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        super().__init__(
            ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={place}/data",
             f"--socket={self.socket}", f"--port={port}", "--bind-address=127.0.0.1",
             f"--pid-file={place}/pid", f"--max-connections={CONNECTIONS_MAX}",
             "--max-prepared-stmt-count=100000", "--back-log=4096", "--skip-name-resolve",
             *MARIADB_SETTINGS],
            port, place / "log", **options,
        )
        try:
            if not (place / "ready").exists():
                self.sql(MARIADB_SCHEMA)
                (place / "ready").touch()
            self.sql(f"USE shop; TRUNCATE orders; UPDATE stock SET stock = {UNITS};")
        except BaseException:
            self.stop()
            raise

    @staticmethod
    def _owner():
        """mariadbd does not run as root: then its package's user, else whoever runs this."""
        if os.geteuid() != 0:
            return None
        try:
            return pwd.getpwnam("mysql")
        except KeyError:
            raise Failed("mariadb-server is not installed: there is no user mysql") from None

    @staticmethod
    def _install(place, owner):
        if owner:
            os.chown(place, owner.pw_uid, owner.pw_gid)
        run("mariadb-install-db", "--no-defaults", f"--datadir={place}/data", "--skip-test-db",
            "--auth-root-authentication-method=normal", *(["--user=mysql"] if owner else []))

    def sql(self, text):
        return run("mariadb", "--no-defaults", "-u", "root", "-S", self.socket, "-N", input=text)
