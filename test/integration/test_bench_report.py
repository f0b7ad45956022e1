"""The files that `tally bench` writes, as others read them: --json by its schema, --html by an HTML
parser and a browser."""

import html.parser
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

import html5lib
import jsonschema

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test", "lib"))

# pylint: disable=wrong-import-position
import peers  # noqa: E402
from tally_server import TallyServer

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
                None)
# Put on a page: asks the browser how wide everything is, and points at the middle of each chart.
PROBE = """<script>
const root = document.documentElement;
root.dataset.overflow = root.scrollWidth - root.clientWidth;
for (const plot of document.querySelectorAll(".plot")) {
  const box = plot.getBoundingClientRect();
  plot.dispatchEvent(new PointerEvent("pointermove", {clientX: box.left + box.width / 2, clientY: box.top + 9}));
}
root.dataset.tips = [...document.querySelectorAll(".tip")].filter((tip) => !tip.hidden && tip.textContent).length;
</script>"""
RUNS = {
    "sale": ("--model", "flash-sale", "--rate", "400", "--duration", "5s", "--pay", "30",
             "--cancel", "10", "--retry", "5", "--think", "100ms", "--seed", "7"),
    "stairs": ("--model", "staircase", "--from", "100", "--to", "400", "--step", "100", "--every",
               "1s", "--protocol", "http", "--connections", "4"),
}
CHARTS = {"sale": ["Rate", "Latency", "Distribution of latency", "Processor time of the server",
                   "Memory of the server"],
          "stairs": ["Rate", "Latency", "Distribution of latency", "Latency against rate",
                     "Processor time of the server", "Memory of the server"]}


class Page(html.parser.HTMLParser):
    """What a page fetches, and what it holds."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.ids, self.ends = [], {}, 0
        self.charts, self.cells, self._in = [], [], None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        for name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
            if name in attrs:
                self.fetched.append(attrs[name])
        if "id" in attrs:
            self.ids[attrs["id"]] = tag
        self._in = tag

    def handle_endtag(self, tag):
        self._in = None

    def handle_data(self, data):
        if self._in == "h2":
            self.charts.append(data)
        elif self._in == "td":
            self.cells.append(data)


class Reports(unittest.TestCase):
    """One run of each kind, looked at by all tests."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="tally-bench-report-")
        cls.done = {}
        with TallyServer() as server:
            for name, flags in RUNS.items():
                cls.done[name] = server.cli("bench", "--target", server.address, *flags, "--json",
                                            cls.path(name + ".json"), "--html",
                                            cls.path(name + ".html"))
        for name, done in cls.done.items():
            assert done.returncode == 0, (name, done.stdout, done.stderr)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def path(cls, name):
        """A file of this test."""
        return os.path.join(cls.folder, name)

    @classmethod
    def text(cls, name):
        """What is in it."""
        with open(cls.path(name), encoding="utf-8") as f:
            return f.read()

    def json(self, name):
        """The report of a run."""
        return json.loads(self.text(name + ".json"))

    def browse(self, name, *flags, width=1280, seconds=600):
        """Opens a file in a browser of its own. Its output, and what the page said on the console."""
        if not CHROMIUM:
            self.skipTest("Chromium is not here")
        done = subprocess.run(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             "--enable-logging=stderr", "--user-data-dir=" + self.path("profile"),
             "--window-size=%d,2000" % width, *flags, "file://" + self.path(name)],
            capture_output=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL,
            env={**os.environ, "HOME": self.folder})
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        said = [line for line in done.stderr.decode("utf-8", "replace").splitlines()
                if ":CONSOLE" in line]
        return done.stdout.decode(), said

    def probed(self, name):
        """The page with PROBE at its end."""
        text = self.text(name)
        self.assertEqual(text.count("</body>"), 1)
        with open(self.path("probed.html"), "w", encoding="utf-8") as f:
            f.write(text.replace("</body>", PROBE + "</body>"))
        return "probed.html"

    # ---- JSON ----

    def test_the_json_is_what_its_schema_says(self):
        with open(os.path.join(ROOT, "docs", "bench-report.schema.json"), encoding="utf-8") as f:
            schema = json.load(f)
        validator = jsonschema.Draft202012Validator
        validator.check_schema(schema)
        for name in RUNS:
            report = self.json(name)
            validator(schema).validate(report)
            for broken in ({"audit": {}}, {"stages": [{}]}, {"version": 2}, {"unknown": 1}):
                with self.assertRaises(jsonschema.ValidationError):
                    validator(schema).validate({**report, **broken})

    def test_the_schema_knows_every_code_of_an_answer(self):
        declared = os.path.join(ROOT, "src", "loadgen", "include", "loadgen", "call.h")
        with open(declared, encoding="utf-8") as f:
            codes = dict(re.findall(r"^ +X\((\w+), (OK|REFUSED|ERROR), ", f.read(), re.M))
        with open(os.path.join(ROOT, "docs", "bench-report.schema.json"), encoding="utf-8") as f:
            figures = json.load(f)["properties"]["total"]["properties"]
        for group, member in (("REFUSED", "refused_by_code"), ("ERROR", "errors_by_code")):
            self.assertEqual(figures[member]["propertyNames"]["enum"],
                             [code for code, of in codes.items() if of == group])

    def test_the_figures_of_the_json_agree(self):
        for name in RUNS:
            report = self.json(name)
            self.assertEqual(report["end"], "complete")
            audit = report["audit"]
            self.assertEqual([audit[k] for k in ("oversold", "undersold", "lost", "duplicated")],
                             [0, 0, 0, 0])
            self.assertTrue(audit["complete"], audit)
            for stage in report["stages"]:
                self.assertEqual(stage["offered"],
                                 stage["accepted"] + stage["refused"] + stage["errors"], stage)
                quantiles = [stage[k] for k in ("p50_ms", "p90_ms", "p95_ms", "p99_ms", "p999_ms",
                                                "p9999_ms", "max_ms")]
                self.assertEqual(quantiles, sorted(quantiles))
            for member in ("offered", "accepted", "refused", "errors"):
                self.assertEqual(report["total"][member],
                                 sum(stage[member] for stage in report["stages"]))
            self.assertEqual(sum(count for _, count in report["distribution"]),
                             report["latency"]["count"])
            self.assertEqual(report["accepted_latency"]["count"], report["total"]["accepted"])
            bounds = [bound for bound, _ in report["distribution"]]
            self.assertEqual(bounds, sorted(set(bounds)))
        self.assertGreater(self.json("sale")["total"]["refused"], 0)

    def test_a_report_is_compared_with_another(self):
        with TallyServer() as server:
            done = server.cli("bench", "compare", self.path("sale.json"), self.path("stairs.json"))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"(?m)^  model +flash-sale -> staircase$")
            self.assertRegex(done.stdout, r"(?m)^opening .* only in A$")
            self.assertRegex(done.stdout, r"(?m)^all +[\d,.]+ +[\d,.]+ ")
            done = server.cli("bench", "compare", self.path("sale.json"), self.path("sale.html"))
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("sale.html is not JSON", done.stderr)

    # ---- HTML ----

    def test_the_page_is_well_formed(self):
        for name in RUNS:
            html5lib.HTMLParser(strict=True).parse(self.text(name + ".html"))
        with self.assertRaises(html5lib.html5parser.ParseError):
            html5lib.HTMLParser(strict=True).parse(self.text("sale.html").replace("</h1>", "", 1))

    def test_the_page_needs_nothing_else(self):
        for name in RUNS:
            text = self.text(name + ".html")
            page = Page(text)
            self.assertEqual(page.fetched, ["data:,"])
            self.assertNotRegex(text, r"https?:|@import|@font-face|url\(")
            self.assertEqual([chart for chart in page.charts if chart in CHARTS["stairs"]],
                             CHARTS[name])

    def test_the_charts_are_drawn_without_a_script(self):
        for name in RUNS:
            text = self.text(name + ".html")
            lines = re.findall(r'<path class="line [a-z0-9]+" d="(M[0-9.]+ [0-9.]+h0L[^"]+)"', text)
            self.assertGreaterEqual(len(lines), len(CHARTS[name]))
            self.assertEqual(text.count('<figure class="chart'), len(CHARTS[name]))

    def test_the_page_shows_the_figures_of_the_json(self):
        report, page = self.json("sale"), Page(self.text("sale.html"))
        for stage in report["stages"]:
            at = page.cells.index(stage["name"])
            self.assertIn("{:,}".format(stage["accepted"]), page.cells[at:at + 6])

    def test_a_browser_opens_the_page_without_an_error(self):
        for name in RUNS:
            dom, said = self.browse(name + ".html", "--dump-dom")
            self.assertEqual(said, [])
            page = Page(dom)
            self.assertEqual(page.ids.get("stages"), "table")
            self.assertEqual(dom.count('<figure class="chart'), len(CHARTS[name]))
            self.assertEqual(dom.count('class="tip"'), len(CHARTS[name]))

    def test_the_page_fits_a_phone_and_answers_the_pointer(self):
        for width in (360, 768, 1280):
            dom, said = self.browse(self.probed("stairs.html"), "--dump-dom", width=width)
            self.assertEqual(said, [])
            self.assertIn('data-overflow="0"', dom[:2000], width)
            self.assertIn('data-tips="%d"' % len(CHARTS["stairs"]), dom[:2000])

    def test_a_broken_page_would_be_noticed(self):
        text = self.text("sale.html").replace(
            "</body>", "<img src='http://127.0.0.1:9/x'><p style='width:5000px'>x</p></body>")
        with open(self.path("broken.html"), "w", encoding="utf-8") as f:
            f.write(text)
        dom, said = self.browse(self.probed("broken.html"), "--dump-dom")
        self.assertTrue(any("Content Security Policy" in line for line in said), said)
        self.assertNotIn('data-overflow="0"', dom[:2000])

    def test_a_picture_of_the_page_can_be_taken(self):
        shot = self.path("shot.png")
        self.browse("sale.html", "--screenshot=" + shot, width=360)
        with open(shot, "rb") as f:
            head = f.read(24)
        self.assertEqual(head[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(struct.unpack(">II", head[16:24]), (360, 2000))
        self.assertGreater(os.path.getsize(shot), 20000) # it is not empty


if __name__ == "__main__":
    if not CHROMIUM:
        peers.is_missing("Chromium is not here, the page was not opened in a browser")
    peers.main()
