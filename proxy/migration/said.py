"""What an answer says, from the bytes a caller was sent: chat or Responses, whole or streamed. Pure, in slices.

A stream is read an event at a time by `Reader.read`, so that whoever owns the event loop can let others in between. What
cannot be read makes `unreadable` true, and is then nobody's fault but the copy's: it is not judged. Nor is a Responses answer
that is still to come (`background`), which says nothing yet.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from proxy.migration.validity import Said, ToolCall

_NO_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_CALLS: Final = frozenset({"function_call", "custom_tool_call"})
_ACTS: Final = frozenset(
    {
        "apply_patch_call",
        "computer_call",
        "image_generation_call",
        "local_shell_call",
        "mcp_approval_request",
        "shell_call",
        "tool_search_call",
    }
)
"""What an answer may consist of alone, besides text and calls of functions."""
_TO_COME: Final = frozenset({"queued", "in_progress"})
_ENDS: Final = frozenset({"response.completed", "response.incomplete"})


class Reader:
    """The answers of one copy. Feed `read` until it is exhausted, then look at `answers`."""

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}
        self._output: list[Any] | None = None
        self.unreadable = False

    def read(self, copy: bytes) -> Iterator[None]:
        """Take in the copy; yields after every event."""
        if copy.lstrip()[:1] != b"{":
            for event in copy.replace(b"\r\n", b"\n").split(b"\n\n"):
                data = b"\n".join(
                    [line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:")]
                )
                if data and data != b"[DONE]":
                    self._take(data)
                yield
            return
        self._take(copy)

    @property
    def answers(self) -> tuple[Said, ...]:
        """One for each choice; of a Responses answer the only one."""
        if self._output is not None:
            return (_of_output(self._output),)
        return tuple([choice.said() for _, choice in sorted(self._choices.items())])

    def _take(self, data: bytes) -> None:
        try:
            found = msgspec.json.decode(data)
        except _NO_JSON:
            self.unreadable = True
            return
        if not isinstance(found, dict):
            return
        if found.get("type") in _ENDS and isinstance(found.get("response"), dict):
            found = found["response"]
        if isinstance(found.get("output"), list) and found.get("object") == "response":
            self._output = found["output"]
            self.unreadable = self.unreadable or found.get("status") in _TO_COME
        for choice in _dicts(found.get("choices")):
            index = choice.get("index")
            place = self._choices.setdefault(index if isinstance(index, int) else 0, _Choice())
            place.take(choice)


class _Choice:
    """One answer of a chat completion, put together from its pieces."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.refusal: list[str] = []
        self.calls: dict[int, list[str]] = {}
        self.free: set[int] = set()

    def take(self, choice: dict[str, Any]) -> None:
        """A piece, or all of it."""
        held = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
        if not isinstance(held, dict):
            return
        _append(self.text, held.get("content"))
        _append(self.refusal, held.get("refusal"))
        if isinstance(audio := held.get("audio"), dict):
            _append(self.text, audio.get("transcript"))
        if isinstance(old := held.get("function_call"), dict):
            self._call(0, old)
        for place, call in enumerate(_dicts(held.get("tool_calls"))):
            index = call.get("index")
            self._call(index if isinstance(index, int) else place, call.get("function") or call.get("custom"))
            if isinstance(call.get("custom"), dict):
                self.free.add(index if isinstance(index, int) else place)

    def _call(self, index: int, held: Any) -> None:
        pieces = self.calls.setdefault(index, ["", ""])
        if isinstance(held, dict):
            for at, value in enumerate((held.get("name"), held.get("arguments") or held.get("input"))):
                pieces[at] += value if isinstance(value, str) else ""

    def said(self) -> Said:
        """The answer."""
        calls = [
            ToolCall(name, arguments, free=index in self.free)
            for index, (name, arguments) in sorted(self.calls.items())
        ]
        return Said("".join(self.text), "".join(self.refusal), tuple(calls))


def _of_output(output: list[Any]) -> Said:
    items = _dicts(output)
    parts = [part for item in items if item.get("type") == "message" for part in _dicts(item.get("content"))]
    calls = [
        ToolCall(
            str(item.get("name", "")),
            str(item.get("arguments") or item.get("input") or ""),
            free=item.get("type") == "custom_tool_call",
        )
        for item in items
        if item.get("type") in _CALLS
    ]
    return Said(
        "".join([str(part.get("text", "")) for part in parts if part.get("type") == "output_text"]),
        "".join([str(part.get("refusal", "")) for part in parts if part.get("type") == "refusal"]),
        tuple(calls),
        acts=any(item.get("type") in _ACTS for item in items),
    )


def _append(pieces: list[str], value: Any) -> None:
    if isinstance(value, str):
        pieces.append(value)


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
