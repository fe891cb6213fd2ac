"""From a model somebody named to the ways of serving it. Pure.

terms       what of a request decides its candidates
records     a target, the errand it is wanted for, and what was found
places      where models are served, by settings and weights
ends        which of them have ended, and who stands in for them
travellers  whose request it is, for migrations
yard        what becomes of a target: lifecycle, migrations, translation, hard limits
"""

from proxy.planning.candidates.ends import ENDED, MISSING, NOTHING_GONE, Gone
from proxy.planning.candidates.places import Place
from proxy.planning.candidates.records import Crossing, Errand, Found, Target
from proxy.planning.candidates.terms import Terms, terms_of
from proxy.planning.candidates.travellers import traveller_of
from proxy.planning.candidates.yard import Yard

__all__ = [
    "ENDED",
    "MISSING",
    "NOTHING_GONE",
    "Crossing",
    "Errand",
    "Found",
    "Gone",
    "Place",
    "Target",
    "Terms",
    "Yard",
    "terms_of",
    "traveller_of",
]
