"""Programs that a test wants and a machine may not have.

What is tried without one counts as skipped, with the reason; with CI=true that is a failure. A test
program ends with main(): its exit code is 77, which ctest counts as skipped, if all that could be
tried passed and something could not.
"""
import os
import sys
import unittest

IS_CI = os.environ.get("CI") == "true"
missing = []


def is_missing(reason):
    """Notes that something could not be tried."""
    if reason not in missing:
        missing.append(reason)


def needs(present, reason):
    """Decorates a test that cannot be without what is, or isn't, present."""
    if not present:
        is_missing(reason)
    return unittest.skipUnless(present, reason)


def end():
    """Of a program that has passed so far."""
    for reason in missing:
        print(f"skipped: {reason}")
    sys.exit(0 if not missing else 1 if IS_CI else 77)


def main(**options):
    """As unittest.main."""
    result = unittest.main(exit=False, **options).result
    if not result.wasSuccessful():
        sys.exit(1)
    end()
