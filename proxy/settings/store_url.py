"""The URL of a Redis, read before anybody dials it: what it may say, and what is wrong with one that says something else.

    redis://[user:password@]host[:port][/db]     rediss:// the same over TLS     unix://[user:password@]/path[?db=N]

Options beyond these would reach into how the store speaks to Redis (retries, time limits), which money depends on.
"""

from typing import Final
from urllib.parse import parse_qsl, urlsplit

_SCHEMES: Final = ("redis", "rediss", "unix")
_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_CHOICES: Final = {"ssl_check_hostname": ("true", "false"), "ssl_cert_reqs": ("required", "none")}
_OPTIONS: Final = ("db", *_FILES, *_CHOICES)


def fault_of(url: str) -> str:
    """What is wrong with it, without a word of the URL that may be secret; "" when nothing is."""
    scheme, found, _ = url.partition("://")
    if not found or scheme not in _SCHEMES:
        return "expected a URL that starts with redis://, rediss:// or unix://"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "the port is no number up to 65535; characters of a password such as / # ? @ : are written %2F %23 %3F %40 %3A"
    database = parts.path.lstrip("/") if scheme != "unix" else ""
    if database and not database.isdecimal():
        return "expected the number of a database behind the host, as in redis://host:6379/0"
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if why := _fault_of_option(scheme, name, value):
            return why
    return ""


def _fault_of_option(scheme: str, name: str, value: str) -> str:
    if name not in _OPTIONS:
        return f'unknown option "{name}"; allowed: {", ".join(_OPTIONS)}'
    if name == "db":
        return "" if value.isdecimal() else "db is the number of a database"
    if scheme != "rediss":
        return f"{name} is for rediss://"
    allowed = _CHOICES.get(name)
    return f"{name} is one of {', '.join(allowed)}" if allowed and value not in allowed else ""
