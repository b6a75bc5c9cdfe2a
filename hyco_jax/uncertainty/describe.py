"""What is said about a row's coefficients: in the table, on disk, and in words."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from hyco_jax.grids import quantities as meanings
from hyco_jax.problem import Problem
from hyco_jax.scoring import coefficients as fitted
from hyco_jax.scoring import table
from hyco_jax.uncertainty import covariance, identifiability
from hyco_jax.uncertainty.bands import Bands
from hyco_jax.uncertainty.solve import Setup, Solution

# A chi² above it, of readings that were held out or else of those trained on, says
# that the model is wrong; or a scatter of the gradient so many times what noise makes.
MOST_CHI2, MOST_EXCESS = 1.5, 3.0
_CHI2 = ("held_out/chi2", "test/chi2", "val/chi2")


class Estimate(NamedTuple):
    """What is said about the coefficients of a row.

    Attributes:
        columns: Of the table.
        arrays: Of figures: `deviation/<name>/<row>`, standard errors on the grid of
            the data, shaped as the coefficients there.
        summary: For `eval.json`, plain values.
        inverse: Of the loss's curvature at the fit, see `refit`.
    """

    columns: dict[str, float]
    arrays: dict[str, np.ndarray]
    summary: dict[str, Any]
    inverse: Callable[[np.ndarray], np.ndarray]


def describe(
    problem: Problem,
    setup: Setup,
    solution: Solution,
    bands: Bands,
    names: Sequence[str | None],
    row: str,
    scores: Mapping[str, Any],
) -> Estimate:
    """Puts a solution into words and numbers, and logs what must not be missed.

    Args:
        problem: The physical system.
        setup: What was fitted.
        solution: What the data leave of the parameters.
        bands: Standard errors under the noise alone, and if the model is wrong.
        names: Of the parameters, from `names.name_parameters`.
        row: Of the table.
        scores: Its scores.
    """
    chi2 = next((scores[n] for n in _CHI2 if scores.get(n) is not None), None)
    chi2 = solution.noise.chi2 if chi2 is None else chi2
    is_wrong = solution.excess > MOST_EXCESS if chi2 is None else not chi2 <= MOST_CHI2
    is_robust = is_wrong and bands.robust is not None
    chosen = bands.robust if is_robust else bands.plain
    numbers = list(bands.numbers)
    errors = dict(zip(numbers, np.sqrt(np.diag(chosen.covariance)), strict=True))
    alone = dict(zip(numbers, np.sqrt(np.diag(bands.plain.covariance)), strict=True))
    identified = _identify(solution, names, chosen.covariance, numbers)
    summary = {
        "numbers": {
            name: {
                "value": float(bands.values[name]),
                "noise": float(errors[name]),
                "if_the_model_is_right": float(alone[name]),
            }
            for name in numbers
        },
        "fields": {
            name: {"median_of_bands": float(np.median(std))}
            for name, std in chosen.fields.items()
        },
        "correlations": identifiability.correlations(chosen.covariance, numbers),
        "sigma": _sigmas(problem, solution.noise.sigma),
        "observations": int(setup.counts.distinct.sum()),
        "parameters": len(names),
        "determined": solution.degrees,
        "rougher_than_penalty": solution.scale,
        "chi2": None if chi2 is None else float(chi2),
        "scatter": solution.excess,
        "is_wrong": bool(is_wrong),
        "is_robust": bool(is_robust),
        "eigenvalues": identified.eigenvalues.tolist(),
        "words": [*identified.words, *_warn(solution, chi2, is_wrong, is_robust)],
    }
    for sentence in summary["words"]:
        logging.warning("%s: %s", table.ROWS[row], sentence)
    deviations = {**chosen.fields, **errors}
    arrays = {
        f"deviation/{name}/{row}": fitted.on_data_grid(problem, name, std)
        for name, std in deviations.items()
    }
    columns = {f"{table.NOISE}{name}": float(errors[name]) for name in numbers}
    return Estimate(columns, arrays, summary, solution.inverse)


def _identify(solution, names, of_numbers, numbers) -> identifiability.Identified:
    """Of all parameters if they have names, else of the numbers once all is fitted."""
    if solution.data is not None and None not in names:
        return identifiability.identify(solution.data, names)
    if not numbers:
        return identifiability.Identified(np.zeros(0), ())
    left = covariance.factorise(of_numbers).inverse()
    return identifiability.identify(left, [n.replace("_", " ") for n in numbers])


def _warn(solution, chi2, is_wrong, is_robust) -> list[str]:
    sentences = []
    if is_wrong:
        why = (
            "residuals that are near in time resemble each other, so that the "
            f"gradient scatters {solution.excess:.1f} times as much as independent "
            "noise makes it"
        )
        if chi2 is not None:
            why = f"chi² is {chi2:.3g}"
        how = (
            "the ± allows for the scatter (sandwich form), but not for a coefficient "
            "that makes up for what the model lacks"
        )
        if not is_robust:
            how = "the ± is too small, and there are too few readings for a larger one"
        sentences.append(f"the model does not explain the data: {why}; {how}")
    if not solution.is_complete:
        sentences.append(
            "the data determine more of the field than was computed, so that its bands "
            "are too wide"
        )
    return sentences


def _sigmas(problem, sigma) -> dict[str, float]:
    channels = meanings.channel_names(problem.quantities)
    pairs = zip(channels, sigma, strict=True)
    return {name: float(value) for name, value in pairs if np.isfinite(value)}
