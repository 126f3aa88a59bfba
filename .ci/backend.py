"""The build backend hatchling, once it is plain that this Python will do.

pip looks at ``requires-python`` only after it has failed to find the pinned
packages for an older Python, and then says that arviz does not exist.
"""

import sys

if sys.version_info < (3, 12):
    sys.exit(
        "Borrowing Strength needs Python 3.12, 3.13 or 3.14; this is Python %d.%d.\n"
        "With make, `make book` finds or fetches one by itself." % sys.version_info[:2]
    )

from hatchling.build import *  # noqa: F403
