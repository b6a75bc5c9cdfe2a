"""What a row costs a seed: PDE solves, and evaluations of the network at points.

A solve is a rollout of the physical model over a record, with its gradient or without.
An evaluation is the network at one point in one update or answer, with its gradient or
without; where a PINN differentiates with respect to inputs, that is one too.
"""

from collections.abc import Sequence

import numpy as np

from hyco_jax.settings import Settings
from hyco_jax.stages import Prepared
from hyco_jax.types import Metrics


def total(metrics: Sequence[Metrics], model: str, name: str) -> np.ndarray:
    """Sums a metric of one model over all cycles, `(S,)`."""
    return sum(np.asarray(m[name]).sum(axis=1) for m in of_model(metrics, model))


def cycles(metrics: Sequence[Metrics], model: str) -> int:
    """Cycles that trained the model."""
    return sum(np.shape(m["score"])[1] for m in of_model(metrics, model))


def of_model(metrics, model):
    """The metrics of one model, which a warm-up may not have trained."""
    return [m[model] for m in metrics if model in m]


def solves(
    metrics: Sequence[Metrics], settings: Settings, prepared: Sequence[Prepared]
) -> float:
    """Of the physical trainer, median over seeds: its evaluations, and its scores.

    L-BFGS evaluates the shares of its loss once more at the end of a cycle; Adam's last
    evaluation is among those that it counts.
    """
    del prepared
    made = np.median(total(metrics, "physical", "evaluations"))
    extra = 2 if settings.physical.method == "lbfgs" else 1
    return float(made + extra * cycles(metrics, "physical") + 1)


def solver_answers(settings: Settings, prepared: Sequence[Prepared]) -> float:
    """Solves in which the solver answers the network in a cycle: of all points one."""
    del settings, prepared
    return 1.0


def evaluations(
    metrics: Sequence[Metrics], settings: Settings, prepared: Sequence[Prepared]
) -> float:
    """Of the synthetic trainer: its batches, and the readings that it is scored on.

    These are as many for each seed, the padded ones included.
    """
    num_rows = max(own.placed.real.scored.rows.count for own in prepared)
    updates = np.median(total(metrics, "synthetic", "count"))
    scored = (cycles(metrics, "synthetic") + 1) * num_rows
    return float(updates * settings.synthetic.batch_size + scored)


def network_answers(settings: Settings, prepared: Sequence[Prepared]) -> float:
    """Points at which the network answers the solver in a cycle."""
    return settings.hybrid.ghost_points * len(prepared[0].placed.u0)
