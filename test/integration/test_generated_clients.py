#!/usr/bin/python3
"""Clients generated from api/tally.proto as their authors would: what a language needs to be told stands
in the file, and what comes out compiles and talks to the server. Where a language's compiler is not here
its code is generated, where protoc can, and that it was not compiled is said (peers.py)."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "test", "lib"))
import peers  # noqa: E402
from tally_server import TallyServer  # noqa: E402

API = os.path.join(ROOT, "api")
GO_SOURCES = "/usr/share/gocode"  # Debian's
JAVA_RUNTIME = "/usr/share/java/protobuf.jar"
PROTOBUFJS = os.path.join(ROOT, "build", "peers", "node_modules", "protobufjs")

NODE_PROGRAM = """
const protobuf = require(process.argv[1]);
const root = protobuf.loadSync(process.argv[2]);
const Request = root.lookupType('tally.v1.ReserveRequest');
const bytes = Request.encode(Request.fromObject({orderId: 'o', lines: [{lot: 'a', quantity: 2}]})).finish();
if (Request.decode(bytes).lines[0].quantity != 2) process.exit(1);
for (const [service, methods] of Object.entries(JSON.parse(process.argv[3])))
    for (const method of methods)
        if (!(method in root.lookupService('tally.v1.' + service).methods)) process.exit(1);
"""


def services():
    """What api/tally.proto names: {service: [method, ...]}."""
    named = {}
    with open(os.path.join(API, "tally.proto"), encoding="utf-8") as file:
        for word, name in re.findall(r"^ *(service|rpc) (\w+)", file.read(), re.MULTILINE):
            if word == "service":
                methods = named[name] = []
            else:
                methods.append(name)
    return named


def run(*arguments, **options):
    done = subprocess.run(arguments, capture_output=True, text=True, **options)
    if done.returncode:
        raise AssertionError(f"{arguments[0]}: {done.stdout}{done.stderr}")


class GeneratedClients(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def want(self, present, reason):
        """Skips the rest of the test without it."""
        if not present:
            peers.is_missing(reason)
            self.skipTest(reason)

    def test_the_file_has_both_services_whole(self):
        self.assertEqual(list(services()), ["Inventory", "Sales"])
        self.assertIn("Reserve", services()["Inventory"])
        self.assertIn("OpenGroup", services()["Sales"])

    def protoc(self, *arguments):
        run("protoc", "-I", API, *arguments, "tally.proto")

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    @peers.needs(shutil.which("grpc_python_plugin"), "no grpc_python_plugin for protoc")
    def test_a_python_client_buys(self):
        self.protoc(f"--python_out={self.folder}", f"--grpc_python_out={self.folder}",
                    "--plugin=protoc-gen-grpc_python=" + shutil.which("grpc_python_plugin"))
        with TallyServer() as server:
            program = f"""
import grpc, tally_pb2 as t, tally_pb2_grpc as g
channel = grpc.insecure_channel("{server.address}", compression=grpc.Compression.NoCompression)
shop = g.InventoryStub(channel)
lot = shop.CreateLot(t.CreateLotRequest(sku="COLA", flavor="lime", size="330ml_can",
                                        batch="BATCH-20261122-A", quantity=1)).lot
order = shop.Reserve(t.ReserveRequest(user_id="u", lines=[t.WantedLine(lot=lot, quantity=1)]))
assert order.status == "PENDING", order
sales = g.SalesStub(channel)
sales.CreateSale(t.CreateSaleRequest(sale_id="s", lots=[lot], ends_at="2099-01-01T00:00:00Z"))
assert sales.GetSale(t.GetSaleRequest(sale_id="s")).status == "OPEN"
for service, methods in {services()!r}.items():
    for method in methods:
        assert hasattr(getattr(g, service + "Stub")(channel), method), method
"""
            run(sys.executable, "-c", program, cwd=self.folder, timeout=120)

    @peers.needs(shutil.which("protoc-gen-go"), "no protoc-gen-go")
    def test_go_code_compiles(self):
        source = self.path("src")
        os.mkdir(source)
        self.protoc(f"--go_out={source}")
        package = "tallystick.dev/api/tally/v1"
        with open(os.path.join(source, package, "tally.pb.go"), encoding="utf-8") as file:
            self.assertIn("\npackage tallyv1\n", file.read())
        self.want(shutil.which("go"), "no Go to compile its code with")
        run("go", "build", package, timeout=280,
            env={**os.environ, "GO111MODULE": "off", "GOFLAGS": "",
                 "GOPATH": f"{self.folder}:{GO_SOURCES}"})

    def test_java_code_compiles(self):
        self.protoc(f"--java_out={self.folder}")
        files = glob.glob(self.path("dev", "tallystick", "tally", "v1", "*.java"))
        for name in ("ReserveRequest.java", "CreateSaleRequest.java", "OpenGroupRequest.java"):
            self.assertIn(name, [os.path.basename(file) for file in files])
        self.want(shutil.which("javac") and os.path.exists(JAVA_RUNTIME),
                  "no javac with libprotobuf-java")
        run("javac", "-proc:none", "-d", self.path("classes"), "-cp", JAVA_RUNTIME, *files,
            timeout=280)

    def test_csharp_code_has_its_namespace(self):
        self.protoc(f"--csharp_out={self.folder}")
        with open(self.path("Tally.cs"), encoding="utf-8") as file:
            self.assertIn("\nnamespace Tallystick.Tally.V1 {", file.read())

    @peers.needs(shutil.which("node") and os.path.exists(PROTOBUFJS), "no Node with protobufjs")
    def test_node_reads_the_file(self):
        run("node", "-e", NODE_PROGRAM, PROTOBUFJS, os.path.join(API, "tally.proto"),
            json.dumps(services()), timeout=120)


if __name__ == "__main__":
    peers.main()
