"""The operator's page on the admin port: read-only, served by the parent, never by a worker.

pages      the HTML, script, styles and charts' library, with the headers that keep foreign script out
overview   what the page shows, gathered from the store; kept for a while, so that an open page delays nobody
tallies    hours added up by model and task; the newest requests as latencies and as decisions
standing   budgets, models and migrations as they are now
demo       a process of its own that sends believable traffic (`switchyard serve --sandbox --demo`)
"""
