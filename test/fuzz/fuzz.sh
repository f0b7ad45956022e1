#!/bin/sh
# Runs each fuzz target of build/fuzz for a while, starting from its kept corpus.
#   test/fuzz/fuzz.sh [SECONDS [NAME...]]
# New inputs that reach new code are kept in build/fuzz/found/NAME; a crash stops it with the input.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
names=$*
[ -n "$names" ] || names=$(for f in test/fuzz/fuzz_*.c; do basename "$f" .c | sed 's/^fuzz_//'; done)
for name in $names; do
    echo "== fuzz $name, $seconds s"
    mkdir -p "build/fuzz/found/$name"
    "build/fuzz/test/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
        -max_len=65536 -print_final_stats=1 -artifact_prefix="build/fuzz/found/$name-" \
        "build/fuzz/found/$name" "test/fuzz/corpus/$name" >"build/fuzz/$name.log" 2>&1 || {
        tail -40 "build/fuzz/$name.log"
        exit 1
    }
    grep -E 'number_of_executed_units|DONE' "build/fuzz/$name.log" | tail -2
done
