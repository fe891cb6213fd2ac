"""What we know about models: windows, prices, dates, successors, and what each family accepts.

    catalogue   Catalogue.build(...), .resolve(name) -> ModelRow; load_shipped() is the room's only I/O
    rows        ModelRow, Successor: one model as the other rooms read it
    prices      exact decimals -> PriceRow (proxy.nouns); blend and ratio of two models
    families    the parameter rules, one row of data per family
    translate   a request written for one model, made right for another: edits, changes, what must be emulated
    lifecycle   shutdown dates, successor chains, Sunset headers, confirmed 404s
    learned     parameters a provider turned out to refuse, remembered for a while
    emulate     stop sequences and n answers for models that take neither
    bridge      a chat call carried over /v1/responses and back

Pure: nothing here waits, reads a clock or talks to anyone. Sources of the facts: config/models.yaml.
"""
