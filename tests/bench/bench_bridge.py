"""What one streamed event costs inside the proxy: relayed as it is, and carried over /v1/responses and back.

Run: `python tests/bench/bench_bridge.py [rounds]`. Both streams say the same words through the machines of one attempt
(`proxy.reshape`), a block per event as they arrive from a socket, usage taken out again. The best of the rounds counts,
since a busy machine only adds. No sockets: their cost is the same either way.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from proxy.models.bridge.answer import Asked
from proxy.nouns import Endpoint
from proxy.reshape import Shape
from tests.models.bridge import kit

BODY = {
    "model": kit.MODEL,
    "reasoning_effort": "low",
    "messages": [{"role": "user", "content": "[[sandbox:words=400]]"}],
    "stream": True,
}


def events_of(stream):
    return [event + b"\n\n" for event in stream.split(b"\n\n") if event]


def best_us(shape, events, rounds):
    """Microseconds per event."""
    best = float("inf")
    for _ in range(rounds):
        stream = shape.stream()
        began = time.perf_counter()
        for event in events:
            stream.feed(event)
        best = min(best, time.perf_counter() - began)
        assert stream.seen.complete
    return best / len(events) * 1e6


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    chat = {**BODY, "stream_options": {"include_usage": True}}
    plain, over = events_of(kit.directly(chat)), events_of(kit.responses_bytes(BODY))
    relay = best_us(Shape(Endpoint.CHAT, strip_usage=True), plain, rounds)
    bridge = best_us(Shape(Endpoint.CHAT, strip_usage=True, bridged=Asked.of(BODY)), over, rounds)
    print(f"plain relay {relay:.1f} us per event, over /v1/responses {bridge:.1f} us ({bridge / relay:.1f}x)")


if __name__ == "__main__":
    main()
