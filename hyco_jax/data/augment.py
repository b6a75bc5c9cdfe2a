"""Real and generated data joined into one weighted set."""

from collections.abc import Sequence

import jax.numpy as jnp

from hyco_jax.data.windows import Windows
from hyco_jax.types import Array, Samples

Part = Windows | Samples


def augment(
    parts: Sequence[Part],
    alphas: Sequence[Array | float],
    counts: Sequence[int],
    scale: Array | float,
) -> tuple[Part, ...]:
    """Joins real and generated samples into one weighted set.

    A trainer minimises the mean over samples of `sum(w r²)`. The weights are scaled so
    that this mean is `sum_i alpha_i <r² / scale>_i`, with `<>_i` the weighted mean over
    the entries of part i: `LossReal + alpha LossGenerated`, whatever the number of
    samples in each part.

    Args:
        parts: The samples, real ones first.
        alphas: The weight of each part's loss, 1 for the real part; of windows also
            one for each simulation, shape `(N,)`.
        counts: Samples of each part in a batch (or in all, for a full-batch trainer).
        scale: What a square is measured by: the variance of the real data, a number or
            one for each channel, shape `(C,)`.

    Returns:
        The parts with their weights replaced.
    """
    total = sum(counts)

    def by_axis(alpha, part):
        return jnp.reshape(alpha, (-1, *[1] * (part.targets.ndim - 1)))

    scale = jnp.reshape(scale, (1,) * (parts[0].targets.ndim - 1) + (-1,))
    return tuple(
        part.replace(
            weights=(part.weights / scale)
            * by_axis(alpha * total / (count * part.mean_weight()), part)
        )
        for part, alpha, count in zip(parts, alphas, counts, strict=True)
    )
