#!/bin/sh
# The house rules as failing tests: format, forbidden names, sizes, static analysis, shell scripts.
# Needs build/dev (compile_commands.json and generated headers).
set -u
cd "$(dirname "$0")/../.." || exit 1
status=0
sources=$(git ls-files 'src/*.c' 'src/*.h' 'test/*.c' 'test/*.h' 'bench/*.c')

echo "clang-format"
# shellcheck disable=SC2086 # a list of files
clang-format-14 --dry-run -Werror $sources || status=1

echo "house rules"
# shellcheck disable=SC2086
/usr/bin/python3 test/lint/house_rules.py $sources || status=1

echo "the other compiler"
/usr/bin/python3 test/lint/other_compiler.py build/dev || status=1

echo "names"
/usr/bin/python3 test/lint/symbols.py build/dev || status=1

echo "shellcheck"
git ls-files dev .ci/run '*.sh' | xargs shellcheck || status=1

echo "clang-tidy"
git ls-files 'src/*.c' |
    xargs -P "$(nproc)" -n 8 clang-tidy-14 --quiet -p build/dev 2>/dev/null >build/dev/tidy.log ||
    status=1
grep -E '(warning|error):' build/dev/tidy.log | sort -u

[ "$status" = 0 ] && echo "lint: clean"
exit "$status"
