"""The physical model on a grid that is finer in space and time, asked on its own."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from hyco_jax.grids import refinement, resampling
from hyco_jax.grids.quantities import Quantity, predicted_entries
from hyco_jax.models import segments, stepper
from hyco_jax.models.coefficients import Coefficient
from hyco_jax.models.physical import CoefficientSettings, make_coefficients
from hyco_jax.models.segments import Answer
from hyco_jax.problem import Problem
from hyco_jax.types import Array, Model, Params, Query

FACTOR = 2


class Refined(NamedTuple):
    """The physical model on a finer grid.

    Attributes:
        model: As that of `physical.make_physical`.
        own_states: Where that has fitted states, what it says from these, see
            `models.segments`; asked at points.
    """

    model: Model
    own_states: Callable[[Params, Query], Answer]


def refined(
    problem: Problem,
    settings: Mapping[str, CoefficientSettings],
    fits_first: bool = False,
    remat: bool = False,
) -> Refined:
    """Makes the physical model on a grid twice finer, with half its time step.

    It has the parameters of `physical.make_physical`'s model, and is asked as that is.
    A field keeps its values on the model's own grid, and, like initial states, is
    prolonged by `refinement`, so that what is left to first order is the error of the
    scheme. Data on the grid are means over cells, readings are at points. Driven
    channels are linear in time between two steps.

    Args:
        problem: The physical system.
        settings: Of each of its coefficients, by name.
        fits_first: See `segments.with_states`.
        remat: See `stepper.stepper`.

    Raises:
        ValueError: If the PDE can't be stepped there.
    """
    coarse, quantities = problem.physics_domain, problem.quantities
    fine = coarse.refined(FACTOR)
    dt = problem.dt / FACTOR
    fitted = make_coefficients(problem, settings, fine)
    own = make_coefficients(problem, settings, coarse)
    for name, options in settings.items():
        if options.kind == "field":
            fitted[name] = _prolonged(problem, name, own[name], options)
    upper = {name: coefficient.upper for name, coefficient in fitted.items()}
    step = problem.make_step(fine, dt, upper)
    model = stepper.stepper(lambda key: {}, step, fine, dt, quantities, remat)

    def init(key):
        del key
        return {n: jax.tree.map(jnp.asarray, c.raw) for n, c in own.items()}

    def values(params):
        return {name: c.value(params[name]) for name, c in fitted.items()}

    def predict(params, query):
        answers = model.predict(values(params), _to_fine(problem, query))
        if query.points is not None:
            return answers
        # Of every second step; the first answer follows the first of them.
        answers = answers[:, FACTOR - 1 :: FACTOR]
        return resampling.restrict(answers, FACTOR, quantities, fine)

    predicted = predicted_entries(quantities, fine)
    own_states = segments.with_states(
        model, None, fine, dt, quantities, predicted, fits_first
    )

    def answer(params, query):
        own = params[segments.STATES]
        # Beside the values of coefficients, which have other names.
        states = {
            segments.STATES: refinement.refine(own, FACTOR, quantities, coarse, False),
            segments.STEPS: jnp.repeat(params[segments.STEPS], FACTOR),
        }
        asked = _to_fine(problem, query.replace(u0=None))
        return own_states.answer({**values(params), **states}, asked)

    return Refined(Model(init, predict), answer)


def _to_fine(problem, query: Query) -> Query:
    domain, quantities = problem.physics_domain, problem.quantities
    are_means = query.points is None
    u0, given = query.u0, query.given
    if u0 is not None:
        u0 = refinement.refine(u0, FACTOR, quantities, domain, are_means)
    if given is not None:
        driven = [q for q in quantities if q.is_driven]
        given = _between_times(given)
        given = refinement.refine(given, FACTOR, driven, domain, are_means)
    return query.replace(u0=u0, given=given, horizon=FACTOR * query.horizon)


def _between_times(given: Array) -> Array:
    """From `(B, K + 1, *S, G)` to `(B, 2K + 1, *S, G)`, linear in time."""
    before, after = given[:, :-1, None], given[:, 1:, None]
    share = jnp.arange(FACTOR, dtype=given.dtype) / FACTOR
    share = share.reshape(-1, *[1] * (given.ndim - 2))
    inner = (1 - share) * before + share * after
    inner = inner.reshape(len(given), -1, *given.shape[2:])
    return jnp.concatenate([inner, given[:, -1:]], axis=1)


def _prolonged(problem, name, field: Coefficient, options) -> Coefficient:
    domain, role = problem.physics_domain, problem.roles[name]
    components = domain.ndim if role.is_vector else 1
    quantity = Quantity(name, components, is_staggered=role.is_staggered)

    def value(raw):
        coarse = field.value(raw)
        channels = coarse if role.is_vector else coarse[..., None]
        found = refinement.refine(channels, FACTOR, (quantity,), domain, False)
        found = found if role.is_vector else found[..., 0]
        return jnp.clip(found, *options.bounds) if options.bounds else found

    return field._replace(value=value)
