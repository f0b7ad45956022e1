"""Programs that a test wants and a machine may not have.

What is tried without one counts as skipped, with the reason; with CI=true that is a failure. A test
program ends with main(): its exit code is 77, which ctest counts as skipped, if all that could be
tried passed and something could not. Where something else stands in for what is missing, and is tried
everywhere, it is no failure with CI=true either.
"""
import os
import sys
import unittest

IS_CI = os.environ.get("CI") == "true"
missing = []
stood_in_for = []


def is_missing(reason):
    """Notes that something could not be tried."""
    if reason not in missing:
        missing.append(reason)


def is_stood_in_for(reason, stand_in):
    """The same, of what something else is tried in place of, everywhere."""
    stood_in_for.append(f"{reason}; in its place: {stand_in}")


def needs(present, reason, stand_in=""):
    """Decorates a test that cannot be without what is, or isn't, present."""
    if not present and stand_in:
        is_stood_in_for(reason, stand_in)
    elif not present:
        is_missing(reason)
    return unittest.skipUnless(present, reason)


def end():
    """Of a program that has passed so far."""
    for reason in missing + stood_in_for:
        print(f"skipped: {reason}")
    if IS_CI:
        sys.exit(1 if missing else 0)
    sys.exit(77 if missing or stood_in_for else 0)


def main(**options):
    """As unittest.main."""
    result = unittest.main(exit=False, **options).result
    if not result.wasSuccessful():
        sys.exit(1)
    end()
