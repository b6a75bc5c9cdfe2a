"""Arrays survive the way through PhiFlow grids, and PhiFlow leaves JAX's dtypes."""

import dataclasses
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.grids import fields
from hyco_jax.grids.domain import Domain
from tests.x64 import enable_x64

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
    with enable_x64(dtype == "float64"):
        u = jnp.asarray(u, dtype)
        result = fields.to_array(fields.to_field(u, domain))
        assert result.dtype == u.dtype
        np.testing.assert_array_equal(result, u)


def closed(domain):
    return dataclasses.replace(domain, periodic=False)


def without_walls(u):
    """Returns a copy with zeros at the faces on the lower walls."""
    u = np.array(u)
    for axis in range(u.shape[-1]):
        np.moveaxis(u[..., axis], axis, 0)[0] = 0
    return u


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("resolution", [(5,), (5, 3), (4, 4), (2, 3, 4), (3, 3, 3)])
def test_staggered_round_trip_is_bitwise(resolution, dtype):
    domain = Domain(resolution, (2.0, 7.0, 3.0)[: len(resolution)])
    u = np.random.default_rng(0).normal(size=(*resolution, len(resolution)))
    with enable_x64(dtype == "float64"):
        u = jnp.asarray(u, dtype)

        @jax.jit
        def round_trips(u):
            boxes = domain, closed(domain)
            return [fields.to_array(fields.to_staggered(u, box)) for box in boxes]

        for result, expected in zip(round_trips(u), (u, without_walls(u)), strict=True):
            assert result.dtype == u.dtype
            np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_closed_staggered_field_is_the_same_whatever_the_walls_hold(ndim):
    domain = closed(DOMAINS[ndim])
    u = np.random.default_rng(0).normal(size=(*domain.resolution, ndim))
    field = fields.to_staggered(jnp.float32(u), domain)
    clean = fields.to_staggered(jnp.float32(without_walls(u)), domain)
    for axis in "xyz"[:ndim]:
        values, expected = (
            f.values[{"~vector": axis}].numpy([*"xyz"[:ndim]]) for f in (field, clean)
        )
        assert values.shape[0] == domain.resolution[0] - (axis == "x")
        np.testing.assert_array_equal(values, expected)
    assert field.extrapolation == fields.flow.extrapolation.ZERO


@pytest.mark.parametrize("is_periodic", [True, False], ids=["periodic", "closed"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_staggered_values_are_at_the_lower_faces(ndim, is_periodic):
    domain = dataclasses.replace(DOMAINS[ndim], periodic=is_periodic)
    names = "xyz"[:ndim]

    def function(x):
        # Says for each component where it was sampled; different in every entry.
        heights = sum((k + 2) ** 2 * x.vector[n] for k, n in enumerate(names))
        components = [(k + 1) * heights for k in range(ndim)]
        return fields.flow.math.stack(
            components, fields.flow.channel(vector=",".join(names))
        )

    flow = fields.flow
    box = flow.Box(**dict(zip(names, domain.extent, strict=True)))
    extrapolation = flow.extrapolation.PERIODIC if is_periodic else 0
    cells = dict(zip(names, domain.resolution, strict=True))

    @jax.jit
    def sample():
        field = flow.StaggeredGrid(function, extrapolation, bounds=box, **cells)
        return fields.to_array(field)

    expected = np.empty((*domain.resolution, ndim))
    for axis in range(ndim):
        x = domain.coordinates()
        x[..., axis] -= 0.5 * domain.dx[axis]
        expected[..., axis] = (axis + 1) * (x @ (np.arange(ndim) + 2.0) ** 2)
    if not is_periodic:
        expected = without_walls(expected)
    # PhiFlow computes the positions in float32.
    np.testing.assert_allclose(sample(), expected, rtol=1e-5, atol=1e-6)


def test_closed_centred_field_takes_its_extrapolation():
    domain = closed(DOMAINS[2])
    u = jnp.ones((5, 3, 1))
    extrapolation = fields.flow.extrapolation
    assert fields.to_field(u, domain).extrapolation == extrapolation.ZERO_GRADIENT
    field = fields.to_field(u, domain, extrapolation.ZERO)
    assert field.extrapolation == extrapolation.ZERO
    np.testing.assert_array_equal(fields.to_array(field), u)


def test_staggered_round_trip_can_be_traced_and_batched():
    domain = closed(DOMAINS[2])
    u = jnp.arange(60.0).reshape(2, 5, 3, 2)
    twice = jax.jit(
        jax.vmap(lambda u: fields.to_array(2 * fields.to_staggered(u, domain)))
    )
    expected = [2 * without_walls(sample) for sample in u]
    np.testing.assert_array_equal(twice(u), expected)


def test_wrong_staggered_shape_is_refused():
    for shape in [(4, 5, 3, 2), (5, 3, 3), (5, 3)]:
        with pytest.raises(ValueError, match=r"expected \(5, 3, 2\); batch with jax"):
            fields.to_staggered(jnp.zeros(shape), DOMAINS[2])
    with pytest.raises(ValueError, match="leaves no face inside a closed box"):
        fields.to_staggered(jnp.zeros((1, 3, 2)), Domain((1, 3), (1.0, 1.0), False))


def test_grid_with_faces_on_its_walls_is_refused():
    field = fields.flow.StaggeredGrid(
        0, fields.flow.extrapolation.ZERO_GRADIENT, x=4, y=3
    )
    with pytest.raises(ValueError, match="stores 5 faces for 4 cells along axis 0"):
        fields.to_array(field)


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
