"""What a person would say a fact means before any data: where training starts and what the ridge penalty pulls back to.

The labelled file is small and a third templated, so what it is silent about (a Turkish proofreading request, a browser agent
without tools) is decided by these. Units are logits. Only training reads them; the weights file holds the sum.
"""

from __future__ import annotations

from collections.abc import Mapping

STRONG, FAIR, MILD = 1.5, 0.8, 0.4

_CLASS: Mapping[str, Mapping[str, float]] = {
    "translate": {"translation": 1.8},
    "langto": {"translation": 1.0},
    "summarise": {"document": 1.4},
    "extract": {"extraction": 1.4},
    "classify": {"classification": 1.3},
    "rewrite": {"writing": 1.2},
    "writingobj": {"writing": 0.6},
    "roleplay": {"writing": 0.5},
    "brainstorm": {"writing": 0.5},
    "create": {"writing": 0.2, "code": 0.1},
    "codeverb": {"code": 0.7},
    "codeobj": {"code": 0.7},
    "lang": {"code": 1.3},
    "lib": {"code": 1.4},
    "codeish": {"code": 0.25},
    "translnoun": {"translation": 0.4},
    "numword": {"reasoning": 0.1, "math": 0.2},
    "mathverb": {"math": 0.6},
    "mathnoun": {"math": 0.5},
    "quantity": {"math": 0.3},
    "unit": {"math": 0.2},
    "story": {"math": 0.1, "reasoning": 0.1},
    "puzzle": {"reasoning": 0.8},
    "plan": {"reasoning": 0.6},
    "docnoun": {"document": 0.3},
    "askchat": {"chat": 0.3},
    "smalltalk": {"chat": 0.6},
}
_ZONES: Mapping[str, float] = {"F": 1.0, "FL": 0.6, "A": 0.6, "H": 0.3, "1": 0.5}

_FACTS: Mapping[str, Mapping[str, float]] = {
    "SF.translate": {"translation": 5.0},
    "SF.classify": {"classification": 5.0},
    "SF.extract": {"extraction": 5.0},
    "SF.summarise": {"document": 5.0},
    "SF.rewrite": {"writing": 1.0},
    "SF.writingobj": {"writing": 0.6},
    "SF.codeobj": {"code": 0.4},
    "loop:waiting": {"agentic": 3.5, "code": -1.0, "chat": -1.0},
    "x.react>=2": {"agentic": 1.5},
    "x.react>=4": {"agentic": 0.8},
    "unrelated": {"function_call": -1.0, "agentic": -0.5},
    "related": {"function_call": 0.5, "agentic": 0.5},
    "topics>=1": {"function_call": 0.8, "agentic": 0.5},
    "overlap>=1": {"function_call": 0.4, "agentic": 0.3},
    "T.A.goal": {"agentic": 0.5},
    "T.A.goal>=2": {"agentic": 0.5},
    "T.A.sequence": {"agentic": 1.0, "function_call": -0.3},
    "T.A.sequence>=2": {"agentic": 1.2, "function_call": -0.3},
    "T.A.sequence>=4": {"agentic": 1.0},
    "sentences>=4": {"agentic": 0.4},
    "A.labelword>=2": {"classification": 0.5},
    "A.labelword>=4": {"classification": 0.5},
    "B.puzzle>=2": {"reasoning": 0.7},
    "B.puzzle>=4": {"reasoning": 0.8},
    "A.puzzle>=2": {"reasoning": 0.5},
    "options:maths": {"math": 0.8},
    "options:words": {"math": -0.4},
    "options:len11": {"document": 0.6},
    "options:len12": {"document": 0.8},
    "payload:last": {"classification": 0.2, "translation": 0.3},
    "T.A.callverb>=4": {"agentic": 0.5},
    "T.1.smalltalk": {"chat": 1.5},
    "T.F.codeobj": {"agentic": 0.8},
    "T.F.codeverb": {"agentic": 0.5},
    "T.A.codeobj": {"agentic": 0.4},
    "no-task-words": {"chat": 0.5},
    "T.F.writingobj": {"writing": 0.8},
    "T.systemlen:10": {"agentic": 1.0},
    "T.systemlen:11": {"agentic": 1.3},
    "T.systemlen:12": {"agentic": 1.3},
    "T.A.agentword>=2": {"agentic": 0.5},
    "topics>=4": {"agentic": 0.6},
    "matching>=4": {"agentic": 0.5},
    "schema:enums": {"classification": 3.0},
    "schema:filled": {"extraction": 1.6},
    "S:context": {"document": 2.0},
    "prose:asked-last": {"document": 1.2},
    "prose:asked-first": {"document": 0.5},
    "options:passage": {"document": 1.3, "reasoning": -0.3},
    "options:puzzle": {"reasoning": 0.6},
    "x.labels>=1": {"classification": 0.5},
    "x.either>=1": {"classification": 0.2},
    "x.slashes>=1": {"classification": 0.3},
    "x.passage>=1": {"document": 0.4},
    "x.sample>=1": {"classification": 0.3},
    "passage-then-question": {"document": 0.8},
    "code-shapes>=1": {"code": 0.3},
    "code-shapes>=2": {"code": 0.6},
    "code-shapes>=4": {"code": 0.6},
    "x.trace>=1": {"code": 0.5},
    "x.sql>=1": {"code": 0.6},
    "x.named>=1": {"code": 0.6},
    "math-shapes>=2": {"math": 0.6},
    "x.tex>=1": {"math": 0.8},
    "x.equals>=1": {"math": 0.6},
    "setup:short:0": {"reasoning": 0.6},
    "setup:short:2": {"math": 0.5},
    "setup:short:3": {"math": 0.7},
    "setup:mid:0": {"document": 0.3, "reasoning": 0.3},
    "setup:long": {"document": 0.6},
    "systemlen:12": {"document": 0.3},
    "I.A.figword": {"vision_reasoning": 0.5},
    "I.A.visreason": {"vision_reasoning": 0.8},
    "I.A.visreason>=2": {"vision_reasoning": 0.5},
    "I.figword&visreason": {"vision_reasoning": 0.6},
    "I.A.mathnoun>=2": {"vision_reasoning": 0.4},
    "I.A.mathverb": {"vision_reasoning": 0.5},
    "I.A.puzzle": {"vision_reasoning": 0.5},
    "I.A.plan": {"vision_reasoning": 0.4},
    "I.A.codeobj": {"vision_reasoning": 0.3},
    "I.A.lang": {"vision_reasoning": 0.8},
    "I.A.lib": {"vision_reasoning": 0.5},
    "I.A.seeverb": {"vision": 0.7},
    "I.A.summarise": {"vision": 0.2},
    "I.A.extract": {"vision": 0.4},
    "I.A.translate": {"vision": 0.3},
    "I.x.option>=2": {"vision_reasoning": 0.8},
    "I.x.options>=1": {"vision_reasoning": 0.5},
    "I.bare-question:5": {"vision": 0.4},
    "I.bare-question:6": {"vision": 0.3},
    "I.math-shapes>=1": {"vision_reasoning": 0.6},
}


def known() -> list[str]:
    """Every fact somebody has an opinion on, whether or not a labelled row shows it."""
    return [*_FACTS, *(f"{zone}.{name}" for zone in _ZONES for name in _CLASS)]


def prior(fact: str) -> Mapping[str, float]:
    """The logits a fact is given before training; empty for facts nobody has an opinion on."""
    said = _FACTS.get(fact)
    if said is not None:
        return said
    zone, dot, name = fact.partition(".")
    share = _ZONES.get(zone)
    if not dot or share is None or name not in _CLASS:
        return {}
    return {task: share * value for task, value in _CLASS[name].items()}
