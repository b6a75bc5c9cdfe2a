"""What an experiment says of its physical system, and the data that come of it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments import _check, _coefficients
from hyco_jax import networks
from hyco_jax.data import data
from hyco_jax.grids import quantities as state
from hyco_jax.grids import resampling
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.models import coefficients
from hyco_jax.models.coefficients import Coefficient, Role
from hyco_jax.training import losses
from hyco_jax.types import Array, Model, Params, PdeStep, Trajectories

# Uses of the config's seed, see `seeded_key`.
DATA, NETWORK, RUN = range(3)


class Problem(NamedTuple):
    """A physical system to be identified.

    Attributes:
        domain: The grid of the data.
        quantities: What the channels of a state are.
        physics_domain: The grid of the physical model.
        model: The physical model with unknown parameters.
        simulate: Maps a key to true trajectories `(N, T + 1, *S, C)`.
        sample_u0: Maps a key and a number to initial states `(num, *S, C)`.
        coefficients: Maps params to named physical coefficients.
        true_coefficients: The true values of the learnable ones, on the physical grid.
        penalty: Maps params to a term of the physical loss, or None.
        diagnostics: Maps a state on the physical grid to named numbers, or None.
        limits: Largest values of diagnostics that are sound.
    """

    domain: Domain
    quantities: tuple[Quantity, ...]
    physics_domain: Domain
    model: Model
    simulate: Callable[[Array], Array]
    sample_u0: Callable[[Array, int], Array]
    coefficients: Callable[[Params], dict[str, Array]]
    true_coefficients: dict[str, np.ndarray]
    penalty: Callable[[Params], Array] | None
    diagnostics: Callable[[Domain, Array], dict[str, Array]] | None
    limits: Mapping[str, float]

    @property
    def factor(self) -> int:
        """How many times coarser the physical grid is."""
        return self.domain.resolution[0] // self.physics_domain.resolution[0]

    @property
    def predicted(self) -> np.ndarray:
        """Entries that models predict, see `state.predicted_entries`."""
        return state.predicted_entries(self.quantities, self.domain)


def make_problem(
    config,
    *,
    roles: Mapping[str, Role],
    quantities: Callable[[Domain], tuple[Quantity, ...]],
    make_step: Callable[[Domain, float, Mapping[str, float]], PdeStep],
    sample_u0: Callable[[Array, Domain, int], Array],
    true_values: Callable[[Domain], Mapping[str, np.ndarray | float]],
    rules: Mapping[str, Any] | None = None,
    periodic: bool = True,
    diagnostics: Callable[[Domain, Array], dict[str, Array]] | None = None,
    limits: Mapping[str, float] | None = None,
) -> Problem:
    """Makes a physical system from a config and what the experiment says of its PDE.

    Args:
        config: As `configs.base.get_config` makes it, with a section for each
            coefficient.
        roles: The PDE's coefficients, by name.
        quantities: Maps the grid to what the channels of a state are.
        make_step: Maps grid, time step and the largest value of each coefficient to
            `step(values, u)`.
        sample_u0: Maps a key, the grid and a number to initial states `(num, *S, C)`.
        true_values: Maps the grid to the coefficients that the data are made with.
        rules: Of the config's keys that only this experiment has, see `_check.check`.
        periodic: Whether the box is periodic, else closed.
        diagnostics: Maps grid and state to named numbers, evaluated in rollouts.
        limits: Largest values of diagnostics that are sound.

    Raises:
        ValueError: If a value of the config is not allowed.
    """
    _check.check(config, dict(rules or {}) | _coefficients.rules(roles))
    if not periodic and config.synthetic.padding == "CIRCULAR":
        _check.fail("synthetic.padding", "CIRCULAR", "'SAME' in a closed box")
    domain = Domain(config.pde.resolution, config.pde.extent, periodic)
    physics_domain = _physics_domain(config, domain)
    quantities = quantities(domain)
    truth = dict(true_values(physics_domain))
    fitted = {
        name: _coefficients.make(config, name, role, physics_domain, truth[name])
        for name, role in roles.items()
    }
    upper = {name: coefficient.upper for name, coefficient in fitted.items()}
    model = coefficients.make_model(
        fitted, make_step(physics_domain, config.pde.dt, upper)
    )

    def simulate(key):
        factor = config.data.refine
        fine = domain.refined(factor)
        values = {k: np.asarray(v, np.float32) for k, v in true_values(fine).items()}
        largest = {name: float(value.max()) for name, value in values.items()}
        step = make_step(fine, config.pde.dt / factor, largest)
        u0 = sample_u0(key, fine, config.data.num_sims)
        return data.simulate(
            step,
            jax.tree.map(jnp.asarray, values),
            u0,
            config.data.num_steps,
            factor,
            lambda u: resampling.restrict(u, factor, quantities, fine),
        )

    learnable = config.physical.learnable

    def values_of(params):
        values = coefficients.values(fitted, params)
        return {name: values[name] for name in learnable}

    def penalty(params):
        terms = [
            losses.h1_penalty(value, physics_domain)
            for value in values_of(params).values()
        ]
        return config.physical.h1_weight * sum(terms)

    return Problem(
        domain,
        quantities,
        physics_domain,
        model,
        simulate,
        lambda key, num_samples: sample_u0(key, domain, num_samples),
        jax.jit(values_of),
        {name: _like_value(fitted[name], truth[name]) for name in learnable},
        penalty if config.physical.h1_weight else None,
        diagnostics,
        dict(limits or {}),
    )


def seeded_key(config, use: int) -> Array:
    """The PRNG key of one use of the config's seed."""
    return jax.random.fold_in(jax.random.key(config.seed), use)


def generate_data(config, problem: Problem) -> tuple[np.ndarray, Trajectories]:
    """Simulates the truth and observes it."""
    sim_key, noise_key = jax.random.split(seeded_key(config, DATA))
    truth = problem.simulate(sim_key)
    region = data.observed_region(problem.domain, config.data.region)
    observed = data.observe(
        noise_key,
        truth,
        region,
        config.data.every,
        config.data.noise_std,
        problem.quantities,
        problem.predicted,
    )
    return np.asarray(truth), observed


def make_network(config, problem: Problem, real: Trajectories | None = None) -> Model:
    """Makes the synthetic model that the config names.

    Args:
        config: A checked config.
        problem: The physical system.
        real: The observed training data, whose mean and variance normalise inputs and
            outputs if `synthetic.normalise` is set.
    """
    u_shape = (*problem.domain.resolution, state.num_channels(problem.quantities))
    options = config.synthetic
    module = networks.make_network(
        options.name,
        u_shape,
        activation=options.activation,
        padding=options.padding,
        coordinates=options.coordinates,
        residual=options.residual,
        scale=options.scale,
        learn_scale=options.learn_scale,
        precision=options.precision,
        static=state.num_static(problem.quantities),
        **options[options.name].to_dict(),
    )
    predicted = problem.predicted
    return networks.as_model(
        module,
        u_shape,
        predicted=None if predicted.all() else predicted,
        normalisation=(
            data.normalisation(real, problem.quantities)
            if options.normalise and real is not None
            else None
        ),
    )


def select(real: Trajectories, sims: tuple[int, ...]) -> Trajectories:
    """Selects simulations."""
    weights = real.weights
    if weights.shape[0] > 1:
        weights = weights[np.array(sims)]
    return Trajectories(real.states[np.array(sims)], weights)


def _like_value(coefficient: Coefficient, truth) -> np.ndarray:
    """A true value, a number perhaps, in the shape of the fitted one."""
    shape = jax.eval_shape(coefficient.value, coefficient.raw).shape
    truth = np.asarray(truth, np.float64)
    return np.broadcast_to(truth, np.broadcast_shapes(shape, truth.shape))


def _physics_domain(config, domain: Domain) -> Domain:
    resolution = config.pde.physics_resolution or domain.resolution
    factor = domain.resolution[0] // resolution[0]
    if tuple(n * factor for n in resolution) != domain.resolution:
        _check.fail(
            "pde.physics_resolution",
            resolution,
            f"() or pde.resolution={domain.resolution} divided by a whole number",
        )
    return domain.coarsened(factor)
