"""The steady tests, Helmholtz and Darcy, of arXiv 2509.14123 (code of StaticHYCO).

Errors are those of the paper: of the solution, relative on 50² equidistant points of
[-π, π]², between whose nodes a solver is bilinear; and of the parameters, |p - p*|/|p*|
of the raw numbers. Of each coefficient as a field it is relative at those points. The
truth is exact for Helmholtz, and on 101² nodes for Darcy, where 19² are fitted.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from experiments.published.derivatives import along
from experiments.published.entry import Entry
from experiments.published.heat import relative_error
from hyco_jax.models import expansions
from hyco_jax.pde import darcy, helmholtz
from hyco_jax.types import Query

POINTS = 50
HALF = np.pi
# Of Helmholtz's bumps those of the diffusivity are bounded.
AMPLITUDES = {"diffusivity": helmholtz.AMPLITUDES, "screening": None}
MIDDLE = np.array(darcy.make_problem().domain.extent) / 2


def positions() -> np.ndarray:
    """Points at which errors are measured, from the middle, `(POINTS, POINTS, 2)`."""
    along = np.linspace(-HALF, HALF, POINTS)
    return np.stack(np.meshgrid(along, along, indexing="ij"), axis=-1)


def make_truth(solution: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A solution at `positions`, shape `(POINTS, POINTS)`."""
    return solution(positions().reshape(-1, 2)).reshape(POINTS, POINTS)


def solver_error(problem, model, params, truth: np.ndarray) -> float:
    """Relative error of a solver."""
    zero = jnp.zeros(1, jnp.int32)
    u0 = jnp.zeros((1, *problem.domain.resolution, 1), jnp.float32)

    def at(points):
        query = Query(zero, zero, u0, jnp.asarray(points[None], jnp.float32))
        return np.asarray(model.predict(params, query))[0]

    return field_error(at, truth)


def field_error(at, truth: np.ndarray, every: int = 1) -> float:
    """Relative error of a function of points."""
    (difference,) = snapshots(at, truth).values()
    del every
    return float(np.linalg.norm(difference) / np.linalg.norm(truth))


def snapshots(at, truth: np.ndarray) -> dict[float, np.ndarray]:
    """Signed errors at `positions`, at the time of the solution."""
    places = positions().reshape(-1, 2) + MIDDLE
    points = np.concatenate([np.ones((len(places), 1)), places], axis=1)
    return {1.0: at(points).reshape(truth.shape) - truth}


def conditions(key, problem, number: int):
    """Twice so many points at the walls, where u is 0: there is no initial state."""
    place_key, side_key = jax.random.split(key)
    places = jax.random.uniform(place_key, (2 * number, 2), minval=-HALF, maxval=HALF)
    side = jax.random.randint(side_key, (2 * number, 1), 0, 4)
    at = jnp.where(side % 2 == 0, -HALF, HALF)
    places = jnp.where(jnp.arange(2) == side // 2, at, places)
    times = jnp.full((2 * number, 1), problem.dt)
    points = jnp.concatenate([times, places + MIDDLE], axis=1)
    return points, jnp.zeros((2 * number, 1))


def make_residual(coefficients: Callable, terms: Callable):
    """Makes the residual -∇·(κ∇u) + ηu - f of a field, by nested forward derivatives.

    Args:
        coefficients: Maps raw parameters and positions `(..., 2)` from the middle to
            values by name, `(...)`.
        terms: Maps these and the positions to κ, η and f.
    """

    def residual(field, params, point):
        def at(z):
            position = z[1:] - jnp.asarray(MIDDLE, z.dtype)
            return terms(coefficients(params, position), position)

        def flux(axis):
            return lambda z: at(z)[0] * along(field, axis)(z)

        axes = jnp.eye(3, dtype=point.dtype)[1:]
        divergence = sum(along(flux(axis), axis)(point) for axis in axes)
        _, eta, source = at(point)
        return eta * field(point) - divergence - source

    return residual


def make_maps(coefficients: Callable, true_at: Callable):
    """Makes the images of coefficients at `positions`, see `make_residual`."""

    def maps(params, domain, truth):
        del domain, truth
        if params is None:
            return true_at(positions())
        found = coefficients(params, jnp.asarray(positions(), jnp.float32))
        return {name: np.asarray(value) for name, value in found.items()}

    return maps


def make_errors_by_name(maps: Callable):
    """Makes the relative errors of coefficients as images, see `make_maps`."""

    def errors_by_name(params, domain):
        found, true = (maps(p, domain, None) for p in (params, None))
        return {name: relative_error(found[name], true[name]) for name in true}

    return errors_by_name


def bumps(params, position):
    """Both coefficients of Helmholtz, see `make_residual`."""
    middle = jnp.asarray(MIDDLE, position.dtype)
    found = {}
    for name, raw in params.items():
        (amplitude,) = expansions.amplitudes_from(raw["amplitudes"], AMPLITUDES[name])
        center = raw["centers"][0] - middle
        found[name] = helmholtz.bump(position, amplitude, center)
    kappa = jnp.clip(found["diffusivity"], *helmholtz.BOUNDS)
    return {**found, "diffusivity": kappa}


def helmholtz_terms(values, position):
    """κ, η and f of Helmholtz, see `make_residual`."""
    eta = values["screening"] ** 2
    return values["diffusivity"], eta, helmholtz.forcing(position)


def helmholtz_error(params, domain) -> float:
    """Of two amplitudes and four coordinates of centres."""
    del domain
    found, true = [], []
    for name, (amplitude, center) in (
        ("diffusivity", helmholtz.TRUE_DIFFUSIVITY),
        ("screening", helmholtz.TRUE_SCREENING),
    ):
        raw = params[name]
        centers = np.asarray(raw["centers"], np.float64) - MIDDLE
        height = expansions.amplitudes_from(raw["amplitudes"], AMPLITUDES[name])
        found += [*np.asarray(height), *centers[0]]
        true += [amplitude, *center]
    return relative_error(np.array(found), np.array(true))


def draw_bumps(bounds, number: int, seed: int, domain):
    """Amplitudes and centres, uniform in their bounds; centres from the middle."""
    del domain
    rng = np.random.default_rng(seed)
    result = {}
    for name in helmholtz.COEFFICIENTS:
        values = rng.uniform(*bounds["amplitudes"][name], (number, 1))
        amplitudes = expansions.raw_amplitudes(values, AMPLITUDES[name])
        centers = rng.uniform(*bounds["centers"], (number, 1, 2)) + MIDDLE
        raw = {"amplitudes": amplitudes, "centers": centers}
        result[name] = {key: np.float32(value) for key, value in raw.items()}
    return result


def sines(params, position):
    """The permeability of Darcy, see `make_residual`."""
    kappa = expansions.sines_at(position, params["permeability"], darcy.PERIOD)
    return {"permeability": jnp.clip(kappa, *darcy.BOUNDS)}


def darcy_terms(values, position):
    """κ, η and f of Darcy, see `make_residual`."""
    del position
    return values["permeability"], 0.0, 1.0


def darcy_error(params, domain) -> float:
    """Of ten numbers."""
    del domain
    raw = params["permeability"]
    found = np.append(np.ravel(raw["amplitudes"]), raw["root"])
    true = np.append(np.ravel(darcy.TRUE_AMPLITUDES), darcy.TRUE_ROOT)
    return relative_error(found, true)


def draw_sines(bounds, number: int, seed: int, domain):
    """Roots and amplitudes, uniform in their bounds."""
    del domain
    rng = np.random.default_rng(seed)
    raw = {
        "root": rng.uniform(*bounds["root"], number),
        "amplitudes": rng.uniform(*bounds["amplitudes"], (number, 3, 3)),
    }
    return {"permeability": {key: x.astype(np.float32) for key, x in raw.items()}}


def _make_entry(module, coefficients, terms, **own) -> Entry:
    values = functools.cache(functools.partial(make_truth, module.solution))
    maps = make_maps(coefficients, module.true_at)
    return Entry(
        module=module,
        make_truth=lambda data: values(),
        solver_error=solver_error,
        field_error=field_error,
        residual=make_residual(coefficients, terms),
        conditions=conditions,
        maps=maps,
        errors_by_name=make_errors_by_name(maps),
        snapshots=snapshots,
        extent=(-HALF, HALF) * 2,
        **own,
    )


HELMHOLTZ = _make_entry(
    helmholtz,
    bumps,
    helmholtz_terms,
    parameter_error=helmholtz_error,
    draw_starts=draw_bumps,
)
TRUE_SINES = {
    "permeability": {
        "root": np.array(darcy.TRUE_ROOT),
        "amplitudes": np.array(darcy.TRUE_AMPLITUDES),
    }
}
DARCY = _make_entry(
    darcy,
    sines,
    darcy_terms,
    parameter_error=darcy_error,
    draw_starts=draw_sines,
    true_params=TRUE_SINES,
)
