"""The published heat test: walls at nodes, moving sensors, errors as published."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from hyco_jax.config import schema
from hyco_jax.grids.domain import Domain
from hyco_jax.models import stepper
from hyco_jax.pde import heat, heat_sensors


def node_step(domain, dt, substeps=1):
    upper = {"conductivity": 1.0}
    return heat.make_step(domain, dt, upper, "laplacian", substeps, True, "euler")


def sines(domain, waves):
    """A mode of the walls at nodes, 0 at the outermost cells."""
    index = np.indices(domain.resolution)
    n = domain.resolution[0]
    modes = [np.sin(np.pi * m * i / (n - 1)) for m, i in zip(waves, index, strict=True)]
    return np.prod(modes, axis=0)[..., None]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("waves", [(1, 1), (2, 3)])
def test_a_mode_of_the_discrete_laplacian_decays_by_its_eigenvalue(waves):
    domain = heat_sensors.node_domain(10)
    dt, kappa = 1e-3, 0.7
    u = jnp.asarray(sines(domain, waves))
    after = node_step(domain, dt)({"conductivity": jnp.full((10, 10), kappa)}, u)
    rate = sum(4 * np.sin(np.pi * m / 18) ** 2 for m in waves) / domain.dx[0] ** 2
    np.testing.assert_allclose(after, (1 - dt * kappa * rate) * u, atol=1e-14)
    number = node_step(domain, dt)({"conductivity": jnp.asarray(kappa)}, u)
    np.testing.assert_allclose(number, after, atol=1e-14)
    for axis in (0, 1):
        for side in (0, -1):
            assert not np.moveaxis(np.asarray(after), axis, 0)[side].any()


@pytest.mark.usefixtures("x64")
def test_walls_at_nodes_are_second_order():
    errors = []
    for nodes, steps in ((9, 8), (17, 32), (33, 128)):
        domain = heat_sensors.node_domain(nodes)
        step = node_step(domain, 0.4 / steps)
        u = stepper.rollout(
            lambda params, u, step=step: step({"conductivity": params}, u),
            jnp.ones((nodes, nodes)),
            jnp.asarray(sines(domain, (1, 2))),
            steps,
        )
        exact = np.exp(-5 * (np.pi / 6) ** 2 * 0.4) * sines(domain, (1, 2))
        errors.append(np.abs(u[-1] - exact).max())
    assert (np.log2(np.divide(errors[:-1], errors[1:])) > 1.9).all()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "pde.boundary='nodes'.*without sensors"),
        ({"form": "divergence"}, "without sensors"),
        ({"physics_resolution": (32, 32)}, "without sensors"),
    ],
)
def test_walls_at_nodes_are_those_of_the_published_test_alone(changes, text):
    settings = schema.from_dict(heat.Settings(), {"boundary": "nodes"} | changes)
    with pytest.raises(ValueError, match=text):
        heat.make_problem(settings)


def test_walls_at_nodes_need_the_published_form():
    box = Domain((8, 8), (1.0, 1.0), periodic=False)
    with pytest.raises(ValueError, match="form='laplacian' in a closed box"):
        heat.make_step(box, 1e-3, {"conductivity": 1.0}, "divergence", None, True)


@pytest.mark.parametrize("part", heat_sensors.PARTS)
def test_sensors_follow_their_equation(part):
    places = heat_sensors.paths(part)[..., ::-1]
    low = heat_sensors.PARTS[part]
    middle = (low + 3) / 2
    matrix = np.array([[-0.1, -1.0], [1.0, -0.1]])
    assert places.shape == (100, 100, 2)
    np.testing.assert_allclose(places[0].min(), low)
    np.testing.assert_allclose(places[0].max(), 3.0)
    for k in (0, 37, 99):
        moved = middle + (places[0] - middle) @ expm(0.01 * k * matrix).T
        np.testing.assert_allclose(places[k], moved, atol=1e-12)


def make_problem():
    settings = schema.from_dict(
        heat.Settings(),
        {"boundary": "nodes", "resolution": (18, 18), "dt": 0.01}
        | {"extent": (18 * 6 / 17,) * 2},
    )
    data = dataclasses.replace(heat.DataSettings(), sensors="quarter")
    return heat.make_problem(settings, data), data


def test_60_of_100_sensors_train_and_none_reads_outside_of_the_box(monkeypatch):
    still = np.ones((100, 100, 100, 1), np.float32)
    monkeypatch.setattr(heat_sensors, "true_states", lambda *functions: still)
    problem, data = make_problem()
    chosen = []
    for seed in (0, 1):
        readings = heat.observe(problem, data, jax.random.key(seed)).observed
        held = np.unique(readings.sensor[readings.is_held_out])
        trained = np.unique(readings.sensor[~readings.is_held_out])
        assert len(held) == 40 and len(trained) == 60
        chosen.append(set(trained))
        centred = readings.position - np.array(problem.domain.extent) / 2
        assert np.abs(centred).max() <= 3
        np.testing.assert_allclose(readings.values, 1.0, rtol=1e-6)
    assert chosen[0] != chosen[1]
    other = dataclasses.replace(problem, dt=0.02)
    with pytest.raises(ValueError, match="not that of the published test"):
        heat.observe(other, data, jax.random.key(0))
