"""An authority and a certificate for `localhost`, made by the openssl command for one test run."""

import atexit
import shutil
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificates:
    """Files in PEM: the authority to trust, a certificate signed by it and its key; and a server context that holds them."""

    authority: str
    certificate: str
    key: str
    server: ssl.SSLContext


def certificates() -> Certificates:
    """For `localhost`, 127.0.0.1 and ::1. Skips the test where there is no openssl command."""
    if shutil.which("openssl") is None:
        pytest.skip("making certificates needs the openssl command")
    return _made()


@cache
def _made() -> Certificates:
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        (at / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n")
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        _openssl(at, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test authority",
                 "-days", "2", "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
        _openssl(at, "req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
        _openssl(at, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                 "-out", "server.pem", "-days", "2", "-extfile", "names")  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(at / "server.pem", at / "server.key")
        context.set_alpn_protocols(["h2", "http/1.1"])
        kept = Path(tempfile.mkdtemp(prefix="switchyard-test-ca-"))
        atexit.register(shutil.rmtree, kept, ignore_errors=True)
        files = [shutil.copy(at / name, kept) for name in ("ca.pem", "server.pem", "server.key")]
    return Certificates(*map(str, files), context)


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
