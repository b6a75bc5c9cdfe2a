"""Linear problems, of which the textbook knows every covariance."""

import jax.numpy as jnp
import numpy as np

from hyco_jax.data import augment
from hyco_jax.types import Query, Samples
from hyco_jax.uncertainty import curvature, noise, residuals, solve
from hyco_jax.uncertainty.residuals import Inputs
from hyco_jax.uncertainty.solve import Setup


def make(matrix, targets, sigma=None, roughness=None, combine=None):
    """A linear model `y = X θ` of one channel, all in one sample of one simulation.

    Args:
        matrix: X, shape `(n, p)`.
        targets: Shape `(n,)`.
        sigma: Of the noise, if it is known.
        roughness: The penalty, of a dict with "field".
        combine: Maps the parameters to the vector θ, by default themselves.

    Returns:
        The setup, the programs and the inputs.
    """
    matrix = jnp.asarray(matrix, jnp.float32)
    count, size = matrix.shape
    times = jnp.arange(1.0, count + 1)[None, :, None]
    zero = jnp.zeros(1, jnp.int32)
    query = Query(zero, zero, None, jnp.concatenate([times, 0 * times], axis=-1))
    samples = Samples(
        query,
        jnp.asarray(targets, jnp.float32).reshape(1, count, 1),
        jnp.ones((1, count, 1)),
    )

    def predict(params, query):
        del query
        theta = params["field"] if combine is None else combine(params["field"])
        return (matrix @ theta).reshape(1, count, 1)

    def part(real):
        return augment.augment([real], [1.0], [1], 1.0)[0]

    fit = residuals.make_least_squares(
        predict,
        part,
        {"field": np.zeros(size, np.float32)},
        data=lambda real: real.targets,
        with_data=lambda real, targets: real.replace(targets=targets),
        roughness=roughness,
    )
    facts = noise.make_facts(fit, samples)
    counts, scales = facts.counts, facts.scale
    known = None if sigma is None else np.array([sigma**2])

    def make_noise(sums, degrees):
        return noise.make_noise(
            sums,
            noise.Counts(counts, counts),
            degrees,
            (scales, scales),
            known,
            np.ones(1),
        )

    setup = Setup(
        fit,
        (1, count, 1),
        noise.groups(facts),
        noise.Counts(counts, counts),
        (scales, scales),
        fit,
        False,
        make_noise,
        lambda inputs, found: None,
    )
    programs = curvature.make_curvature(fit, fit, setup.shape, size)
    return setup, programs, Inputs({}, samples)


def solution(matrix, targets, theta, **options):
    """What the data leave of the parameters at θ."""
    setup, programs, inputs = make(matrix, targets, **options)
    return solve.solve(setup, programs, jnp.asarray(theta, jnp.float32), inputs)
