"""A strict simulated OpenAI: it exists to prove the proxy wrong, so it shares no rule, price or date with it.

    app = create_app(SandboxConfig(time_scale=0), clock)     # ASGI; app.log, app.faults, app.desk.control for tests
    await serve(host, port, config, app=app, ready=print, stop=event)          # until `stop`; port 0 takes a free one
    python -m proxy.sandbox --port 0 [--today D] [--revive a,b|*] [--time-scale X]      # prints one line with its URL

Read `app` for the life of a call, `families` and `catalogue` for the rules and models (data), `chat_rules` and
`responses_rules` for what is refused, `brain` for what is said, `faults` for what can go wrong, `calls` for the ground
truth (also at GET /sandbox/calls and /sandbox/totals), `desk.Control` for the day, revived models and keys
(POST /sandbox/control). A prompt may hold orders that pass any proxy: `[[sandbox:429 times=1]]`, `[[sandbox:cut:3]]`,
`[[sandbox:say=TEXT]]`, `[[sandbox:words=200]]`, `[[sandbox:refuse]]`, `[[sandbox:filter]]`.
Same request, same answer: what is said depends on the conversation alone, not on streaming, tier or endpoint.
"""

from proxy.sandbox.app import Sandbox, create_app
from proxy.sandbox.config import Clock, SandboxConfig
from proxy.sandbox.server import main, serve

__all__ = ["Clock", "Sandbox", "SandboxConfig", "create_app", "main", "serve"]
