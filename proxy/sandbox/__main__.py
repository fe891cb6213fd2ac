"""`python -m proxy.sandbox`."""

import sys

from proxy.sandbox.server import main

sys.exit(main())
