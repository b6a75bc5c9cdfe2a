import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.grids import interpolation
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity

pytestmark = pytest.mark.usefixtures("strict_numerics")

DT = 0.5
NUM_STEPS = 4
# Powers of two, so that cell centres and time steps are exact numbers.
EXTENT = (2.0, 0.5, 4.0)
RESOLUTION = (8, 4, 2)
DIMENSIONS = pytest.mark.parametrize("ndim", [1, 2, 3])
BOXES = pytest.mark.parametrize("periodic", [True, False], ids=["periodic", "walls"])


def box(ndim, periodic):
    return Domain(RESOLUTION[:ndim], EXTENT[:ndim], periodic)


def sample_points(key, domain, num_points=50):
    top = jnp.array([[NUM_STEPS * DT, *domain.extent]])
    return top * jax.random.uniform(key, (num_points, 1 + domain.ndim))


def sample_trajectory(key, domain, num_channels=2):
    return jax.random.normal(key, (NUM_STEPS + 1, *domain.resolution, num_channels))


def multilinear(t, *x):
    """The product of a linear function of the time and one of each coordinate."""
    result = 1 - 0.7 * t
    for i, coordinate in enumerate(x):
        result = result * (0.3 + (i + 1) * coordinate)
    return result


def on_grid(function, domain, offsets=None):
    """A trajectory `(K + 1, *S, 1)` at centres, moved by offsets in cells."""
    times = DT * np.arange(NUM_STEPS + 1)
    offsets = offsets or (0.0,) * domain.ndim
    axes = [
        (np.arange(n) + 0.5 + offset) * h
        for n, h, offset in zip(domain.resolution, domain.dx, offsets, strict=True)
    ]
    values = function(*np.meshgrid(times, *axes, indexing="ij"))
    return jnp.asarray(values[..., None], jnp.float32)


@DIMENSIONS
def test_a_multilinear_function_is_exact_up_to_the_walls(ndim, key):
    domain = box(ndim, periodic=False)
    points = sample_points(key, domain)
    ends = itertools.product((0.0, NUM_STEPS * DT), *[(0.0, x) for x in domain.extent])
    points = jnp.concatenate([points, jnp.array(list(ends))])
    values = interpolation.at_points(on_grid(multilinear, domain), points, domain, DT)
    expected = multilinear(*np.asarray(points, np.float64).T)
    np.testing.assert_allclose(values[:, 0], expected, rtol=1e-5, atol=1e-5)


@DIMENSIONS
def test_what_is_constant_in_space_is_linear_in_time_across_the_border(ndim, key):
    domain = box(ndim, periodic=True)
    points = sample_points(key, domain).at[:5, 1].set(0.0)
    trajectory = on_grid(lambda t, *x: 2 - 3 * t, domain)
    values = interpolation.at_points(trajectory, points, domain, DT)
    np.testing.assert_allclose(values[:, 0], 2 - 3 * points[:, 0], atol=1e-5)


def test_periods_of_the_box_lead_to_the_same_value(key):
    domain = box(2, periodic=True)
    trajectory, points = sample_trajectory(key, domain), sample_points(key, domain)
    shift = jnp.array([[0.0, -2 * domain.extent[0], domain.extent[1]]])
    values = interpolation.at_points(trajectory, points, domain, DT)
    moved = interpolation.at_points(trajectory, points + shift, domain, DT)
    np.testing.assert_allclose(moved, values, atol=1e-5)


def test_the_border_of_a_periodic_box_is_the_mean_of_its_two_cells(key):
    domain = box(1, periodic=True)
    trajectory = sample_trajectory(key, domain)
    for x in (0.0, domain.extent[0]):
        value = interpolation.at_points(trajectory, jnp.array([[DT, x]]), domain, DT)
        expected = (trajectory[1, 0] + trajectory[1, -1]) / 2
        np.testing.assert_allclose(value[0], expected, rtol=1e-6)


@BOXES
def test_a_sine_is_interpolated_to_second_order(periodic, key):
    def function(t, x):
        return np.sin(2 * np.pi * x) * np.cos(t)

    errors = []
    for n in (8, 16, 32, 64):
        domain, dt = Domain((n,), (1.0,), periodic), 2.0 / n
        times, x = dt * np.arange(n + 1), domain.coordinates()[:, 0]
        trajectory = jnp.asarray(function(times[:, None], x[None])[..., None])
        points = jnp.array([[2.0, 1.0]]) * jax.random.uniform(key, (4000, 2))
        values = interpolation.at_points(trajectory, points, domain, dt)[:, 0]
        errors.append(np.abs(values - function(*np.asarray(points).T)).max())
    order = -np.polyfit(np.arange(4), np.log2(errors), 1)[0]
    assert order == pytest.approx(2, abs=0.2)


@BOXES
@DIMENSIONS
def test_a_cell_centre_at_a_time_step_has_the_value_of_the_grid(ndim, periodic, key):
    domain = box(ndim, periodic)
    trajectory = sample_trajectory(key, domain)
    centres = domain.coordinates().reshape(-1, ndim)
    for step in (0, 2, NUM_STEPS):
        times = np.full((len(centres), 1), step * DT)
        points = jnp.asarray(np.concatenate([times, centres], axis=1))
        values = interpolation.at_points(trajectory, points, domain, DT)
        np.testing.assert_array_equal(values, trajectory[step].reshape(values.shape))


def test_times_and_places_outside_are_moved_to_the_nearest_inside(key):
    domain = box(1, periodic=False)
    trajectory = sample_trajectory(key, domain)
    outside = jnp.array([[-3.0, 0.3], [99.0, 0.3], [0.7, -5.0], [0.7, 7.0]])
    inside = jnp.array([[0.0, 0.3], [NUM_STEPS * DT, 0.3], [0.7, 0.0], [0.7, 2.0]])
    np.testing.assert_array_equal(
        interpolation.at_points(trajectory, outside, domain, DT),
        interpolation.at_points(trajectory, inside, domain, DT),
    )


@BOXES
@DIMENSIONS
def test_the_transpose_is_that_of_the_map(ndim, periodic, key):
    domain = box(ndim, periodic)
    quantities = (Quantity("p"), Quantity("u", ndim, is_staggered=True))
    points = sample_points(key, domain)

    def interpolate(trajectory):
        return interpolation.at_points(trajectory, points, domain, DT, quantities)

    trajectory = sample_trajectory(key, domain, 1 + ndim)
    values, pull_back = jax.vjp(interpolate, trajectory)
    cotangent = jax.random.normal(key, values.shape)
    # <A x, y> = <x, A^T y>
    left = np.vdot(values, cotangent)
    right = np.vdot(trajectory, pull_back(cotangent)[0])
    scale = np.linalg.norm(values) * np.linalg.norm(cotangent)
    assert abs(left - right) < 1e-5 * scale


@DIMENSIONS
def test_a_staggered_component_is_multilinear_between_its_faces(ndim, key):
    domain = box(ndim, periodic=False)
    quantities = (Quantity("u", ndim, is_staggered=True),)
    components, expected = [], []
    points = sample_points(key, domain)
    t, *places = np.asarray(points, np.float64).T
    for axis, (length, h) in enumerate(zip(domain.extent, domain.dx, strict=True)):

        def tent(t, *x, axis=axis, top=length - h, length=length, h=h):
            # 0 at both walls, with its kink at the last face.
            shape = np.minimum(x[axis] / top, (length - x[axis]) / h)
            others = [x[i] for i in range(len(x)) if i != axis]
            return shape * multilinear(t, *others)

        offsets = [0.0] * ndim
        offsets[axis] = -0.5
        components.append(on_grid(tent, domain, offsets))
        expected.append(tent(t, *places))
    trajectory = jnp.concatenate(components, axis=-1)
    values = interpolation.at_points(trajectory, points, domain, DT, quantities)
    np.testing.assert_allclose(values, np.stack(expected, -1), rtol=1e-4, atol=1e-5)


@BOXES
def test_walls_hold_a_staggered_component_at_zero_and_periods_do_not(periodic, key):
    domain = box(1, periodic)
    quantities = (Quantity("u", 1, is_staggered=True),)
    trajectory = sample_trajectory(key, domain, 1)
    upper = jnp.array([[DT, domain.extent[0]]])
    value = interpolation.at_points(trajectory, upper, domain, DT, quantities)
    expected = trajectory[1, 0] if periodic else jnp.zeros(1)
    np.testing.assert_array_equal(value[0], expected)


def test_each_channel_is_where_its_quantity_is(key):
    domain = box(2, periodic=True)
    quantities = (
        Quantity("p"),
        Quantity("u", 2, is_staggered=True),
        Quantity("k", is_static=True),
    )
    trajectory = sample_trajectory(key, domain, 4)
    # Of cell (3, 1): its centre, and the middles of its lower faces.
    places = jnp.array([[3.5, 1.5], [3.0, 1.5], [3.5, 1.0], [3.5, 1.5]])
    points = jnp.pad(places * jnp.array([domain.dx]), ((0, 0), (1, 0)))
    values = interpolation.at_points(trajectory, points, domain, DT, quantities)
    np.testing.assert_array_equal(jnp.diag(values), trajectory[0, 3, 1])


def test_vmap_is_a_loop(key):
    domain = box(2, periodic=False)
    trajectories = jnp.stack(
        [sample_trajectory(k, domain) for k in jax.random.split(key, 3)]
    )
    points = jnp.stack([sample_points(k, domain) for k in jax.random.split(key, 3)])

    def interpolate(trajectory, points):
        return interpolation.at_points(trajectory, points, domain, DT)

    batch = jax.vmap(interpolate)(trajectories, points)
    for i in range(3):
        np.testing.assert_allclose(
            batch[i], interpolate(trajectories[i], points[i]), rtol=1e-6, atol=1e-6
        )


@BOXES
@DIMENSIONS
def test_the_gradient_by_the_points_is_a_difference_inside_a_cell(ndim, periodic, key):
    domain = box(ndim, periodic)
    trajectory = sample_trajectory(key, domain)
    # Between centres and between time steps, a tenth of a cell to go either way.
    place = jnp.array([[1.3, *(1.7, 0.8, 0.9)[:ndim]]])
    cell = jnp.array([[DT, *domain.dx]])

    def total(points):
        return interpolation.at_points(trajectory, points, domain, DT).sum()

    gradient = jax.grad(total)(place * cell)
    for axis in range(1 + ndim):
        step = 0.1 * cell * jnp.eye(1 + ndim)[axis][None]
        # Linear along every axis, so that a difference is exact but for rounding.
        rise = total(place * cell + step) - total(place * cell - step)
        expected = rise / (2 * step[0, axis])
        scale = 10 / cell[0, axis]
        np.testing.assert_allclose(gradient[0, axis], expected, atol=1e-5 * scale)


def test_float32_stays_float32_whatever_the_points(key):
    domain = box(1, periodic=True)
    trajectory = sample_trajectory(key, domain)
    points = sample_points(key, domain)
    assert interpolation.at_points(trajectory, points, domain, DT).dtype == jnp.float32
    with_half = interpolation.at_points(
        trajectory.astype(jnp.bfloat16), points, domain, DT
    )
    assert with_half.dtype == jnp.bfloat16


def test_a_lone_state_and_a_lone_cell_are_constant():
    domain = Domain((1,), (2.0,), periodic=False)
    points = jnp.array([[0.0, 0.0], [5.0, 1.7]])
    value = jnp.full((1, 1, 1), 3.0)
    values = interpolation.at_points(value, points, domain, DT)
    np.testing.assert_array_equal(values, [[3.0], [3.0]])


@pytest.mark.parametrize(
    "shape, points, message",
    [
        ((5, 4, 1), (3, 2), r"shape \(5, 4, 1\), expected \(K \+ 1, 8, C\)"),
        ((2, 5, 8, 1), (3, 2), "batch with jax.vmap"),
        ((5, 8, 1), (3, 3), r"\(3, 3\), expected \(M, 2\): time and position"),
        ((5, 8, 2), (3, 2), r"2 channels, expected 1, those of \['u'\]"),
    ],
    ids=["resolution", "batch", "points", "channels"],
)
def test_arrays_of_another_shape_are_refused(shape, points, message):
    with pytest.raises(ValueError, match=message):
        interpolation.at_points(
            jnp.zeros(shape),
            jnp.zeros(points),
            box(1, periodic=True),
            DT,
            (Quantity("u"),),
        )


def test_many_points_are_taken_in_chunks(monkeypatch, key):
    domain = box(2, periodic=False)
    points = jnp.stack([sample_points(k, domain, 17) for k in jax.random.split(key)])
    trajectories = jnp.stack([sample_trajectory(k, domain) for k in [key, key]])

    def both():
        def loss(u):
            found = jax.vmap(lambda u, x: interpolation.at_points(u, x, domain, DT))(
                u, points
            )
            return jnp.sum(jnp.sin(found)), found

        (_, found), slope = jax.value_and_grad(loss, has_aux=True)(trajectories)
        return found, slope

    whole, slope = both()
    monkeypatch.setattr(interpolation, "_CHUNK", 7)
    found, gradient = both()
    np.testing.assert_allclose(found, whole, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(gradient, slope, atol=1e-6)
    assert np.abs(slope).max() > 0.1
