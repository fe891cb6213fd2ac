"""The header lists: what passes up, what passes down, and that nothing else does."""

import pytest

from proxy.headers import credentials, downward, upward

FROM_CLIENT = {
    "content-type": "application/json", "accept": "*/*", "openai-beta": "x=1", "idempotency-key": "k", "traceparent": "00-1",
    "authorization": "Bearer sk-client", "openai-organization": "org", "openai-project": "proj", "host": "proxy", "cookie": "a=b",
    "connection": "x-named", "x-named": "1", "keep-alive": "1", "transfer-encoding": "chunked", "te": "trailers", "upgrade": "h2c",
    "content-length": "5", "expect": "100-continue", "proxy-authorization": "Basic x", "forwarded": "for=1", "x-forwarded-for": "1",
    "x-forwarded-host": "evil", "x-real-ip": "1", "via": "1", "referer": "r", "origin": "o", "user-agent": "u", "api-key": "k",
    "x-api-key": "k", "x-stainless-lang": "python", "x-switchyard-task": "math", "accept-encoding": "gzip", "baggage": "b",
    "openai-betamax": "x", "content-type-x": "x",
}  # fmt: skip
UP = {"content-type", "accept", "openai-beta", "idempotency-key", "traceparent"}
FROM_UPSTREAM = {
    "content-type": "application/json", "x-request-id": "req_1", "openai-processing-ms": "5", "openai-version": "1", "retry-after": "1",
    "retry-after-ms": "9", "x-should-retry": "false", "x-ratelimit-limit-requests": "9", "x-ratelimit-reset-tokens": "1s",
    "set-cookie": "s=1", "connection": "close", "transfer-encoding": "chunked", "content-length": "5", "content-encoding": "gzip",
    "server": "cloudflare", "cf-ray": "x", "date": "now", "strict-transport-security": "x", "alt-svc": "h3", "via": "1",
    "access-control-allow-origin": "*", "x-switchyard-model": "forged", "www-authenticate": "Bearer", "location": "/", "trailer": "x",
    "openai": "x", "x-ratelimit": "x",
}  # fmt: skip
LIMITS = {"x-ratelimit-limit-requests", "x-ratelimit-reset-tokens"}
DOWN = {"content-type", "x-request-id", "openai-processing-ms", "openai-version", "retry-after", "retry-after-ms", "x-should-retry"} | LIMITS  # fmt: skip


def pairs(headers):
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def names(headers):
    return {name.decode() for name, _ in headers}


def test_only_the_short_list_goes_up():
    """The caller's credentials apart, for passthrough mode alone; never hop-by-hop, cookies, forwarding or our own wishes."""
    assert names(upward(pairs(FROM_CLIENT))) == UP
    assert names(credentials(pairs(FROM_CLIENT))) == {
        "authorization",
        "openai-organization",
        "openai-project",
    }


@pytest.mark.parametrize("own", [False, True])
def test_only_the_short_list_comes_down(own):
    """Upstream's rate limits only where the key has none of ours; nothing of ours can be forged."""
    assert names(downward(pairs(FROM_UPSTREAM), own_limits=own)) == (DOWN - LIMITS if own else DOWN)


def test_values_and_repetitions_are_kept():
    """What passes, passes as it came."""
    twice = [(b"openai-beta", b"a"), (b"openai-beta", b"b\xe9")]
    assert upward(twice) == tuple(twice)
    assert downward([(b"x-request-id", b"1"), (b"x-request-id", b"2")], own_limits=False) == [
        (b"x-request-id", b"1"),
        (b"x-request-id", b"2"),
    ]
