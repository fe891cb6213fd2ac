"""Types a command in the directory of a running proxy."""

import contextlib
import io

from proxy import cli


def run(door, *words, folder=None):
    """One command in the proxy's directory: (status, standard output, standard error)."""
    argv = list(words) if folder else [*words, "--config", str(door.folder / "switchyard.yaml")]
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder or door.folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            status = cli.main(argv)
        except SystemExit as refused:
            status = refused.code
    return status, out.getvalue(), err.getvalue()


def said(door, *words):
    status, out, err = run(door, *words)
    assert status == 0, err
    return out
