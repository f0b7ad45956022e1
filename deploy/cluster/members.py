"""What is of this product in a cluster: nodes, and the proxy before them. The other servers are those of
test/lib/peer_*.py."""
import http.client
import pathlib
import re
import subprocess

from peer_process import Group, Peer, program
from tally_server import clean_environment

LOT_HEADER = "x-tally-lot"  # whoever sends it has requests of one lot at one node
HAPROXY = """\
global
    stats socket {folder}/stats mode 600 level admin

defaults
    mode http
    timeout connect 1s
    timeout check 5s
    timeout client 1h
    timeout server 1h
    # Only a connection that was refused is tried elsewhere: a request that was sent may have been done.
    retries 3
    retry-on conn-failure
    option redispatch

# HTTP/1.1 and HTTP/2 (gRPC) on one port: the first bytes tell which.
frontend shop
    bind {address}
    default_backend nodes

# Requests with the same {header} go to the same node while it lives; those without take turns.
backend nodes
    balance hdr({header})
    hash-type consistent sdbm avalanche
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr host tally
    http-check expect status 200
    default-server proto h2 check check-proto h1 inter 300ms fall 2 rise 1
{servers}
"""


def known_settings(binary):
    """The settings that a build of tally has, by what its help says: {name: text}."""
    shown = subprocess.run([binary, "serve", "--help"], capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r"^  --([a-z0-9-]+)(.*(?:\n {8}.*)*)", shown, re.MULTILINE))


def takes(known, name, value):
    """True if there is such a setting, and what it says of itself has the value's kind of place."""
    scheme, place, _ = str(value).partition("://")
    return name in known and (not place or scheme + "://" in known[name])


class Node(Peer):
    """`tally serve`. flags: its settings besides its own place."""

    def __init__(self, binary, *flags, name, folder):
        super().__init__(name, *flags, folder=folder)
        self.binary = binary
        self.data = self.folder / "data"
        self.role = "node"

    def command(self):
        return [self.binary, "serve", "--data", self.data, "--listen", self.address, *self.options]

    def environment(self):
        return clean_environment()

    def answers(self):
        return status_of(self.address, "/readyz") == 200


class Proxy(Peer):
    """HAProxy in front of nodes, by the lot."""

    def __init__(self, nodes, *, folder, listen=None):
        super().__init__("proxy", folder=folder)
        if listen:
            self.host, port = listen.rsplit(":", 1)
            self.port = int(port) or self.port
        self.nodes = nodes
        self.role = "proxy"

    @classmethod
    def check(cls):
        program("haproxy", "haproxy")

    def settings(self):
        """Its file."""
        servers = "\n".join("    server %s %s" % (node.name, node.address) for node in self.nodes)
        return HAPROXY.format(folder=self.folder, address=self.address, header=LOT_HEADER, servers=servers)

    def prepare(self):
        (self.folder / "haproxy.cfg").write_text(self.settings())

    def command(self):
        return [program("haproxy", "haproxy"), "-db", "-f", self.folder / "haproxy.cfg"]

    def answers(self):
        """A node that is ready answers through it."""
        return status_of(self.address, "/readyz") == 200


def status_of(address, path):
    """Of a GET; 0 if what comes back is not HTTP."""
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except http.client.HTTPException:
        return 0
    finally:
        connection.close()


def each(parts):
    """The servers of parts, some of which are groups."""
    for part in parts:
        yield from part.members if isinstance(part, Group) else [part]


def secret_file(folder, name, secret):
    """A file that a setting ..._password_file may name."""
    path = pathlib.Path(folder) / name
    path.touch(mode=0o600)
    path.write_text(secret + "\n")
    return path
