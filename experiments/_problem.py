"""What an experiment says of its physical system, and the data that come of it."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from hyco_jax import data, networks, records
from hyco_jax.domain import Domain
from hyco_jax.types import Array, Model, Params, Trajectories

# Uses of the config's seed, see `seeded_key`.
DATA, NETWORK, RUN = range(3)


class Problem(NamedTuple):
    """What an experiment has to say of its physical system.

    Attributes:
        domain: The grid that is fitted.
        model: The physical model with unknown parameters.
        simulate: Maps a key to true trajectories `(N, T + 1, *S, C)`.
        sample_u0: Maps a key and a number to initial states `(num, *S, C)`.
        coefficients: Maps params to named physical coefficients.
        true_coefficients: Their true values on the grid.
        penalty: Maps params to a term of the physical loss, or None.
    """

    domain: Domain
    model: Model
    simulate: Callable[[Array], Array]
    sample_u0: Callable[[Array, int], Array]
    coefficients: Callable[[Params], dict[str, Array]]
    true_coefficients: dict[str, np.ndarray]
    penalty: Callable[[Params], Array] | None


def seeded_key(config, use: int) -> Array:
    """The PRNG key of one use of the config's seed."""
    return jax.random.fold_in(jax.random.key(config.seed), use)


def generate_data(config, problem: Problem) -> tuple[np.ndarray, Trajectories]:
    """Simulates the truth and observes it."""
    sim_key, noise_key = jax.random.split(seeded_key(config, DATA))
    truth = problem.simulate(sim_key)
    region = data.observed_region(problem.domain, config.data.region)
    observed = data.observe(
        noise_key, truth, region, config.data.every, config.data.noise_std
    )
    return np.asarray(truth), observed


def make_network(config, problem: Problem) -> Model:
    """Makes the synthetic model that the config names."""
    u_shape = (*problem.domain.resolution, problem.domain.ndim)
    options = config.synthetic
    module = networks.make_network(
        options.name,
        u_shape,
        activation=options.activation,
        padding=options.padding,
        coordinates=options.coordinates,
        **options[options.name].to_dict(),
    )
    return networks.as_model(module, u_shape)


def select(real: Trajectories, sims: tuple[int, ...]) -> Trajectories:
    """Selects simulations."""
    weights = real.weights
    if weights.shape[0] > 1:
        weights = weights[np.array(sims)]
    return Trajectories(real.states[np.array(sims)], weights)


def static_record(config, problem: Problem) -> records.Record:
    """What is known of simulated data before they are."""
    region = data.observed_region(problem.domain, config.data.region)
    num_times = config.data.num_steps + 1
    mask = data.observation_mask(num_times, region, config.data.every)
    shape = (
        len(config.data.train_sim),
        num_times,
        *problem.domain.resolution,
        problem.domain.ndim,
    )
    return records.Record(mask.astype(np.float32), shape, 1.0)
