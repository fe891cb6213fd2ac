"""How much evidence an estimate is, when it is looked at every second and acted on at the first look that convinces.

An ordinary test is good for one look; with many, chance crosses its line sooner or later. This one holds at all looks together:
an asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic
confidence sequences", Annals of Statistics 2024) with the one-sided normal mixture of Robbins (Howard, Ramdas, McAuliffe, Sekhon, "Time-uniform,
nonparametric, nonasymptotic confidence sequences", Annals of Statistics 2021).

Theory. With excess x, variance V, information I = 1/V and score S = x/V, exp(aS - a²I/2) is for every a > 0 a supermartingale while
the true excess is at most 0, and so is its mean over a ~ |N(0, r²)|:

    E = 2 (1 + I r²)^(-1/2) exp(z² q/2) Phi(z sqrt(q)),   z = x/sqrt(V),   q = I r² / (1 + I r²)

By Ville's inequality E ever reaches 1/alpha with probability at most alpha. `r` is the size of excess it is quickest to find, and much
larger ones would be found late; so E is the mean over three sizes (SCALES), which is a supermartingale as they are.

Where the theory is stretched. Units keep sending, so a later estimate is not the earlier one plus independent news, and no
filtration makes a difference of arms a martingale (Lindon, Kallus, arXiv 2603.25971). What the bound needs is Cov(earlier, later) >= Var(later):
a process at least as correlated in time as the one above crosses no line more often (Slepian's lemma). That is an equality for units
that all arrive before we look, or that send everything on arrival, and holds for a steady stream of new ones that keep sending.
The estimated variance and few units are met by Student's t, mapped to a normal deviate (Wallace 1959). tests/chaos holds all of it to its word.
"""

import math
from typing import Final


def normal_of(t: float, df: float) -> float:
    """The normal deviate with the tail of a Student's t; increasing in t."""
    size = math.sqrt(df * math.log1p(t * t / df)) * (8 * df + 1) / (8 * df + 3)
    return math.copysign(size, t)


def student_of(z: float, df: float) -> float:
    """The inverse of `normal_of`; infinite where there are too few units for that much certainty."""
    scaled = z * (8 * df + 3) / (8 * df + 1)
    power = scaled * scaled / df
    return math.copysign(math.sqrt(df * math.expm1(power)), z) if power < 700 else math.copysign(math.inf, z)


SCALES: Final = (1.0, 4.0, 16.0)
"""What is looked for, in multiples of the smallest excess that matters."""


def log_evidence(t: float, df: float, precision: float) -> float:
    """The logarithm of E for an estimate `t` standard errors above 0. `precision` is I r² for the smallest size looked for:
    how finely it is resolved."""
    return _mixture(normal_of(t, df), precision)[0]


def critical(alpha: float, precision: float) -> float:
    """The normal deviate at which E reaches 1/alpha (alpha < 1/2). Newton's method from above on a convex function."""
    goal = -math.log(alpha)
    finest = precision * SCALES[-1] ** 2
    z = math.sqrt(2 * (goal + math.log(len(SCALES)) + math.log1p(finest) / 2) * (1 + finest) / finest)
    for _ in range(20):
        value, slope = _mixture(z, precision)
        step = (value - goal) / slope
        z -= step
        if step < 1e-9:
            break
    return z


def _mixture(z: float, precision: float) -> tuple[float, float]:
    """The logarithm of E at a deviate, and its slope there."""
    parts = [_half_normal(z, precision * scale * scale) for scale in SCALES]
    top = max(value for value, _ in parts)
    weights = [math.exp(value - top) for value, _ in parts]
    whole = sum(weights)
    slope = sum(weight * rise for weight, (_, rise) in zip(weights, parts, strict=True)) / whole
    return top + math.log(whole / len(parts)), slope


def _half_normal(z: float, precision: float) -> tuple[float, float]:
    q = precision / (1 + precision)
    x = z * math.sqrt(q)
    log_phi = _log_phi(x)
    rise = x + math.exp(-x * x / 2 - log_phi) / math.sqrt(2 * math.pi)
    return math.log(2) - math.log1p(precision) / 2 + x * x / 2 + log_phi, rise * math.sqrt(q)


def information_needed(alpha: float) -> float:
    """I times the square of an excess, so that this excess has been found in 4 of 5 cases when the sequence looks for its size.
    The cost of knowing: units on both arms = this * variance per unit / excess²."""
    deviate = 4.0
    for _ in range(20):
        deviate = critical(alpha, (deviate + FOUR_OF_FIVE) ** 2)
    return (deviate + FOUR_OF_FIVE) ** 2


FOUR_OF_FIVE: Final = 0.8416
"""The normal deviate below which 80 % lie."""


def _log_phi(x: float) -> float:
    """The logarithm of Phi; below -8 the leading term of its tail, where erfc would underflow in the end."""
    if x > -8:
        return math.log(math.erfc(-x / math.sqrt(2)) / 2)
    return -x * x / 2 - math.log(-x * math.sqrt(2 * math.pi))
