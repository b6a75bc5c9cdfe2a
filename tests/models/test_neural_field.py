"""A neural field: a function of position and time, whatever grid it is asked on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.models.neural_field import make_record, neural_field
from hyco_jax.networks import FieldNetwork
from hyco_jax.types import Query

DT, STEPS = 0.5, 4
TEMPERATURE = (Quantity("temperature"),)
DRIVEN = (*TEMPERATURE, Quantity("ends", is_driven=True))
ACTIVATIONS = ["gelu", "relu", "tanh", "sine"]


def make(domain, quantities=TEMPERATURE, num_sims=1, driven=None, **options):
    count = sum(q.num_components for q in quantities)
    record = make_record(num_sims, STEPS, np.ones(count), 2 * np.ones(count), driven)
    predicted = sum(q.num_components for q in quantities if q.is_predicted)
    module = FieldNetwork(
        predicted, domain.ndim, domain.periodic, widths=(8, 8), **options
    )
    model = neural_field(module, domain, DT, quantities, record)
    return model, model.init(jax.random.key(0))


def ask(points, sim=0, horizon=STEPS):
    points = jnp.asarray(points, jnp.float32)[None]
    return Query(jnp.array([sim]), jnp.zeros(1, jnp.int32), None, points, None, horizon)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_its_answer_on_the_grid_is_that_at_the_cell_centres(ndim, periodic, activation):
    domain = Domain((3, 4, 5)[:ndim], (1.0, 2.0, 3.0)[:ndim], periodic)
    options = {"space_octaves": 2, "time_octaves": 1, "activation": activation}
    model, params = make(domain, **options)
    query = Query(jnp.array([0]), jnp.array([1]), horizon=2)
    on_grid = model.predict(params, query)
    assert on_grid.shape == (1, 2, *domain.resolution, 1)
    centres = domain.coordinates().reshape(-1, ndim)
    for step in (1, 2):
        points = np.concatenate([np.full((len(centres), 1), step * DT), centres], 1)
        at_points = model.predict(params, ask(points).replace(start=jnp.array([1])))
        np.testing.assert_allclose(
            on_grid[0, step - 1].ravel(), at_points.ravel(), rtol=1e-5, atol=1e-5
        )
    assert np.std(on_grid) > 1e-3


def test_staggered_components_are_answered_at_their_faces():
    domain = Domain((3, 4), (3.0, 4.0))
    model, params = make(domain, (Quantity("velocity", 2, is_staggered=True),))
    query = Query(jnp.array([0]), jnp.array([0]), horizon=1)
    on_grid = model.predict(params, query)[0, 0]
    centres = domain.coordinates()
    for axis in (0, 1):
        faces = centres - 0.5 * np.eye(2)[axis]
        points = np.concatenate([np.full((3, 4, 1), DT), faces], -1).reshape(-1, 3)
        at_faces = model.predict(params, ask(points))[0, :, axis]
        np.testing.assert_allclose(on_grid[..., axis].ravel(), at_faces, rtol=1e-5)


def test_it_is_periodic_in_a_periodic_box_and_has_no_corner_there():
    model, params = make(Domain((4,), (2.0,)))
    h = 1e-2
    points = [[0.3, x] for x in (0.0, 2.0, h, 2.0 - h)]
    left, right, inside, outside = model.predict(params, ask(points))[0, :, 0]
    assert left == pytest.approx(float(right), abs=1e-5)
    assert inside - left == pytest.approx(float(right - outside), rel=0.1)


def test_simulations_are_told_apart():
    model, params = make(Domain((4,), (2.0,)), num_sims=3)
    answers = [
        model.predict(params, ask([[0.3, 0.4]], sim))[0, 0, 0] for sim in range(3)
    ]
    assert len({float(a) for a in answers}) == 3


def test_with_driven_walls_it_adds_to_what_lies_between_them():
    domain = Domain((5,), (1.0,), periodic=False)
    rng = np.random.default_rng(0)
    walls = rng.normal(size=(2, STEPS + 1, 2, 1)).astype(np.float32)
    share = domain.coordinates()[None, None, :, :]
    driven = walls[:, :, :1] * (1 - share) + walls[:, :, 1:] * share
    model, params = make(domain, DRIVEN, 2, driven)
    for sim in (0, 1):
        times = DT * np.array([0.0, 1.0, 2.5, 4.0])
        for side in (0, 1):
            points = np.stack([times, np.full(4, float(side))], axis=-1)
            found = model.predict(params, ask(points, sim))
            wall = walls[sim, :, side, 0]
            exact = [wall[0], wall[1], (wall[2] + wall[3]) / 2, wall[4]]
            np.testing.assert_allclose(found[0, :, 0], exact, atol=1e-5)
            np.testing.assert_allclose(found[0, :, 1], exact, atol=1e-5)
    inside = model.predict(params, ask([[DT, 0.5]]))[0, 0]
    assert abs(inside[0] - inside[1]) > 1e-3


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_networks_start_with_outputs_of_size_one_or_less(activation):
    domain = Domain((16,), (1.0,), periodic=False)
    model, params = make(domain, activation=activation)
    answers = model.predict(
        params, Query(jnp.array([0]), jnp.array([0]), horizon=STEPS)
    )
    size = np.abs(np.asarray(answers) - 1) / 2
    assert 1e-3 < size.max() < 3


def test_a_sirens_first_layer_has_waves_of_its_frequency():
    domain = Domain((16,), (1.0,), periodic=False)
    _, params = make(domain, activation="sine", frequency=30.0)
    first = params["network"]["Dense_0"]["kernel"]
    limit = 30.0 / first.shape[0]
    assert 0.7 * limit < np.abs(first).max() <= limit
    second = np.abs(params["network"]["Dense_1"]["kernel"])
    assert 0.7 * np.sqrt(6 / 8) < second.max() <= np.sqrt(6 / 8)


def test_positions_and_times_enter_in_the_stated_ranges():
    seen = []

    def record(next_function, args, kwargs, context):
        if isinstance(context.module, nn.Dense) and not seen:
            seen.append(np.asarray(args[0]))
        return next_function(*args, **kwargs)

    network = FieldNetwork(1, 2, False, (1,), time_range=(0.0, 3.0), space_range=5.0)
    inputs = (jnp.array([0.25, 1.0]), jnp.float32(0.5), jnp.zeros(0))
    params = network.init(jax.random.key(0), *inputs)
    with nn.intercept_methods(record):
        network.apply(params, *inputs)
    np.testing.assert_allclose(seen[0], [1.5, -2.5, 5.0])
