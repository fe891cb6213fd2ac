"""The pieces whole answers and chunks have in common: the head every chunk repeats, tool calls, logprobs, finish."""

from dataclasses import dataclass
from typing import Any

from proxy.sandbox.chat_rules import ChatAsk
from proxy.sandbox.speak import Spoken
from proxy.sandbox.talk import ToolCall
from proxy.sandbox.tokens import digest


@dataclass(frozen=True, slots=True)
class Head:
    """What every chunk of one answer repeats."""

    id: str
    created: int
    model: str
    tier: str
    fingerprint: str

    def chunk(self, choices: list[Any]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "service_tier": self.tier,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
        }


def tool_call(call: ToolCall, arguments: str) -> dict[str, Any]:
    if call.custom:
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": arguments}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def finish_reason(said: Spoken, ask: ChatAsk) -> str:
    if said.calls and "functions" in ask.body and said.finish == "tool_calls":
        return "function_call"
    return said.finish


def logprobs(said: Spoken, ask: ChatAsk) -> dict[str, Any]:
    tokens = [token_logprob(piece, ask.body.get("top_logprobs") or 0) for piece in said.text]
    return {"content": None if said.refusal else tokens, "refusal": tokens if said.refusal else None}


def token_logprob(piece: str, top: int) -> dict[str, Any]:
    """One token with `top` alternatives, the most likely first."""

    def entry(token: str, rank: int) -> dict[str, Any]:
        logprob = -0.001 * (digest(token) % 400) - rank
        return {"token": token, "logprob": round(logprob, 6), "bytes": list(token.encode("utf-8", "replace"))}

    others = [entry(piece + "'" * rank, rank) for rank in range(top)]
    return {**entry(piece, 0), "top_logprobs": others}
