"""`switchyard serve --sandbox --demo`: traffic of four applications appears by itself, and ends with the proxy."""

import contextlib
import json
import random
import subprocess
import sys
from pathlib import Path

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.console import demo
from proxy.settings import shipped_file
from tests import town


def test_every_application_has_its_key_in_the_shipped_configuration():
    """The keys of the generator are those whose hashes config/demo.yaml holds, and all models but one are real."""
    configuration = read_configuration(Blueprint(str(shipped_file("demo.yaml"))), {})
    assert [key.name for key in configuration.settings.keys] == [app.key for app in demo.APPS]
    assert configuration.warnings == ()
    known = {
        *configuration.settings.routes,
        *configuration.settings.aliases,
        *configuration.catalogue.names(),
    }
    assert {model for app in demo.APPS for model in app.models} - known == {"gpt-nonexistent"}


def test_requests_are_a_mixture_that_a_seed_repeats():
    """Streamed and whole, of every model and prompt."""
    for app in demo.APPS:
        bodies = [demo.request(app, random.Random(seed)) for seed in range(400)]
        assert {body["model"] for body in bodies} == set(app.models)
        assert {body["stream"] for body in bodies} == {True, False}
        assert demo.request(app, random.Random(1)) == demo.request(app, random.Random(1))


def test_the_demo_fills_the_page_and_ends_with_the_proxy():
    """With a provider's key in the environment it still goes to the sandbox only; afterwards no process is left."""
    with town.proxy(None, "", {"OPENAI_API_KEY": "sk-never-used"}, "--sandbox", "--demo") as door:
        seen = set()
        door.wait_for(
            lambda line: seen.add(line.get("key_name")) or seen >= {app.key for app in demo.APPS}, 40
        )
        found = json.loads(town.ask(f"{door.admin_url}/admin/overview").body)
        assert found["sandbox"] is True and found["decisions"] and len(found["budgets"]) == 8
        port = door.port
    assert not [line for line in _processes() if f"proxy.console.demo http://127.0.0.1:{port}/" in line]


def test_the_generator_ends_with_whoever_started_it():
    """A parent that was killed cannot stop it; the end of its input does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy.console.demo", "http://127.0.0.1:9/v1"],
        cwd=town.ROOT,
        stdin=subprocess.PIPE,
    )
    process.stdin.close()
    assert process.wait(20) == 0


def test_the_demo_brings_its_own_configuration():
    """Known keys must not be mixed into a configuration that somebody uses."""
    done = subprocess.run(
        [sys.executable, "-m", "proxy.cli", "serve", "--demo", "--config", "config/switchyard.yaml"],
        cwd=town.ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2 and "leave out --config" in done.stderr


def _processes():
    """The command lines of whatever runs here, as far as it is still there when looked at."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
