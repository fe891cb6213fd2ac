"""The one room that speaks Redis. Everybody else sees typed ports.

    ledger      hold, settle, release: the money of one request (worker)
    accounts    keys made at run time, limits changed at run time (worker)
    objects     whose stored object this is, and where it lives (worker)
    reaper      expired leases, rollups, snapshots: the housekeeping of one leader (parent)
    rollups     spend, the tail of rows, totals for the exporter (parent, command line)
    operator    budgets list/set/raise/reset/settle/rebuild, keys create/revoke, each with an audit line (command line)
    embedded    the Valkey server under .switchyard/ when no REDIS_URL is given

Inside: `keys` names every key, `scripts/` holds every write that must be atomic, `client` shares one pipeline among the
calls of one event-loop tick, `outage` decides what happens while Redis does not answer, `journal` keeps what it could not
be told.
"""
