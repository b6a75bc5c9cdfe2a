"""What the data determine of the parameters, and which combinations not, in words."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hyco_jax.uncertainty import covariance

# Eigenvalues of the scaled curvature: below, parameters are ten times, or a thousand
# times, less well determined together than each alone.
_TRADES_OFF, _UNDETERMINED = 1e-2, 1e-6
# Share of the largest entry of an eigenvector from which a parameter is named.
_NAMED_SHARE, _MOST_NAMED, _MOST_SENTENCES = 0.3, 4, 5


class Identified(NamedTuple):
    """What the data determine.

    Attributes:
        eigenvalues: Of the data's curvature, scaled to a diagonal of 1, so that
            their mean is 1, in falling order, `(p,)`.
        words: A sentence for each combination that they don't determine well.
    """

    eigenvalues: np.ndarray
    words: tuple[str, ...]


def identify(curvature: np.ndarray, names: Sequence[str]) -> Identified:
    """Looks for combinations of parameters that the data don't determine.

    Args:
        curvature: Of the data's share in the loss, `(p, p)`.
        names: Of the parameters.
    """
    diagonal = np.diag(curvature)
    idle = diagonal <= 1e-14 * max(diagonal.max(), np.finfo(float).tiny)
    words = [f"the data say nothing about {names[i]}" for i in np.flatnonzero(idle)]
    chosen = np.flatnonzero(~idle)
    _, values, vectors = covariance.factorise(curvature[np.ix_(chosen, chosen)])
    for value, vector in zip(values, vectors.T, strict=True):
        if value < _TRADES_OFF:
            words.append(_sentence(value, vector, [names[i] for i in chosen]))
    eigenvalues = np.zeros(len(diagonal))
    eigenvalues[: len(chosen)] = np.maximum(values[::-1], 0)
    hidden = len(words) - _MOST_SENTENCES
    words = words[:_MOST_SENTENCES]
    if hidden > 0:
        words.append(f"{hidden} more combinations are determined as badly")
    return Identified(eigenvalues, tuple(words))


def correlations(matrix: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """Correlations of all pairs of a few parameters, by "a, b"."""
    std = np.sqrt(np.maximum(np.diag(matrix), np.finfo(float).tiny))
    scaled = matrix / np.outer(std, std)
    return {
        f"{names[i]}, {names[j]}": float(scaled[i, j])
        for i in range(len(names))
        for j in range(i + 1, len(names))
    }


def _sentence(value, vector, names) -> str:
    sizes = np.abs(vector)
    order = np.argsort(-sizes)
    order = [i for i in order if sizes[i] > _NAMED_SHARE * sizes.max()]
    more = len(order) - _MOST_NAMED
    listed = [names[i] for i in order[:_MOST_NAMED]]
    if more > 0:
        listed.append(f"{more} others")
    if len(listed) == 1:
        return f"{listed[0]} is hardly determined by the data"
    together = f"{', '.join(listed[:-1])} and {listed[-1]}"
    if value < _UNDETERMINED:
        return (
            f"{together} trade off: the data determine one combination of them alone, "
            "not each"
            if len(listed) == 2
            else f"{together} trade off: the data don't determine one combination of "
            "them at all"
        )
    return (
        f"{together} trade off: together they are {1 / np.sqrt(value):.0f} times less "
        "well determined than each would be alone"
    )
