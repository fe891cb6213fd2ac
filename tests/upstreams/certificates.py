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
    """Files in PEM: the authority to trust, and a server context that holds a certificate signed by it."""

    authority: str
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
        kept = Path(tempfile.mkdtemp(prefix="switchyard-test-ca-")) / "ca.pem"
        atexit.register(shutil.rmtree, kept.parent, ignore_errors=True)
        kept.write_bytes((at / "ca.pem").read_bytes())
    return Certificates(str(kept), context)


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
