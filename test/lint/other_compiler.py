#!/usr/bin/env python3
"""Everything compiles without a warning with clang 14 too: the compiler that the build didn't use.

    other_compiler.py BUILD    BUILD holds compile_commands.json; generated files are left out"""
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys

COMPILER = "clang-14"
NOT_KNOWN = ("-Wno-tsan",)


def check(entry):
    words = [word for word in shlex.split(entry["command"])[1:] if word not in NOT_KNOWN]
    out = words.index("-o")
    del words[out:out + 2]
    done = subprocess.run([COMPILER, "-fsyntax-only", *words], cwd=entry["directory"],
                          capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    entries = {entry["file"]: entry
               for entry in json.loads((build / "compile_commands.json").read_text())
               if not entry["file"].startswith(str(build))}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        findings = [text for text in pool.map(check, entries.values()) if text]
    print("\n".join(findings) or f"{COMPILER} accepts {len(entries)} files")
    return 1 if findings or not entries else 0


if __name__ == "__main__":
    sys.exit(main())
