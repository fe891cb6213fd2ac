"""Verdicts that are remembered: a conversation asks about its opening again with every turn.

A pure memo. What is classified is a view of clipped strings, so equal views have equal verdicts, and whether one was
remembered can be told by the time only.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from proxy.routing.classifier import Classifier, Verdict
from proxy.routing.view import read

_KEPT: Final = 256
"""Views of at most some 4 KB each: 1 MB when every request is new and long."""


class Verdicts:
    """A classifier with a memory for the requests it saw last."""

    __slots__ = ("_classifier", "_judge")

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._judge = lru_cache(_KEPT)(classifier.classify)

    def of(self, request: Mapping[str, object]) -> Verdict:
        """The verdict on a decoded body, without evidence."""
        return self._judge(read(request))

    def explained(self, request: Mapping[str, object]) -> Verdict:
        """The same verdict with its evidence."""
        return self._classifier.explain(request)
