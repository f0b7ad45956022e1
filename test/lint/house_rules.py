#!/usr/bin/env python3
"""Rules that neither the compiler nor clang-format knows. Each finding names what to do instead."""
import pathlib
import re
import sys

FILE_LINES_MAX = 700
FUNCTION_LINES_MAX = 90

FORBIDDEN = [
    (r"\b(strcpy|strcat|sprintf|vsprintf|gets)\s*\(", "use snprintf, memcpy or arena_copy"),
    (r"\b(atoi|atol|atoll)\s*\(", "use strtoll and check the end"),
    (r"\b(strtok|localtime|gmtime|ctime|asctime)\s*\(", "use the re-entrant _r variant"),
    (r"\b(rand|srand|random)\s*\(", "use random_bytes or a seeded generator of your own"),
    (r"\balloca\s*\(", "use an arena"),
    (r"\btypedef\s+(struct|union|enum)\b", "name the struct, without a typedef"),
    (r"//", "use /* */"),
    (r"\b(TODO|FIXME|XXX|HACK)\b", "do it, or describe the limit as it is"),
    (r"#include\s+\"[^\"]+\.c\"", "link it"),
    (r"\t", "use four spaces"),
]
LOGGING_FOLDERS = ("src/base/", "src/engine/", "src/gate/", "src/ledger/", "src/wire/", "src/net/",
                   "src/service/")
LOGGING = re.compile(r"\b(log_event|log_fields|printf|puts|perror)\s*\(|\bstderr\b")


def without_text(line):
    """The line without string and character literals and without comments that end on it."""
    line = re.sub(r'"(\\.|[^"\\])*"', '""', line)
    line = re.sub(r"'(\\.|[^'\\])*'", "''", line)
    return re.sub(r"/\*.*?\*/", "", line)


def check(path):
    text = pathlib.Path(path).read_text()
    lines = text.splitlines()
    findings = []
    product = path.startswith("src/")
    if product and len(lines) > FILE_LINES_MAX:
        findings.append((len(lines), f"more than {FILE_LINES_MAX} lines: split the file by subject"))
    if product and not text.startswith("/*"):
        findings.append((1, "open with a comment: what the file does, and how it can fail"))
    if path.endswith(".h") and "#ifndef TALLY_" not in text:
        findings.append((1, "an include guard TALLY_FOLDER_NAME_H"))
    comment = False
    start = None
    for number, line in enumerate(lines, 1):
        raw = line
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", raw):
            findings.append((number, "do it, or describe the limit as it is"))
        if comment:
            if "*/" not in line:
                continue
            line = line.split("*/", 1)[1]
            comment = False
        line = without_text(line)
        if "/*" in line:
            line = line.split("/*", 1)[0]
            comment = True
        # The analysis of include lines needs the literal that without_text removed.
        for pattern, instead in FORBIDDEN:
            subject = raw if pattern.startswith("#include") else line
            if pattern.startswith(r"\b(TODO"):
                continue
            if not product and pattern.startswith((r"\b(atoi", r"\b(rand")):
                continue
            if re.search(pattern, subject):
                findings.append((number, instead))
        if path.startswith(LOGGING_FOLDERS) and LOGGING.search(line):
            findings.append((number, "a library does not print: return the error"))
        if re.match(r"^\{", raw):
            start = number
        if raw == "}" and start:
            if product and number - start > FUNCTION_LINES_MAX:
                findings.append((start, f"a function of {number - start} lines: split it"))
            start = None
    return [f"{path}:{number}: {what}" for number, what in findings]


def main():
    findings = [f for path in sys.argv[1:] for f in check(path)]
    print("\n".join(findings) if findings else f"{len(sys.argv) - 1} files keep the rules")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
