"""A network as a function of position and time, for one or several simulations."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from hyco_jax.grids import interpolation
from hyco_jax.grids import quantities as meanings
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantities
from hyco_jax.types import Array, Model


def make_record(
    num_sims: int,
    num_steps: int,
    mean: np.ndarray,
    std: np.ndarray,
    driven: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """What a field has to know of the record that it is trained on.

    Args:
        num_sims: Number N of simulations.
        num_steps: Number T of steps.
        mean: Of each channel, shape `(C,)`.
        std: Their standard deviations, shape `(C,)`.
        driven: Driven channels of all simulations, shape `(N, T + 1, *S, G)`.

    Returns:
        Named arrays, float32.
    """
    record = {
        "which": np.eye(num_sims) if num_sims > 1 else np.zeros((1, 0)),
        "num_steps": np.array(num_steps),
        "mean": mean,
        "std": std,
    }
    if driven is not None:
        record["driven"] = driven
    return {name: np.asarray(value, np.float32) for name, value in record.items()}


def neural_field(
    module: nn.Module,
    domain: Domain,
    dt: float,
    quantities: Quantities,
    record: Mapping[str, np.ndarray] | None,
) -> Model:
    """Makes a model of a network (x, t) -> u; it has its own states.

    The field knows the simulations that it was trained on: it has no answer to a new
    initial state, and takes no notice of `Query.u0`.

    With as many driven channels as predicted ones, such as what lies between the
    measured temperatures of two walls, it is what the network adds to them, and in a
    closed box nothing at the walls. Else the network predicts the state itself.

    Args:
        module: See `networks.FieldNetwork`: what else is known are the driven channels
            there, or in a closed 1-D box at its ends, and, where there are several
            simulations, a one for it among zeros.
        domain: The grid of its answers to queries without points.
        dt: Time step.
        quantities: Of the state. Answers hold 0 for static ones, which are in no loss.
        record: From `make_record`. `init` puts it into the parameters, so that a
            trained model needs no data, and None for one.

    Returns:
        The model; its parameters are `{"network": those of the module}`, and beside
        them "record", constants for the trainer.
    """
    ends = _ends(domain)
    known, driven = meanings.num_known(quantities), meanings.num_driven(quantities)
    count = meanings.num_channels(quantities) - known
    adds_to_driven = driven == count

    @jax.jit
    def init(key: Array):
        values = jax.tree.map(jnp.asarray, dict(record))
        features = driven * (len(ends) or 1) + values["which"].shape[1]
        shapes = [(domain.ndim,), (), (features,)]
        network = module.lazy_init(
            key, *(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)
        )
        return {"network": network["params"], "record": values}

    def evaluate(params, sim, time, position):
        """At P points: time `(P,)` in steps, position `(P, D)` in units of length."""
        record = params["record"]
        mean, std = record["mean"], record["std"]
        features = [record["which"][sim]]
        if driven:

            def read(place):
                return _driven(record["driven"], sim, time, place, domain)

            at_points = read(position)
            seen = [read(jnp.full_like(position, end)) for end in ends] or [at_points]
            features += [(value - mean[-driven:]) / std[-driven:] for value in seen]
        share = position / jnp.asarray(domain.extent, position.dtype)
        out = jax.vmap(
            lambda *inputs: module.apply({"params": params["network"]}, *inputs)
        )(share, time / record["num_steps"], jnp.concatenate(features, axis=-1))
        out = std[:count] * out
        if adds_to_driven:
            if not domain.periodic:
                out = out * (4 * share * (1 - share)).prod(axis=-1, keepdims=True)
            out = out + at_points
        else:
            out = out + mean[:count]
        static = jnp.zeros((len(out), known - driven), out.dtype)
        return jnp.concatenate([out, static, *([at_points] if driven else [])], -1)

    def at(params, query, times, position):
        """Times since the start and positions `(B, M, ...)` -> `(B, M, C)`."""
        times = query.start[:, None] + times / dt
        sim = jnp.broadcast_to(query.sim[:, None], times.shape)
        flat = position.reshape(-1, domain.ndim)
        answers = evaluate(params, sim.ravel(), times.ravel(), flat)
        return answers.reshape(*times.shape, -1)

    def predict(params, query):
        if query.points is not None:
            return at(params, query, query.points[..., 0], query.points[..., 1:])
        shape = (len(query.sim), query.horizon, *domain.resolution)
        times = dt * jnp.arange(1, query.horizon + 1, dtype=jnp.float32)
        times = times.reshape(1, -1, *[1] * domain.ndim)
        times = jnp.broadcast_to(times, shape).reshape(len(query.sim), -1)
        answers = []
        for where, place in _places(quantities, domain):
            place = jnp.asarray(place, jnp.float32)
            place = jnp.broadcast_to(place, (*shape, domain.ndim))
            place = place.reshape(len(query.sim), -1, domain.ndim)
            answers.append(at(params, query, times, place)[..., where])
        return jnp.concatenate(answers, axis=-1).reshape(*shape, -1)

    return Model(init, predict)


def _driven(driven, sim, time, position, domain):
    """Driven channels at points, `(P, G)`; linear between cells and steps."""
    # One long record: a gather from each simulation's own would copy it.
    long = driven.reshape(-1, *driven.shape[2:])
    time = jnp.clip(time, 0, driven.shape[1] - 1) + sim * driven.shape[1]
    points = jnp.concatenate([time[:, None], position], axis=-1)
    return interpolation.at_points(long, points, domain, 1.0)


def _ends(domain):
    """Where else driven channels are seen: what drives a column acts at its ends."""
    return (0.0, domain.extent[0]) if domain.ndim == 1 and not domain.periodic else ()


def _places(quantities, domain):
    """Channels that are in one place, with the positions `(*S, D)` of its cells."""
    centres = domain.coordinates()
    for q, where in zip(
        quantities, meanings.channels(quantities).values(), strict=True
    ):
        if not q.is_staggered:
            yield where, centres
            continue
        for axis in range(domain.ndim):
            faces = centres - np.eye(domain.ndim)[axis] * domain.dx[axis] / 2
            yield slice(where.start + axis, where.start + axis + 1), faces
