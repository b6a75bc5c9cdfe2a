"""The inviscid Burgers test of HYCO-PhiFlow: a potential, from records on the grid.

Errors are those of its logs: of the solution, the relative error of rollouts from
complete states at t = 0, the mean over simulations and times, t = 0 included; and of
the potential, relative, without its mean. Each seed has simulations of its own, and the
solution's error is of those that train nothing and that no setting was chosen by.

The truth is made by the physical model's own scheme on its own grid (an "inverse
crime").
"""

from collections.abc import Callable

import numpy as np

from experiments.published.entry import Entry
from experiments.published.rollouts import rollouts
from hyco_jax.models import expansions
from hyco_jax.pde import inviscid_burgers
from hyco_jax.scoring import metrics

# Of which starts are drawn, whatever is fitted.
NUM_WAVES = 4


def make_truth(data) -> np.ndarray:
    """True states of the simulations for the test, `(N, T + 1, X, 1)`."""
    return np.asarray(data.truth.states)[list(data.test)]


def solution_error(problem, model, params, truth: np.ndarray) -> float:
    """Mean relative error of a model's rollouts, inf if one diverges."""
    found = rollouts(model, params, truth)
    return float(metrics.nrmse(found, truth, np.ones(1), problem.domain.ndim).mean())


def waves(raw, domain) -> np.ndarray:
    """The potential of a series of waves `(2K + 1,)`, without its mean, `(X,)`."""
    series = expansions.fourier(domain, len(raw) // 2, zero_mean=True)
    return np.asarray(series.value(raw))


def field(raw, domain) -> np.ndarray:
    """The potential of a value in each cell, `(X,)`, without its mean."""
    del domain
    return np.asarray(raw) - np.mean(raw)


def draw_waves(bounds, number: int, seed: int, domain):
    """Amplitudes of the longest waves, those of wave k uniform in the bounds / k."""
    del domain
    rng = np.random.default_rng(seed)
    # As `expansions.fourier` has them: the constant, then cosine and sine of each wave.
    wave = (np.arange(2 * NUM_WAVES + 1) + 1) // 2
    drawn = rng.uniform(*bounds["potential"], (number, len(wave)))
    drawn = np.where(wave > 0, drawn / np.maximum(wave, 1), 0.0)
    return {"potential": drawn.astype(np.float32)}


def draw_fields(bounds, number: int, seed: int, domain):
    """The potentials of `draw_waves` in each cell."""
    drawn = draw_waves(bounds, number, seed, domain)["potential"]
    return {"potential": np.stack([waves(raw, domain) for raw in drawn])}


def _make_entry(potential: Callable, draw_starts: Callable) -> Entry:
    """Makes the entry of a potential that raw parameters and the grid give."""

    def parameter_error(params, domain):
        exact = inviscid_burgers.sine_potential(domain)
        found = potential(params["potential"], domain)
        return float(metrics.relative_error(found, exact))

    def maps(params, domain, truth):
        del truth
        if params is None:
            return {"potential": inviscid_burgers.sine_potential(domain)}
        return {"potential": potential(params["potential"], domain)}

    return Entry(
        module=inviscid_burgers,
        make_truth=make_truth,
        solver_error=solution_error,
        parameter_error=parameter_error,
        draw_starts=draw_starts,
        maps=maps,
    )


WAVES = _make_entry(waves, draw_waves)
FIELD = _make_entry(field, draw_fields)
