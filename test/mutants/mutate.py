#!/usr/bin/python3
"""Breaks the product one line at a time and demands that a test notices.

    mutate.py [--room ROOM]... [--name NAME]... [--sample N] [--jobs N] [--list]

A mutant is a block of test/mutants/ROOM.txt, ROOM being a folder of src/:

    name: retry-after-stock
    breaks: I4: the duplicate check comes before the stock check
    file: src/engine/decide_reserve.c
    -    the line as it is
    +    the line as it would be wrong

Where the line stands more than once in its file, `after: TEXT` names a line before it, and the first
one behind that is meant. Each mutant is applied to a copy of the tree (build/mutate), the fast suites
of its room are built and run, and one of them must fail. A mutant that all of them survive, that does
not compile, or whose line is not there any more (that is looked for in all of them, also with --sample)
is a failure, and the exit code is 1.
"""
import argparse
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutate"
LEAST = 150  # mutants in the tree
SIM = {"sim": ["--seeds", "1..300"]}  # of the test program of that name, these arguments

# The suites that a room's mutants are held against, besides the room's own unit and contract tests.
MORE = {
    "model": ["unit_engine_", "unit_ledger_", "sim"],
    "engine": ["contract_gate_", "unit_lane_", "sim"],
    "lane": ["unit_server_", "sim"],
    "gate": ["unit_service_", "sim"],
    "ledger": ["unit_cli_test_verify"],
    "cli": ["unit_cli_"],
    "wire": ["fuzz_", "unit_service_", "unit_net_"],
    "service": ["unit_wire_"],
    "net": ["unit_wire_"],
    "server": ["unit_lane_"],
    "stockfile": ["fuzz_csv", "unit_cli_test_import", "unit_intake_"],
}
KINDS = ("unit", "contract", "fuzz")  # what the names of the fast suites begin with
PASSED = (0, 77)  # 77: but for what needs a program that is not here
SECONDS_MIN, SLOWER_MAX = 20, 10  # a mutant may hang: so long, or so many times what it took without


class Mutant:
    def __init__(self, room, fields, minus, plus):
        self.room, self.minus, self.plus = room, minus, plus
        self.name = fields.get("name", "?")
        self.breaks = fields.get("breaks", "")
        self.file = fields.get("file", "")
        self.after = fields.get("after", "")

    def broken(self, tree):
        """(the file's text with it, None) or (None, why there is none)."""
        path = tree / self.file
        if not self.breaks:
            return None, "it does not say what it breaks"
        if not path.is_file():
            return None, f"there is no file {self.file}"
        lines = path.read_text().split("\n")
        start = 0
        if self.after:
            found = [i for i, line in enumerate(lines) if self.after in line]
            if not found:
                return None, f"no line has {self.after!r}"
            start = found[0]
        at = [i for i, line in enumerate(lines) if line.strip() == self.minus.strip() and i >= start]
        if not at or (len(at) > 1 and not self.after):
            return None, f"its line stands {len(at)} times in {self.file}: {self.minus.strip()}"
        lines[at[0]] = self.plus
        return "\n".join(lines), None


def read_mutants():
    mutants, names = [], set()
    for path in sorted((ROOT / "test" / "mutants").glob("*.txt")):
        for block in path.read_text().split("\n\n"):
            fields, minus, plus = {}, None, None
            for line in block.split("\n"):
                if line.startswith("-"):
                    minus = line[1:]
                elif line.startswith("+"):
                    plus = line[1:]
                elif line and not line.startswith("#"):
                    key, _, value = line.partition(":")
                    fields[key] = value.strip()
            if not fields:
                continue
            if minus is None or plus is None:
                sys.exit(f"{path.name}: {fields.get('name')}: a mutant has a - line and a + line")
            if fields.get("name") in names:
                sys.exit(f"{path.name}: two mutants are called {fields['name']}")
            names.add(fields.get("name"))
            mutants.append(Mutant(path.stem, fields, minus, plus))
    return mutants


class Tree:
    """A copy of the sources with a build folder of its own."""

    def __init__(self, number):
        self.path = WORK / str(number)
        self.build = self.path / "build-tests"

    def run(self, *command, timeout=None):
        """(exit code, output); a code of None: it took too long."""
        process = subprocess.Popen(command, cwd=self.path, stdout=subprocess.PIPE, text=True,
                                   stderr=subprocess.STDOUT, start_new_session=True, errors="replace")
        try:
            return process.communicate(timeout=timeout)[0], process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return "it took too long", None

    def prepare(self):
        files = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                               cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
        wanted = {os.fsdecode(f) for f in files if f}
        for name in sorted(wanted):
            source, copy = ROOT / name, self.path / name
            if source.is_file() and (not copy.exists() or source.read_bytes() != copy.read_bytes()):
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, copy)
        for folder in ("src", "test", "api"):
            for copy in (self.path / folder).rglob("*"):
                if copy.is_file() and str(copy.relative_to(self.path)) not in wanted:
                    copy.unlink()
        output, code = self.run("cmake", "-G", "Ninja", "-S", ".", "-B", str(self.build),
                                "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_C_FLAGS_DEBUG=-O1",
                                "-DTALLY_WERROR=OFF")
        if code:
            sys.exit(output)

    def shown(self):
        return json.loads(subprocess.run(["ctest", "--show-only=json-v1"], cwd=self.build,
                                         capture_output=True, check=True).stdout)["tests"]

    def programs(self):
        """The test programs that the build can make."""
        names = [t["name"] for t in self.shown() if t["name"].split("_")[0] in KINDS]
        return names + list(SIM)

    def commands(self):
        """{program: command} of those that were built."""
        found = {}
        for test in self.shown():
            command = test.get("command", [])
            name = pathlib.Path(command[0]).name if command else ""
            if name in SIM:
                found[name] = [command[0], *SIM[name]]
            # The program comes first, or last where servers.py starts what it needs.
            elif test["name"] in (name, pathlib.Path(command[-1]).name if command else ""):
                found[test["name"]] = command
        return found

    def restore(self, mutant):
        shutil.copyfile(ROOT / mutant.file, self.path / mutant.file)


def suites_of(room, programs):
    prefixes = (f"unit_{room}_", f"contract_{room}_", *MORE.get(room, []))
    suites = [name for name in programs if name.startswith(prefixes)]
    return suites or sys.exit(f"no fast suite tests src/{room}")


def try_mutant(tree, mutant, tests, seconds):
    """(verdict, words)"""
    stem = pathlib.Path(mutant.file).stem
    names = sorted(suites_of(mutant.room, tests),
                   key=lambda name: (not name.endswith("test_" + stem), seconds.get(name, 0)))
    text, why = mutant.broken(tree.path)
    if why:
        return "STALE", why
    (tree.path / mutant.file).write_text(text)
    try:
        output, code = tree.run("ninja", "-C", str(tree.build), *names)
        if code:
            errors = [line for line in output.split("\n") if "error" in line]
            return "BROKEN", "it does not compile: " + (errors or ["?"])[0]
        for name in names:
            limit = max(SECONDS_MIN, SLOWER_MAX * seconds[name])
            _, code = tree.run(*tests[name], timeout=limit)
            if code not in PASSED:
                return "killed", name if code is not None else f"{name} (hung)"
        return "SURVIVED", f"{len(names)} programs pass with it"
    finally:
        tree.restore(mutant)


def check_unchanged(tree, rooms):
    """Without any mutant all pass. Returns the commands, and how long each takes."""
    programs = tree.programs()
    names = sorted({name for room in rooms for name in suites_of(room, programs)})
    output, code = tree.run("ninja", "-C", str(tree.build), *names)
    if code:
        sys.exit(output[-4000:])
    commands = {name: command for name, command in tree.commands().items() if name in names}
    seconds = {}
    for name in names:
        started = time.monotonic()
        output, code = tree.run(*commands[name])
        seconds[name] = time.monotonic() - started
        if code not in PASSED:
            sys.exit(f"{name} fails without any mutant:\n{output[-4000:]}")
    return commands, seconds


def choose(mutants, options):
    if options.room:
        mutants = [m for m in mutants if m.room in options.room]
    if options.name:
        mutants = [m for m in mutants if m.name in options.name]
    if options.sample and options.sample < len(mutants):
        # Another part of them with each commit, spread over the rooms.
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True,
                              check=False).stdout.strip() or "0"
        step = len(mutants) / options.sample
        first = int(head, 16) % len(mutants)
        mutants = [mutants[(first + int(i * step)) % len(mutants)] for i in range(options.sample)]
    return mutants


def worker(tree, waiting, tests, seconds, results):
    own = {name: [c.replace(str(WORK / "0"), str(tree.path)) for c in command]
           for name, command in tests.items()}
    while True:
        try:
            mutant = waiting.get_nowait()
        except queue.Empty:
            return
        started = time.monotonic()
        verdict, words = try_mutant(tree, mutant, own, seconds)
        results.append((mutant, verdict))
        print(f"{verdict:9} {mutant.room}/{mutant.name}: {words} "
              f"({time.monotonic() - started:.1f} s)", flush=True)
        if verdict != "killed":
            print(f"          breaks {mutant.breaks}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--room", action="append", help="only the mutants of this folder of src/")
    parser.add_argument("--name", action="append", help="only this mutant")
    parser.add_argument("--sample", type=int, help="only so many, others with each commit")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--list", action="store_true", help="print them and end")
    options = parser.parse_args()
    everything = read_mutants()
    mutants = choose(everything, options)
    if options.list:
        for mutant in mutants:
            print(f"{mutant.room}/{mutant.name}: {mutant.breaks}")
        return 0
    if not mutants:
        sys.exit("there is no such mutant")
    stale = [m for m in everything if m not in mutants and m.broken(ROOT)[1]]
    for mutant in stale:
        print(f"STALE     {mutant.room}/{mutant.name}: {mutant.broken(ROOT)[1]}", flush=True)
    trees = [Tree(i) for i in range(max(1, min(options.jobs, len(mutants))))]
    for tree in trees:
        tree.prepare()
    tests, seconds = check_unchanged(trees[0], {m.room for m in mutants})
    waiting, results = queue.Queue(), []
    for mutant in mutants:
        waiting.put(mutant)
    threads = [threading.Thread(target=worker, args=(tree, waiting, tests, seconds, results))
               for tree in trees]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bad = [m for m, verdict in results if verdict != "killed"]
    print(f"{len(results)} of {len(everything)} mutants tried, {len(results) - len(bad)} killed")
    if len(everything) < LEAST:
        print(f"there are to be {LEAST} at least")
    return 1 if bad or stale or len(everything) < LEAST or len(results) < len(mutants) else 0


sys.exit(main())
