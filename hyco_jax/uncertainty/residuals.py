"""The loss of the physical model's fit, taken apart into residuals and a prior.

The fit minimises `sum(r²) + R`: residuals r of the data, weighted as in the training,
and a penalty R. Every function here takes the fitted raw parameters as one vector x,
and what is not fitted as arguments, so that no program holds data as constants.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import struct
from jax.flatten_util import ravel_pytree

from hyco_jax.data.augment import Part
from hyco_jax.training import losses
from hyco_jax.types import Array, Params, PredictFn, Query


@struct.dataclass
class Inputs:
    """What residuals depend on beside the fitted parameters.

    Attributes:
        constants: Parameters that are not fitted.
        real: The real data, as the physical player takes them.
    """

    constants: Params
    real: Any


class LeastSquares(NamedTuple):
    """A loss taken apart.

    Attributes:
        unravel: Maps x `(p,)` to the fitted parameters by name.
        part: Maps the real data to the samples that are fitted, with the weights of
            the training.
        residuals: Maps `(x, inputs, part, index (B,))` to the residuals of these
            samples, shape `(B, n, C)`; 0 where nothing was observed.
        with_jumps: Of the same arguments: also residuals that no noise is in, such as
            the jumps between segments, shape `(B, q)`; None without any.
        coordinates: Maps `(x, inputs)` to the parameters, with each coefficient's
            physical value in the place of its raw ones.
        roughness: The penalty as a convex function of these; None without one.
        data: Maps the real data to the arrays that were measured.
        with_data: Maps real data and such arrays to real data that hold them.
    """

    unravel: Callable[[Array], Params]
    part: Callable[[Any], Part]
    residuals: Callable[[Array, Inputs, Part, Array], Array]
    with_jumps: Callable[[Array, Inputs, Part, Array], tuple[Array, Array]] | None
    coordinates: Callable[[Array, Inputs], Params]
    roughness: Callable[[Params], Array] | None
    data: Callable[[Any], Array]
    with_data: Callable[[Any, Array], Any]

    def loss(self, x: Array, inputs: Inputs) -> Array:
        """The loss of the training on real data alone, ()."""
        part = self.part(inputs.real)
        asked = x, inputs, part, jnp.arange(part.count)
        if self.with_jumps is None:
            total = jnp.sum(self.residuals(*asked) ** 2)
        else:
            total = sum(jnp.sum(r**2) for r in self.with_jumps(*asked))
        if self.roughness is not None:
            total = total + self.roughness(self.coordinates(x, inputs))
        return total


def make_least_squares(
    predict: PredictFn,
    part: Callable[[Any], Part],
    template: Params,
    *,
    data: Callable[[Any], Array],
    with_data: Callable[[Any, Array], Any],
    values: Callable[[Params], Params] = lambda params: {},
    roughness: Callable[[Params], Array] | None = None,
    with_jumps: Callable[[Params, Query], tuple[Array, Array]] | None = None,
) -> LeastSquares:
    """Takes the loss of a fit apart.

    Args:
        predict: Of the model, as it is fitted.
        part: Maps the real data to the samples that are fitted, weighted by
            `augment.augment`.
        template: The fitted parameters, by name.
        data: Maps the real data to the measured arrays.
        with_data: Maps real data and measured arrays to real data that hold them.
        values: Maps the parameters to physical values, by name.
        roughness: The penalty as a function of the parameters with these in the place
            of their raw ones.
        with_jumps: Does what `predict` does and also gives residuals without noise,
            `(B, ...)`, the mean of whose squares over samples adds to the loss.
    """
    unravel = ravel_pytree(template)[1]

    def params_of(x, inputs):
        return {**inputs.constants, **unravel(x)}

    def to_residuals(answers, samples, part):
        found = losses.residuals(answers, samples) / jnp.sqrt(1.0 * part.count)
        return found.reshape(len(found), -1, found.shape[-1])

    def residuals(x, inputs, part, index):
        samples = part.take(index)
        answers = predict(params_of(x, inputs), samples.query)
        return to_residuals(answers, samples, part)

    def both(x, inputs, part, index):
        samples = part.take(index)
        answers, jumps = with_jumps(params_of(x, inputs), samples.query)
        jumps = jumps.reshape(len(jumps), -1) / jnp.sqrt(1.0 * part.count)
        return to_residuals(answers, samples, part), jumps

    def coordinates(x, inputs):
        params = params_of(x, inputs)
        return {**params, **values(params)}

    return LeastSquares(
        unravel,
        part,
        residuals,
        None if with_jumps is None else both,
        coordinates,
        roughness,
        data,
        with_data,
    )


def windows_of(real):
    """The measured arrays of data on the grid: states, at t = 0 known exactly."""
    return real.training.states


def with_windows(real, states):
    """Real data on the grid that hold other states."""
    return real.replace(training=real.training.replace(states=states))


def readings_of(real):
    """The measured arrays of data at points."""
    return real.records.targets


def with_readings(real, targets):
    """Real data at points that hold other readings."""
    return real.replace(records=real.records.replace(targets=targets))
