"""One conversation in one shape, whichever endpoint it came through; answers depend on nothing else.

That the seed covers only what is *said and asked for* (turns, tools, format, seed, not stream options or tiers) makes
the same question give the same answer whole, streamed, through the proxy, and over either endpoint.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from proxy.sandbox.tokens import count, digest

Rank = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: str
    custom: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    rank: Rank
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""
    images: tuple[tuple[str, str], ...] = ()
    audio_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    parameters: Any = None
    description: str = ""
    custom: bool = False

    def spelled(self) -> str:
        return f"{self.name} {self.description} {msgspec.json.encode(self.parameters).decode()}"


@dataclass(frozen=True, slots=True)
class Choice:
    """How tools may be used: `named` and `allowed` restrict to `names`."""

    mode: Literal["auto", "none", "required", "named"] = "auto"
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """`schema` is the JSON schema an answer must satisfy; `json_object` asks for any object."""

    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    choice: Choice = field(default_factory=Choice)
    parallel: bool = True
    schema: Any = None
    json_object: bool = False
    seed: str = ""

    def prompt(self) -> str:
        """All the text the model reads, in the order a prefix cache sees it."""
        parts = [tool.spelled() for tool in self.tools]
        if self.schema is not None:
            parts.append(msgspec.json.encode(self.schema).decode())
        for turn in self.turns:
            parts.append(f"{turn.rank}{turn.call_id}\x1e{turn.text}")
            parts += [f"{call.name}{call.arguments}" for call in turn.calls]
            parts += [url[:64] for url, _ in turn.images]
        return "\x1e".join(parts)

    def text_tokens(self) -> int:
        """Tokens of everything but images and audio, with the per-message and per-tool framing."""
        total = 3
        for turn in self.turns:
            total += 3 + count(turn.text)
            total += sum(8 + count(call.name) + count(call.arguments) for call in turn.calls)
        total += sum(8 + count(tool.spelled()) for tool in self.tools)
        if self.schema is not None:
            total += count(msgspec.json.encode(self.schema).decode())
        return total

    def digest(self) -> int:
        return digest(self.prompt(), self.choice.mode, *self.choice.names, self.seed)

    def last_user(self) -> str:
        return next((turn.text for turn in reversed(self.turns) if turn.rank == "user"), "")

    def since_last_user(self) -> tuple[Turn, ...]:
        """The tool loop so far: turns after the last user turn."""
        for index in range(len(self.turns) - 1, -1, -1):
            if self.turns[index].rank == "user":
                return self.turns[index + 1 :]
        return self.turns
