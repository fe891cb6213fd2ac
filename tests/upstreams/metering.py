"""Streams through a meter, and what came of them."""

import itertools
import json

from proxy.nouns import Endpoint
from proxy.upstreams.meter import StreamMeter


def run(stream, cuts=(), *, strip=True, endpoint=Endpoint.CHAT):
    """(meter, bytes relayed) of a stream that arrives in pieces."""
    meter = StreamMeter(endpoint, strip_usage=strip)
    marks = [0, *sorted(cuts), len(stream)]
    out = []
    for a, b in itertools.pairwise(marks):
        if b > a and not meter.seen.unreadable:
            out.append(meter.feed(stream[a:b]))
    return meter, b"".join([*out, b"" if meter.seen.unreadable else meter.finish()])


def is_json(data):
    """Whether bytes are UTF-8 and JSON; nested too deeply for us to say counts as that."""
    try:
        json.loads(data.decode())
    except RecursionError:
        return True
    except ValueError:
        return False
    return True
