#!/usr/bin/python3
"""The pages of docs/ that are made from declarations in the code are current."""
import glob
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import ROOT, clean_environment, tally_binary  # noqa: E402


class Docs(unittest.TestCase):
    def check(self, page):
        with open(os.path.join(ROOT, "docs", page + ".md"), encoding="utf-8") as kept:
            text = kept.read()
        made = subprocess.run([tally_binary(), "docs", page], capture_output=True, text=True,
                              env=clean_environment(), check=True).stdout
        self.assertGreater(len(made.splitlines()), 10)
        self.assertEqual(made, text, f"not current: tally docs {page} >docs/{page}.md")

    def test_settings(self):
        self.check("settings")

    def test_metrics(self):
        self.check("metrics")

    def test_errors(self):
        self.check("errors")

    def test_cli(self):
        self.check("cli")

    def test_the_models_of_bench(self):
        with open(os.path.join(ROOT, "docs", "bench.md"), encoding="utf-8") as file:
            page = file.read()
        begin, end = "<!-- models:begin -->\n", "<!-- models:end -->"
        shown = page[page.index(begin) + len(begin):page.index(end)]
        said = subprocess.run([tally_binary(), "bench", "models"], capture_output=True, text=True,
                              check=True).stdout
        self.assertEqual(shown, said, "put the output of `tally bench models` between the markers")

    def test_every_setting_is_in_the_help_of_serve(self):
        text = subprocess.run([tally_binary(), "serve", "--help"], capture_output=True, text=True,
                              env=clean_environment(), check=True).stdout
        with open(os.path.join(ROOT, "docs", "settings.md"), encoding="utf-8") as page:
            keys = [line.split("`")[1] for line in page if line.startswith("| `")]
        self.assertGreater(len(keys), 30)
        for key in keys:
            self.assertIn("  --" + key.replace("_", "-") + " ", text)

    def test_every_link_leads_to_a_file_and_its_heading(self):
        places = ("*.md", "docs/*.md", "bench/*.md", "src/*/*.md", "test/*/*.md")
        pages = [page for place in places for page in glob.glob(os.path.join(ROOT, place))]
        count = 0
        for page in pages:
            with open(page, encoding="utf-8") as file:
                links = re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", file.read())
            for path, heading in links:
                if "://" in path:
                    continue
                count += 1
                target = os.path.join(os.path.dirname(page), path) if path else page
                self.assertTrue(os.path.exists(target), f"{page}: {path}")
                if heading:
                    with open(target, encoding="utf-8") as file:
                        names = {re.sub(r"[^a-z0-9 _-]", "", line.strip("# \n").lower())
                                 .replace(" ", "-") for line in file if line.startswith("#")}
                    self.assertIn(heading, names, f"{page}: {path}")
        self.assertGreater(count, 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
