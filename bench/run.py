#!/usr/bin/env python3
"""The benchmark, on this machine.

    ./dev bench                       side by side, then the shapes: about an hour
    ./dev bench peers [ROW...]        our server beside its peers, from 1 to 16,384 clients
    ./dev bench shapes [ROW...]       the rows with goals
    ./dev bench staircase             the classic run: from 100 to 12,800 a second and on
    ./dev bench overload [ROW...]     ten times the load: what is still served, and how late
    ./dev bench sales [ROW...]        orders in sales and groups, and a million holds that expire
    ./dev bench cluster [ROW...]      cluster mode, and the classic algorithm beside it
    ./dev bench peers --quick redis   one round of 1 s a cell; writes nothing

All servers run on loopback ports of their own with data in a temporary folder below /var/tmp (or
$TALLY_BENCH_FOLDER, which should be on a disk), and are stopped by their process id, also after
Ctrl-C. A full run writes bench/results, that of peers the README's table, too.
"""
import argparse
import importlib
import pathlib
import shutil
import sys
import tempfile

from process import Failed, Places, disk_folder, interrupt_on_signals, raise_file_limit

PARTS = {"peers": "side_by_side", "shapes": "shapes", "staircase": "staircase",
         "overload": "overload", "sales": "sales", "cluster": "cluster"}


def parse(words):
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=list(PARTS), help="without one: peers, shapes")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="some rows only; writes nothing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one short round; writes nothing")
    parser.add_argument("--seconds", type=float, default=3, help="peers: measured in each cell")
    parser.add_argument("--levels", type=lambda text: [int(n) for n in text.split(",")],
                        help="peers: clients at once, separated by commas; writes nothing")
    parser.add_argument("--output", type=pathlib.Path,
                        help="peers: write the results here, whatever was run, instead")
    parser.add_argument("--every", default="30s",
                        help="staircase: how long each of the 128 steps lasts")
    parser.add_argument("--against", type=pathlib.Path, metavar="BINARY",
                        help="shapes: hold each row against the same row of another build of tally")
    parser.add_argument("--scale", type=float, default=1.0,
                        help="shapes, sales, cluster: share of the full request counts")
    arguments = parser.parse_intermixed_args(words)
    if arguments.quick:
        arguments.rounds = 1
    return arguments


def main(words):
    arguments = parse(words)
    raise_file_limit()
    interrupt_on_signals()
    folder = tempfile.mkdtemp(prefix="tally-bench-", dir=disk_folder())
    pathlib.Path(folder).chmod(0o711)  # a server may run as a user of its own
    try:
        for part in [arguments.part] if arguments.part else ["peers", "shapes"]:
            module = importlib.import_module(PARTS[part])
            module.main(Places(pathlib.Path(folder) / part), arguments)
    except Failed as reason:
        print(f"bench: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbench: interrupted; every server is stopped", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
