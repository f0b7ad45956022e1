"""Where ./dev builds the checker of histories."""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test", "lib"))
import peers  # noqa: E402
from tally_server import PATIENCE_S  # noqa: E402,F401

BUILT = os.path.join(ROOT, "build", "peers", "history")
CHECKER = BUILT if os.path.exists(BUILT) else None


def skip_without_checker():
    """Ends the test as skipped if there is none."""
    if not CHECKER:
        peers.is_missing("the checker is a Go program, and there was no Go to build it with "
                         "(./dev history builds it)")
        peers.end()
