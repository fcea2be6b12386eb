"""`python -P -m callout`: the same as the command `callout`."""

import sys

from callout.cli import main

sys.exit(main())
