"""Arrays survive the way through PhiFlow grids, and PhiFlow leaves JAX's dtypes."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax import fields
from hyco_jax.domain import Domain

DOMAINS = {
    1: Domain((5,), (2.0,)),
    2: Domain((5, 3), (2.0, 7.0)),
    3: Domain((2, 3, 4), (1.0, 2.0, 3.0)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_round_trip_is_bitwise(ndim, channels, dtype):
    domain = DOMAINS[ndim]
    u = np.random.default_rng(0).normal(size=(*domain.resolution, channels))
    with jax.enable_x64(dtype == "float64"):
        u = jnp.asarray(u, dtype)
        result = fields.to_array(fields.to_field(u, domain))
        assert result.dtype == u.dtype
        np.testing.assert_array_equal(result, u)


def test_field_knows_its_axes():
    domain = DOMAINS[2]
    u = jnp.asarray(domain.coordinates(), jnp.float32)
    field = fields.to_field(u, domain)
    # The values are the coordinates, so each component names and places its axis.
    for axis in "xy":
        np.testing.assert_allclose(
            field.values.vector[axis].native("x,y"),
            field.points.vector[axis].native("x,y"),
            rtol=1e-6,
        )
    assert field.extrapolation == fields.flow.extrapolation.PERIODIC


def test_round_trip_can_be_traced_and_batched():
    domain = DOMAINS[2]
    u = jnp.arange(60.0).reshape(2, 5, 3, 2)
    twice = jax.jit(jax.vmap(lambda u: fields.to_array(2 * fields.to_field(u, domain))))
    np.testing.assert_array_equal(twice(u), 2 * u)


@pytest.mark.parametrize("shape", [(4, 5, 3, 2), (3, 5, 2), (5, 3)])
def test_wrong_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(5, 3, C\); batch with jax.vmap"):
        fields.to_field(jnp.zeros(shape), DOMAINS[2])


@pytest.mark.parametrize("enabled", [False, True])
def test_import_leaves_x64_as_it_was(enabled):
    code = (
        f"import jax; jax.config.update('jax_enable_x64', {enabled})\n"
        "import hyco_jax.pde.burgers\n"
        f"assert jax.config.jax_enable_x64 is {enabled}\n"
        f"assert jax.numpy.zeros(3).dtype == 'float{64 if enabled else 32}'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
