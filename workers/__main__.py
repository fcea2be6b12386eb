"""`python -P -m workers`: one worker."""

import sys

from workers.main import main

sys.exit(main())
