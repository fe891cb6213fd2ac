"""How hard a code or maths request looks: the part of the reasoning line's price that a type alone cannot save.

One function or a grade-school sum gains two to four points from a reasoning model, contest and multi-file work fifteen to
forty. The signs are few and shallow on purpose: they only ever move effort, never the task.
"""

from __future__ import annotations

import re

from proxy.routing.view import TaskView

EASY, MEDIUM, HARD = "easy", "medium", "hard"

# Both are looked for in lower case: an engine that minds no case cannot look ahead.
_ODD_LETTERS = str.maketrans({"İ": "i", "ı": "i", "ſ": "s", "\u1c81": "д", "\u1c82": "о"})
"""Those that such an engine takes for others, and that have another lower case or none: Turkish is full of them."""
_HARD_MATH = re.compile(
    r"prove|show that|theorem|lemma|integer[s]? (?:n|k|m|such)|positive integers|real numbers|complex|polynomial|modulo|divisible|"
    r"triangle|circumc|inscribed|eigen|matrix|integral|\\int|\\sum|\\prod|\\lim|converge|derivative|differential|expected value|"
    r"random variable|permutation|how many ways|olympiad|证明|函数|椭圆|数列|докажи|beweise|démontre|demuestra|dimostra"
)
_TEX = re.compile(r"\\[a-z]{2,}|\$[^$\n]{1,80}\$|\\\[")
_HARD_CODE = re.compile(
    r"time limit|memory limit|1\s?(?:<=|≤|\\le)|10\^\d|\\leq|constraints|race condition|deadlock|memory leak|architecture|distributed|"
    r"concurren|thread-safe|multi-?file|codebase|repository|microservice|refactor the|migrate|compiler|parser|optimi[sz]e|"
    r"segmentation fault|backpropagation|from scratch|diff --git|production"
)
_FILES = re.compile(r"\b[\w/-]+\.(?:py|js|ts|tsx|java|cpp|go|rs|rb|php|cs|kt|swift)\b")


def difficulty(task: str, view: TaskView) -> str:
    """`easy`, `medium` or `hard` inside code and maths; `medium` for every other task."""
    if task == "math":
        return _math(view)
    if task == "code":
        return _code(view)
    return MEDIUM


def _lowered(text: str) -> str:
    return text.lower() if text.isascii() else text.translate(_ODD_LETTERS).lower()


def _math(view: TaskView) -> str:
    signs = len(_HARD_MATH.findall(_lowered(view.ask)))
    tex = len(_TEX.findall(view.ask))
    points = min(signs, 3) + (tex >= 1) + (tex >= 6) + (view.length > 900)
    return EASY if points == 0 else MEDIUM if points == 1 else HARD


def _code(view: TaskView) -> str:
    signs = len(_HARD_CODE.findall(_lowered(view.ask)))
    files = len(set(_FILES.findall(view.ask)))
    points = min(signs, 3) + (files >= 2) + (view.length > 2500) + (view.length > 8000)
    return EASY if points == 0 and view.length < 1200 else HARD if points >= 2 else MEDIUM
