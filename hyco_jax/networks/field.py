"""A network of position and time, for neural fields."""

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from hyco_jax.networks import convolution
from hyco_jax.types import Array

ACTIVATIONS = {
    "gelu": nn.gelu,
    "relu": nn.relu,
    "tanh": jnp.tanh,
    "sine": jnp.sin,
}


class FieldNetwork(nn.Module):
    """An MLP of waves of position and time, and of what else is known there.

    With the activation "sine" it is a SIREN (Sitzmann et al. 2020): the first layer's
    waves have frequencies of up to `frequency`, and the weights are drawn as there.
    With "relu" they are Xavier's, uniform, as published for HYCO's heat tests; else
    LeCun's, with which soil's field fits its sensors better than with Xavier's.

    Attributes:
        num_outputs: Channels that it predicts.
        ndim: Number of spatial axes.
        periodic: Whether the box is: only waves of a position are seen then.
        widths: Of the hidden layers.
        activation: One of `ACTIVATIONS`.
        scale: Factor of what it predicts.
        space_octaves: Waves of each coordinate, of 1, 2, 4, ... periods in the box, at
            least one in a periodic box.
        time_octaves: Waves of time, of 1, 2, 4, ... periods in the record.
        space_range: Half the length that the box has as an input.
        time_range: Start and end of the record as an input.
        frequency: Of a SIREN's first layer.
        starts_at_zero: Whether it predicts 0 before it is trained.
        precision: Of matrix products, "default", "high" or "highest".
    """

    num_outputs: int
    ndim: int
    periodic: bool
    widths: tuple[int, ...] = (128, 128, 128)
    activation: str = "tanh"
    scale: float = 1.0
    space_octaves: int = 0
    time_octaves: int = 0
    space_range: float = 1.0
    time_range: tuple[float, float] = (-1.0, 1.0)
    frequency: float = 30.0
    starts_at_zero: bool = False
    precision: str = "default"

    @nn.compact
    def __call__(self, position: Array, time: Array, known: Array) -> Array:
        """Predicts the channels at one point.

        Args:
            position: By the extent, in [0, 1], shape `(D,)`.
            time: By the record's length, in [0, 1], shape `()`.
            known: What else is known there, of size about 1, shape `(F,)`.

        Returns:
            Shape `(num_outputs,)`, of size about 1.
        """
        start, end = self.time_range
        x = jnp.concatenate(
            [
                _waves(position, max(self.space_octaves, int(self.periodic))),
                _waves(time[None], self.time_octaves),
                start + (end - start) * time[None],
                known,
            ]
        )
        if not self.periodic:
            x = jnp.concatenate([x, self.space_range * (2 * position - 1)])
        activate = ACTIVATIONS[self.activation]
        for layer, width in enumerate(self.widths):
            x = activate(self._dense(width, layer)(x))
        return self.scale * self._dense(self.num_outputs, len(self.widths))(x)

    def _dense(self, width, layer):
        precision = convolution.jax_precision(self.precision)
        init = nn.initializers.lecun_normal()
        if self.activation == "relu":
            init = nn.initializers.glorot_uniform()
        elif self.activation == "sine":
            init = _first_of_siren(self.frequency)
            if layer > 0:
                # Uniform in ± sqrt(6 / inputs).
                init = nn.initializers.variance_scaling(2.0, "fan_in", "uniform")
        if self.starts_at_zero and layer == len(self.widths):
            init = nn.initializers.zeros
        return nn.Dense(width, kernel_init=init, precision=precision)


def _waves(x, octaves):
    """Sine and cosine of 1, 2, 4, ... periods in [0, 1], `(2 octaves len(x),)`."""
    periods = 2.0 ** np.arange(octaves)
    phase = 2 * np.pi * x[:, None] * jnp.asarray(periods, x.dtype)
    return jnp.concatenate([jnp.sin(phase).ravel(), jnp.cos(phase).ravel()])


def _first_of_siren(frequency):
    def init(key, shape, dtype=jnp.float32):
        draw = nn.initializers.uniform(2 * frequency / shape[0])
        return draw(key, shape, dtype) - frequency / shape[0]

    return init
