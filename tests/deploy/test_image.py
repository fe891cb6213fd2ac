"""What the Dockerfile installs is what runs: the wheel alone, outside the checkout, serves and finds its files."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv

import pytest

from tests import town

from .prometheus import ROOT

SURROUNDINGS = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("OPENAI_", "REDIS_", "SWITCHYARD_", "PYTHON"))
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The Dockerfile's `pip install --no-deps --no-build-isolation .` in an environment of its own; its `switchyard`.
    The locked requirements are this environment's, by their path: they were installed from the same lock."""
    folder = tmp_path_factory.mktemp("image")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    for name in ("proxy", "config"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    venv.create(folder / "venv")
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    (site / "locked.pth").write_text(sysconfig.get_path("purelib"))
    subprocess.run(
        [
            sys.executable, "-m", "pip", "--python", folder / "venv", "install", "--quiet", "--no-index",
            "--disable-pip-version-check", "--no-deps", "--no-build-isolation", source,
        ],
        env=SURROUNDINGS, cwd=folder, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    shutil.rmtree(source)
    return folder / "venv" / "bin" / "switchyard"


def test_the_images_command_serves_with_what_was_installed(installed, tmp_path):
    """`switchyard serve --host 0.0.0.0` with no file: data port, the page and its charts answer; SIGTERM ends it with 0."""
    command = [installed, "serve", "--host", "0.0.0.0", "--port", "0", "--admin-port", "0"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=SURROUNDINGS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        serving = next(line for line in map(json.loads, process.stdout) if line["event"] == "serving")
        data, admin = (f"http://127.0.0.1:{serving[name]}" for name in ("port", "admin_port"))
        assert town.ask(f"{data}/readyz").status == 200
        assert (
            town.ask(f"{data}/v1/models", key="").status == 401
        )  # beyond loopback a caller brings its own key
        html = town.ask(f"{admin}/").body.decode()
        for path in html.split('src="')[1:]:
            assert town.ask(admin + path.partition('"')[0]).status == 200
        assert b"switchyard_build_info" in town.ask(f"{admin}/metrics").body
    finally:
        process.terminate()
        said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "Traceback" not in said[1]


def test_the_commands_find_the_shipped_files(installed, tmp_path):
    """The catalogue, the shipped route and the classifier's weights came along."""
    for command in (["check"], ["models"], ["explain", "Translate into German: good day"]):
        done = subprocess.run(
            [installed, *command],
            cwd=tmp_path,
            env=SURROUNDINGS,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
