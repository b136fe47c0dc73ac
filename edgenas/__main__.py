"""`python -m edgenas`."""

import sys

# Else Python looks for modules in the working folder first, among the user's data.
if not sys.flags.safe_path:
    del sys.path[0]

from edgenas.cli.main import main

main()
