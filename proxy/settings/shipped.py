"""Where the configuration that comes with the program is: beside the package in a checkout, under share/ when installed."""

import sysconfig
from pathlib import Path

NAME = "switchyard.yaml"
_INSTALLED = "share/switchyard/config"


def shipped_file(name: str = NAME) -> Path:
    """The shipped file of that name. Raises FileNotFoundError if the installation lost it."""
    checkout = Path(__file__).resolve().parents[2] / "config"
    installed = Path(sysconfig.get_path("data")) / _INSTALLED
    for folder in (checkout, installed):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{name} is neither in {checkout} nor in {installed}")
