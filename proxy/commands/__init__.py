"""What an operator types, one file per command. Each adds its own parser and runs on what the proxies share: the
configuration, the catalogue and the store.

    keys      create, list, revoke keys while the proxy runs
    budgets   spent, held, left; set, raise, reset, settle, rebuild, audit
    migrate   plan, start, promote, pause, resume, roll back a migration; where it stands; its report
    spend     what was used, by key, team, user, model, task or route
    models    prices, windows, ends and successors
    audit     which keys call what stops, and what its successor costs

`joining` finds the store, `output` aligns tables, `amounts` reads and writes money and days, `near`
knows what was meant by a name that there is not.
"""
