"""The command itself, as a process: what it accepts, and how it ends when nobody reads on."""

import subprocess
import sys

import town


def started(*words, **more):
    return subprocess.Popen(
        [sys.executable, "-m", "proxy.cli", *words],
        cwd=town.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def ended(*words):
    """(status, standard output, standard error)."""
    process = started(*words)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def test_a_reader_that_has_seen_enough_is_no_mistake():
    """`switchyard schema | head` says nothing on standard error, however little is left to write."""
    for words in (("schema",), ("models", "gpt-4.1-mini")):
        process = started(*words)
        process.stdout.close()
        assert process.wait(30) == 141
        assert process.stderr.read() == ""
        process.stderr.close()


def test_check_takes_the_file_with_or_without_its_option(tmp_path):
    """What everybody types first; two files at once are one too many."""
    file = tmp_path / "mine.yaml"
    file.write_text("routes: {mine: {default: [gpt-4.1-nano]}}\n")
    assert ended("check", str(file))[:2] == (0, "The configuration is valid.\n")
    file.write_text("routs: {}\n")
    for words in (("check", str(file)), ("check", "--config", str(file))):
        status, _, err = ended(*words)
        assert status == 1 and f"{file}:1: routs" in err
    assert ended("check", str(file), "--config", str(file))[0] == 2
