#!/usr/bin/python3
"""The walls between the folders of src/: what a module may not include does not compile.

    walls.py BUILD

For each module the flags of one of its sources are taken from BUILD/compile_commands.json, and every
header of every other module is tried with them. A module's own headers, and all of a module that it
does not use, must not be found; the public headers of what it uses (CMakeLists.txt) must be.
"""
import json
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SRC = ROOT / "src"


def modules():
    """{module: the modules whose public headers it may include}"""
    found = {}
    for name, uses in re.findall(r"^tally_module\((\w+)(?: USES ([\w ]+?))?(?: LIBS [^)]*)?\)",
                                 (ROOT / "CMakeLists.txt").read_text(), re.M):
        found[name] = {used.removesuffix("_port") for used in uses.split()}
    return found


def headers(module):
    """(public, own), as they are included"""
    folder = SRC / module
    public = sorted(f"{module}/{h.name}" for h in (folder / "include" / module).glob("*.h"))
    own = sorted(str(h.relative_to(SRC)) for h in folder.rglob("*.h")
                 if "include" not in h.relative_to(folder).parts)
    return public, own


def include_flags(build):
    """{module: -I flags of its sources}"""
    flags = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        if SRC in path.parents and path.parent != SRC:
            words = shlex.split(entry["command"])
            flags.setdefault(path.relative_to(SRC).parts[0],
                             [w for w in words if w.startswith("-I")])
    return flags


def finds(flags, header):
    """True if a source with these flags can include the header."""
    return any((pathlib.Path(flag[2:]) / header).exists() for flag in flags)


def compiles(flags, header):
    """What the compiler itself says; the look at the folders above must agree with it."""
    return subprocess.run(["cc", "-E", "-xc", "-D_GNU_SOURCE", *flags, "-"], text=True,
                          input=f'#include "{header}"\n', capture_output=True).returncode == 0


def main(build):
    uses = modules()
    flags = include_flags(build)
    wrong = [f"{name} has no sources in compile_commands.json" for name in uses if name not in flags]
    tried = 0
    for name in sorted(set(uses) & set(flags)):
        for other in sorted(uses):
            if other == name:
                continue
            public, own = headers(other)
            allowed = other in uses[name]
            for header, expected in [(h, allowed) for h in public] + [(h, False) for h in own]:
                tried += 1
                if finds(flags[name], header) != expected:
                    wrong.append(f"src/{name} can{'not' if expected else ''} include {header}")
            if own and compiles(flags[name], own[0]):
                wrong.append(f"src/{name} compiles with {own[0]}")
    print("\n".join(wrong) or f"{len(uses)} modules, {tried} includes tried")
    if tried == 0 or wrong:
        sys.exit(1)


main(pathlib.Path(sys.argv[1]).resolve())
