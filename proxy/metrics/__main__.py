"""`python -m proxy.metrics` prints the list of metrics as the README carries it."""

import sys

from proxy.metrics.table import markdown

if __name__ == "__main__":
    sys.stdout.write(markdown())
