"""What we know about models: windows, prices, dates, successors, and what each family accepts.

    catalogue   Catalogue.build(...), .resolve(name) -> ModelRow (rows.py); load() is the room's only I/O
    prices      exact decimals -> PriceRow (proxy.nouns); blend and ratio of two models
    families    the parameter rules, one row of data per family
    translate   a request written for one model, made right for another: edits, changes, what must be emulated
    lifecycle   whose shutdown date counts, Sunset headers, warnings, a provider's model list
    succession  who serves a request for a model that has ended, at what price
    missing     404 for a model that should live: gone, or only not for this key
    learned     parameters a provider turned out to refuse, remembered for a while
    emulate     stop sequences, and fanout: n answers, for models that take neither
    bridge      a chat call carried over /v1/responses and back

Pure: nothing here waits, reads a clock or talks to anyone. Sources of the facts: config/models.yaml.
"""
