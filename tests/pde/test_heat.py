"""Heat equation: exact solutions, orders, conservation, bounds, walls, gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from hyco_jax.grids import fields
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.fields import flow
from hyco_jax.pde import heat
from tests import order
from tests.pde.compiled import advance
from tests.pde.states import TAU

BOX = {"periodic": True, "closed": False}


def make_step(domain, dt, upper=1.0, **options):
    return heat.make_step(domain, dt, {"conductivity": upper}, **options)


def apply(step, kappa, u, num_steps=1):
    return advance(step, {"conductivity": kappa}, u, num_steps)


def random_state(domain, seed=0):
    rng = np.random.default_rng(seed)
    kappa = rng.uniform(0.2, 1.0, domain.resolution)
    return kappa, rng.normal(size=(*domain.resolution, 1))


@pytest.mark.parametrize(
    ("resolution", "waves"),
    [((9,), (3,)), ((8, 5), (4, 2)), ((4, 3, 5), (1, 2, 5))],
    ids=["1d", "2d", "3d"],
)
def test_a_sine_in_a_closed_box_decays_at_the_exact_rate(x64, resolution, waves):
    extent = (3.0, 2.0, 1.0)[: len(resolution)]
    domain = Domain(resolution, extent, periodic=False)
    k = np.pi * np.array(waves) / extent
    u = np.prod(np.sin(k * domain.coordinates()), axis=-1, keepdims=True)
    result = apply(make_step(domain, 0.02), 0.7, u)
    decayed = np.exp(-0.7 * 0.02 * np.sum(k**2)) * u
    # Waves from 1 to as many as cells; rounding of sums over up to 60 cells.
    np.testing.assert_allclose(result, decayed, atol=1e-14)


@pytest.mark.parametrize(
    ("resolution", "waves"),
    [((9,), (-4,)), ((8, 5), (-2, 1)), ((4, 3, 6), (1, -1, 2))],
    ids=["1d", "2d", "3d"],
)
def test_a_wave_in_a_periodic_box_decays_at_the_exact_rate(x64, resolution, waves):
    extent = (3.0, 2.0, 1.0)[: len(resolution)]
    domain = Domain(resolution, extent)
    k = TAU * np.array(waves) / extent
    u = np.sin(domain.coordinates() @ k + 0.3)[..., None]
    result = apply(make_step(domain, 0.02), 0.7, 2 + u)
    decayed = 2 + np.exp(-0.7 * 0.02 * np.sum(k**2)) * u
    np.testing.assert_allclose(result, decayed, atol=1e-14)


def test_exact_diffusion_is_phiflows_where_cells_have_length_1(x64):
    domain = Domain((6, 7), (6.0, 7.0))
    u = jnp.asarray(random_state(domain)[1])
    expected = flow.diffuse.fourier(fields.to_field(u, domain), 0.7, 0.9)
    result = apply(make_step(domain, 0.9), 0.7, u)
    np.testing.assert_allclose(result, fields.to_array(expected), atol=1e-14)


@pytest.mark.parametrize("form", heat.FORMS)
def test_a_stage_is_phiflows_explicit_diffusion(x64, form):
    domain = Domain((5, 4), (3.0, 2.0))
    _, u = random_state(domain)
    dt, nu = 0.03, 0.7

    def euler(u):
        field = fields.to_field(u, domain)
        return fields.to_array(flow.diffuse.explicit(field, nu, dt))

    # With one substep the method is Heun's.
    expected = (u + euler(euler(jnp.asarray(u)))) / 2
    step = make_step(domain, dt, form=form, substeps=1)
    result = apply(step, np.full(domain.resolution, nu), u)
    np.testing.assert_allclose(result, expected, atol=1e-14)


@pytest.mark.parametrize("form", heat.FORMS)
@pytest.mark.parametrize("kind", ["scalar", "field"])
def test_a_closed_box_is_a_part_of_an_odd_state_in_a_periodic_one(x64, kind, form):
    domain = Domain((5, 4), (3.0, 2.0), periodic=False)
    twice = Domain((10, 8), (6.0, 4.0))
    kappa, u = random_state(domain)
    odd = np.concatenate([u, -u[::-1]], 0)
    odd = np.concatenate([odd, -odd[:, ::-1]], 1)
    even = np.pad(kappa, ((0, 5), (0, 4)), mode="symmetric")
    if kind == "scalar":
        kappa = even = 0.7
    result, expected = (
        apply(make_step(box, 0.2, form=form), k, v)
        for box, k, v in ((domain, kappa, u), (twice, even, odd))
    )
    np.testing.assert_allclose(result, expected[:5, :4], atol=1e-14)


@pytest.mark.parametrize("form", heat.FORMS)
def test_fields_are_second_order_in_space_on_a_periodic_box(x64, form):
    errors = []
    for num_cells in (12, 24, 48):
        domain = Domain((num_cells,), (TAU,))
        x = domain.coordinates()[:, 0]
        kappa, u = 1 + 0.4 * np.sin(x), np.cos(x)
        # Derivatives by Fourier series: at 12 cells they err by 1e-4, our step by 0.02.
        wave = 1j * np.fft.fftfreq(num_cells, 1 / num_cells)
        wave[num_cells // 2] = 0
        slope = np.fft.ifft(
            wave[:, None] * np.fft.fft(np.eye(num_cells), axis=0), axis=0
        )
        slope = slope.real
        if form == "divergence":
            operator = slope @ np.diag(kappa) @ slope
        else:
            operator = np.diag(kappa) @ slope @ slope
        exact = scipy.linalg.expm(0.3 * operator) @ u
        step = make_step(domain, 0.01, 1.5, form=form)
        result = apply(step, kappa, u[:, None], 30)[:, 0]
        errors.append(np.abs(result - exact).max())
    assert order.of(errors).order == pytest.approx(2, abs=0.15)


def parabola(num_cells):
    """Returns a closed box, κ and u of ∇·(κ∇u) = -u with a curved u at the walls."""
    domain = Domain((num_cells,), (1.0,), periodic=False)
    y = domain.coordinates()[:, 0] - 0.5
    return domain, 1 / 8 - y**2 / 6, (1 / 4 - y**2)[:, None]


def test_fields_are_second_order_in_space_in_a_closed_box(x64):
    errors = []
    for num_cells in (32, 64, 128):
        domain, kappa, u = parabola(num_cells)
        step = make_step(domain, 0.02, 1 / 8)
        errors.append(np.abs(apply(step, kappa, u, 50) - np.exp(-1) * u).max())
    assert order.of(errors).order == pytest.approx(2, abs=0.1)


def test_the_other_form_is_second_order_at_the_walls(x64):
    # Where κ is constant both forms have the exact solution of a sine.
    errors = []
    for num_cells in (8, 16, 32):
        domain = Domain((num_cells,), (np.pi,), periodic=False)
        u = np.sin(domain.coordinates())
        step = make_step(domain, 0.01, form="laplacian")
        result = apply(step, np.full(num_cells, 0.7), u, 50)
        errors.append(np.abs(result - np.exp(-0.35) * u).max())
    assert order.of(errors).order == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("form", heat.FORMS)
@pytest.mark.parametrize("periodic", BOX.values(), ids=BOX)
def test_fields_are_second_order_in_time(x64, periodic, form):
    domain = Domain((6,), (3.0,), periodic)
    kappa, u = random_state(domain)
    errors, dt = [], 1e-4
    one, two = (make_step(domain, k * dt, form=form) for k in (1, 2))
    changes = [
        jax.vmap(functools.partial(apply, step, kappa))(np.eye(6)[..., None])
        for step in (one, two)
    ]
    # (4 E(dt) - E(2 dt) - 3) / 2 dt is the operator, up to dt² times its cube.
    operator = (4 * changes[0] - changes[1] - 3 * np.eye(6)[..., None]) / (2 * dt)
    exact = scipy.linalg.expm(np.asarray(operator)[..., 0].T) @ u
    for num_steps in (16, 32, 64):
        step = make_step(domain, 1 / num_steps, form=form)
        errors.append(np.abs(apply(step, kappa, u, num_steps) - exact).max())
    assert order.of(errors).order == pytest.approx(2, abs=0.2)


def test_the_other_form_does_not_conserve_the_integral(x64):
    domain = Domain((5, 6), (3.0, 2.0))
    kappa, u = random_state(domain)
    change = apply(make_step(domain, 0.1, form="laplacian"), kappa, u) - u
    assert abs(jnp.sum(change)) > 0.1


@pytest.mark.parametrize("periodic", BOX.values(), ids=BOX)
def test_both_forms_agree_where_the_conductivity_is_constant(x64, periodic):
    domain = Domain((5, 6), (3.0, 2.0), periodic)
    _, u = random_state(domain)
    kappa = np.full(domain.resolution, 0.7)
    one, other = (apply(make_step(domain, 0.1, form=f), kappa, u) for f in heat.FORMS)
    np.testing.assert_allclose(one, other, atol=1e-14)


@pytest.mark.parametrize("form", heat.FORMS)
@pytest.mark.parametrize("periodic", BOX.values(), ids=BOX)
def test_extremes_never_grow_at_the_stability_limit(x64, periodic, form):
    domain = Domain((4, 4), (2.0, 2.0), periodic)
    # κ at its upper bound here and there, and a step right on the limit.
    kappa = np.random.default_rng(0).choice([0.01, 1.0], domain.resolution)
    step = make_step(domain, 3 / 16, form=form)
    batch = np.random.default_rng(1).choice([-1.0, 1.0], (200, *domain.resolution, 1))
    result = jax.vmap(functools.partial(apply, step, kappa))(jnp.asarray(batch))
    assert np.abs(result).max() <= 1 + 1e-14


def test_walls_cool():
    domain = Domain((5, 4), (3.0, 2.0), periodic=False)
    kappa = np.float32(random_state(domain)[0])
    u = np.full((5, 4, 1), 3.0, np.float32)
    for value in (np.float32(0.5), kappa):
        change = apply(make_step(domain, 0.1), value, u) - u
        edges = change[0], change[-1], change[:, 0], change[:, -1]
        assert all(np.all(edge < -0.1) for edge in edges)
        assert change.mean() < -0.1


@pytest.mark.parametrize("periodic", BOX.values(), ids=BOX)
def test_initial_states_are_smooth_and_fit_the_box(key, periodic):
    domain = Domain((32, 24), (4.0, 3.0), periodic)
    u = np.asarray(heat.sample_u0(key, domain, 8, 0.5, 2.0))
    assert u.shape == (8, 32, 24, 1)
    assert u.dtype == np.float32
    np.testing.assert_allclose(np.sqrt(np.mean(u**2, axis=(1, 2, 3))), 2, rtol=1e-5)
    assert np.abs(u[0] - u[1]).max() > 0.5
    # Waves of exp(-(0.5 k)²/2) have slopes of about |u|/0.5: a cell changes 1/4 of it.
    assert np.sqrt(np.mean(np.diff(u, axis=1) ** 2)) < 0.3 * 2
    if not periodic:
        # Half a cell from a wall at 0: u is about a slope of 4 times 1/16.
        assert np.sqrt(np.mean(u[:, 0] ** 2)) < 0.25 * 2
        assert np.sqrt(np.mean(u[:, :, -1] ** 2)) < 0.25 * 2


def test_published_conductivity_and_state_have_the_stated_values():
    # Cells of length 1 with centres at -2.5, ..., 2.5 from the middle.
    domain = Domain((6, 6), (6.0, 6.0), periodic=False)
    kappa, u = heat.two_bumps_conductivity(domain), heat.two_gaussians_u0(domain)
    assert kappa.shape == (6, 6)
    assert u.shape == (6, 6, 1)
    # At (0.5, 0.5) the bumps are 0.5 and 12.5 away (squared), at (-1.5, -2.5) 14.5
    # and 0.5.
    near = 0.1 + 3 * np.exp(-0.5) + 2.5 * np.exp(-12.5)
    assert kappa[3, 3] == pytest.approx(near, rel=1e-6)
    far = 0.1 + 3 * np.exp(-18.5) + 2.5 * np.exp(-0.5)
    assert kappa[1, 0] == pytest.approx(far, rel=1e-6)
    assert heat.two_bumps_conductivity(domain.refined(7)).max() == 2.5
    assert u[3, 3, 0] == pytest.approx(np.exp(-0.5) - np.exp(-4.5))
    np.testing.assert_allclose(u, -u[::-1, ::-1], atol=1e-15)


def test_mistakes_are_refused(key):
    domain = Domain((10, 10), (1.0, 2.0))
    with pytest.raises(ValueError, match=r"form='heat' is not one of .*'laplacian'"):
        make_step(domain, 0.1, form="heat")
    for periodic in (True, False):
        with pytest.raises(ValueError, match="leaves none of the waves"):
            heat.sample_u0(key, Domain((8,), (1.0,), periodic), 1, 100.0, 1.0)
