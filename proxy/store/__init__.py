"""The one room that speaks Redis. Everybody else sees typed ports.

    ledger        hold, settle, release: the money of one request (worker)
    accounts      keys made and limits changed at run time (worker)
    objects       whose stored object this is, and where it lives (worker)
    housekeeping  expired leases, rollups, snapshots, journals left behind, lost data (parent)
    rollups       spend by key, team, user, model, task; the totals of all time
    states        how budgets stand; what is left to one caller
    operator      keys create/revoke, budgets set/raise/reset/settle/rebuild, each with an audit line
    embedded      the Valkey server under .switchyard/ when no REDIS_URL is given; server_check: is a server fit for money

Inside: `keys` names every key, `scripts/` holds every write that must be atomic, `client` shares one pipeline among the
calls of one event-loop tick, `outage` decides what happens while Redis does not answer, `journal` keeps what it could not
be told.
"""
