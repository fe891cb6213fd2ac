"""Numbers and log lines: what happened here, for Prometheus and for whoever reads stdout.

table.py       every metric in one table; `python -m proxy.metrics` prints it
labels.py      which label values exist; what callers choose becomes `other`
cells.py       one process' numbers in a mapped file that survives `kill -9`
recorder.py    worker: `open_recorder(directory, vocabulary).observe(row)` and the small verbs
totals.py      what the parent passes in at scrape: ledger totals, days left, stages
exporter.py    parent: `await Exporter(directory, …).render()`, and `retire(pid)` for every process that ended
exposition.py  the text format
log.py         one JSON line a request, and event lines, written by a thread of their own
"""
