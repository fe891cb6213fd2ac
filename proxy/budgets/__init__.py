"""Money, pure: what an answer cost, what must be set aside before it, whom it counts against, and until when.

    bill      tokens × prices → nano-dollars, exact, rounded up once
    usage     what upstream reported (or did not) → the usage that is billed
    holds     a request before it is sent → the most it can cost, and the cap that makes it so
    windows   calendar windows in UTC or a zone, as exact Unix bounds
    scopes    configured budgets and limits + caller + model → the counters of one request

Everything is integers of nano-dollars (`*_nano`), tokens or Unix seconds. No clock, no Redis: `store/` keeps the counts.
"""
