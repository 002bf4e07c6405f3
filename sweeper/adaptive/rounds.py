"""The next round of a curve: which values to add and why, or why no more are needed. Pure.

A round looks at one curve once all of its points have ended. First comes bracketing (`extend` of a
sweep): one value beyond the end of the grid where the best value lies. When that has come to its
end, refinement (`refine`): values near the optimum, and halves of the intervals in which the basin
ends and in which runs begin to diverge. A round depends on nothing but the points that are there,
so that one which was interrupted is found again as it was.
"""

from sweeper.adaptive import refining
from sweeper.adaptive.bracketing import bracket
from sweeper.adaptive.steps import Added, Legal, Round, Settled
from sweeper.analysis.curves import Curve
from sweeper.analysis.stability import stability
from sweeper.spec import BracketSpec, RefinementSpec


def next_round(
    curve: Curve,
    extend: BracketSpec | None,
    refine: RefinementSpec | None,
    added: Added,
    legal: Legal,
) -> Round | Settled:
    """What to do with a curve whose points have all ended."""
    if curve.inert:
        return Settled(f"{curve.parameter} has no effect on this curve")
    lost = sum(curve.failed)
    if lost:
        points = "1 point has" if lost == 1 else f"{lost} points have"
        return Settled(f"{points} no result; `retry` trains them again and goes on")
    numbers = stability(curve, 0.05 if refine is None else refine.depth)
    if numbers.best_value is None:
        return Settled("no value has all its seeds finite, so there is no best one to go on from")
    reasons = []
    if extend is not None:
        step = bracket(curve, numbers, extend.budget - added.extended, legal)
        if isinstance(step, Round):
            return step
        reasons.append(step.reason)
    if refine is not None:
        step = refining.refine(curve, numbers, refine, refine.budget - added.refined, legal)
        if isinstance(step, Round):
            return step
        reasons.append(step.reason)
    return Settled("; ".join(reasons))
