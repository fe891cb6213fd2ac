"""The thirteen task types a request can have, and which of them the reasoning line serves.

The names are the public answer of the router (`x-switchyard-task`). Their order is the order of the rows in the weights file.
"""

from __future__ import annotations

TASKS: tuple[str, ...] = (
    "code",
    "math",
    "reasoning",
    "agentic",
    "vision_reasoning",
    "chat",
    "writing",
    "document",
    "extraction",
    "classification",
    "translation",
    "function_call",
    "vision",
)
REASONING_TASKS: frozenset[str] = frozenset(TASKS[:5])
