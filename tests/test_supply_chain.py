"""What is installed and what runs at import: exact versions with hashes, no address of a registry, no socket, no start-up code."""

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = ["requirements.lock", "requirements-dev.lock"]
REQUIREMENT = re.compile(r"^([a-z0-9][a-z0-9._-]*)(\[[a-z0-9,_-]+\])?==(\S+?)( ; .+?)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")

OPENS_SOCKETS = """
import sys
seen = []
sys.addaudithook(lambda name, args: seen.append((name, args[:1])) if name in (
    "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request",
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "pty.spawn") else None)
import {module}
print(seen)
"""


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_exact_and_hashed(name):
    """Nothing is taken by name alone: each line is one version with at least one SHA-256."""
    lines = (ROOT / name).read_text().splitlines()
    pinned = hashed = 0
    previous_is_requirement = False
    for line in lines:
        if not line or line.lstrip().startswith("#"):
            continue
        if REQUIREMENT.match(line):
            assert not previous_is_requirement, f"{line}: the one before has no hash"
            pinned, previous_is_requirement = pinned + 1, True
        else:
            assert HASH.match(line), f"{name}: {line}"
            hashed, previous_is_requirement = hashed + previous_is_requirement, False
    assert pinned == hashed > 5


@pytest.mark.parametrize(
    "name", [*LOCKS, "requirements.in", "requirements-dev.in", "pyproject.toml", "Makefile", "Dockerfile"]
)
def test_no_registry_is_written_down(name):
    """Where packages come from is the machine's matter: no URL, no index option, no link to a repository."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"there is no {name}")
    text = path.read_text()
    for line in text.splitlines():
        bare = line.split("#")[0] if not line.startswith("    --hash") else line
        assert "://" not in bare or "localhost" in bare or "127.0.0.1" in bare, f"{name}: {line}"
        assert not re.search(
            r"--(index-url|extra-index-url|find-links|trusted-host)\b|(?<![-\w])-[if] \S*://", bare
        ), line
        assert "git+" not in bare, line


def test_the_compromised_versions_are_excluded():
    """litellm 1.82.7 and 1.82.8 carried a payload; neither may ever be resolved again."""
    text = (ROOT / "requirements.in").read_text() + (ROOT / "pyproject.toml").read_text()
    assert "!=1.82.7" in text
    assert "!=1.82.8" in text
    for name in LOCKS:
        assert not re.search(r"^litellm==1\.82\.[78]\b", (ROOT / name).read_text(), re.MULTILINE)


@pytest.mark.parametrize("module", ["proxy.process.worker", "proxy.cli"])
def test_importing_opens_no_socket_and_starts_nothing(module):
    """Watched by the interpreter itself: no name looked up, no connection, no process."""
    done = subprocess.run(
        [sys.executable, "-c", OPENS_SOCKETS.format(module=module)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_no_start_up_code_is_installed():
    """A `.pth` file or a `sitecustomize` runs at every start of this Python: how litellm 1.82.8 got in."""
    if Path(sys.prefix).resolve() != (ROOT / ".venv").resolve():
        pytest.skip("this is not the project's own .venv")
    site = Path(sysconfig.get_path("purelib"))
    assert {path.name for path in site.glob("*.pth")} <= {"distutils-precedence.pth"}
    assert not list(site.glob("sitecustomize*"))
    assert not list(site.glob("usercustomize*"))


def test_no_code_runs_code():
    """No eval, no exec, no shell, no plug-ins by name: what a request says can never become a program."""
    allowed = {
        "litellm_adapter.py": {
            "import_module"
        },  # of litellm alone, which is too heavy to import at the start
        "control.py": {"create_subprocess_exec"},
        "embedded.py": {"create_subprocess_exec", "Popen", "subprocess"},
    }
    banned = re.compile(
        r"\b(eval|exec|__import__|import_module|Popen|create_subprocess_exec|create_subprocess_shell|system|popen|pickle|marshal)\("
    )
    for path in (ROOT / "proxy").rglob("*.py"):
        found = set(banned.findall(path.read_text())) - allowed.get(path.name, set())
        assert not found, f"{path.relative_to(ROOT)}: {found}"


def test_no_known_vulnerability_is_installed():
    """Asked of the advisory service where pip-audit and the service can be reached; skipped with the reason otherwise."""
    audit = shutil.which("pip-audit") or shutil.which("pip-audit", path=str(Path(sys.prefix) / "bin"))
    if audit is None:
        pytest.skip("pip-audit is not installed here")
    done = subprocess.run(
        [audit, "--require-hashes", "--disable-pip", "-r", str(ROOT / "requirements.lock"), "--timeout", "5"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode and "vulnerabilit" not in done.stdout + done.stderr:
        pytest.skip(f"the advisory service does not answer: {done.stderr.strip().splitlines()[-1:]}")
    assert done.returncode == 0, done.stdout
