"""`python -m edgenas`."""

import sys

if (
    not sys.flags.safe_path
):  # then Python looks for modules in the working folder first, among the user's data
    del sys.path[0]

from edgenas.cli.main import main

main()
