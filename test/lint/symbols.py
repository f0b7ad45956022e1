#!/usr/bin/env python3
"""No function of ours has the name of one in a shared library that we link: the program's own wins,
and the library would call it instead of its own.

    symbols.py BUILD    BUILD holds the archives libtally_*.a and the program tally"""
import pathlib
import re
import subprocess
import sys


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def defined(path, *flags):
    """Names of the symbols that a file gives to others."""
    lines = run("nm", "--defined-only", "--extern-only", "--format=posix", *flags, path)
    return {line.split()[0].split("@")[0] for line in lines.splitlines() if len(line.split()) > 1}


def main():
    build = pathlib.Path(sys.argv[1])
    archives = sorted(build.glob("**/libtally_*.a"))
    ours = {name: archive.name for archive in archives for name in defined(archive)}
    libraries = re.findall(r"=> (/\S+)", run("ldd", str(build / "tally")))
    findings = [f"{name} of {ours[name]} is also in {library}: give ours another name"
                for library in libraries for name in sorted(defined(library, "-D") & ours.keys())]
    if not ours or not libraries:
        findings.append(f"{build}: nothing to compare; build it first")
    print("\n".join(findings) or f"{len(ours)} names collide with none of {len(libraries)} libraries")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
