"""A headless Chromium, driven over the two pipes it offers (`--remote-debugging-pipe`): no driver, no port, no package."""

import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
WAIT_S = 20


class Browser:
    """One page. `said` is what the console heard, breaches of the content policy among it; `asked_for` every URL."""

    def __init__(self, orders: int, answers: int) -> None:
        self._orders, self._answers = orders, answers
        self._unread = b""
        self._number = 0
        self._loaded = False
        self._session = None
        self.said: list[str] = []
        self.asked_for: list[str] = []
        target = self.order("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.order("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.order(f"{domain}.enable")

    def order(self, method: str, **params):
        """One command; its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._orders, json.dumps(message).encode() + b"\0")
        while True:
            heard = self._next()
            if heard.get("id") == self._number:
                assert "error" not in heard, heard
                return heard["result"]

    def _next(self):
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._answers], [], [], WAIT_S)
            more = os.read(self._answers, 1 << 20) if ready else b""
            assert more, "the browser is gone, or says nothing any more"
            self._unread += more
        text, _, self._unread = self._unread.partition(b"\0")
        heard = json.loads(text)
        match heard.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Runtime.consoleAPICalled":
                self.said.append(str([each.get("value") for each in heard["params"]["args"]]))
            case "Runtime.exceptionThrown":
                self.said.append(heard["params"]["exceptionDetails"]["exception"].get("description", "?"))
            case "Log.entryAdded":
                self.said.append(heard["params"]["entry"]["text"])
            case "Network.requestWillBeSent":
                self.asked_for.append(heard["params"]["request"]["url"])
        return heard

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """The screen from now on."""
        self.order(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.order("Emulation.setEmulatedMedia", features=[scheme])

    def go(self, url: str) -> None:
        self._loaded = False
        self.order("Page.navigate", url=url)
        while not self._loaded:
            self._next()

    def value(self, expression: str):
        """What this JavaScript is worth, as JSON."""
        found = self.order("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str):
        """Wait until this JavaScript is true; its value."""
        deadline = time.monotonic() + WAIT_S
        while not (found := self.value(expression)):
            assert time.monotonic() < deadline, f"never true: {expression}; said: {self.said}"
        return found

    def press(self, key: str, code: int) -> None:
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.order(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text
            )

    def type(self, text: str) -> None:
        self.order("Input.insertText", text=text)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A fresh Chromium with a profile of its own, ended afterwards."""
    theirs_in, orders = os.pipe()
    answers, theirs_out = os.pipe()

    def as_three_and_four() -> None:
        os.dup2(theirs_in, 103)
        os.dup2(theirs_out, 104)
        os.dup2(103, 3)
        os.dup2(104, 4)

    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=as_three_and_four,  # noqa: PLW1509 - the numbers are fixed by the program
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Browser(orders, answers)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(orders)
            os.close(answers)
