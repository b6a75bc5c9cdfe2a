"""The published heat tests with moving sensors, and their strongest rival.

    python -m experiments.heat_published [--parts full half quarter] [--seeds 0 1 2]

For each part and seed: the hybrid of `configs/heat.py:published_<part>`, the physical
model alone with Adam as published and with L-BFGS, and 16 starts of L-BFGS drawn from
stated bounds, all by one `vmap`, of which the lowest misfit counts. Errors are those of
the paper (arXiv 2509.14123, code of DynamicHYCO): of the solution, relative over the 99
times after the first and over all nodes, of the physical model on its 18² nodes, of the
synthetic one on 100²; and of the parameters, |A - A*|/|A*| + |c - c*|/|c*|.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

from configs import heat as configs
from hyco_jax import fitting, stages
from hyco_jax.config import experiment, schema
from hyco_jax.data import augment
from hyco_jax.grids import interpolation
from hyco_jax.pde import heat, heat_sensors
from hyco_jax.scoring.table import format_number
from hyco_jax.training import lbfgs, losses
from hyco_jax.types import Query

NUM_STARTS, NUM_ITERATIONS = 16, 200
AMPLITUDES, CENTRES = (0.5, 4.5), (-3.0, 3.0)


def main():
    """Prints a row for each part and seed, then medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", default=list(heat_sensors.PARTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    truth = heat_sensors.true_states(
        heat.make_step, heat.two_bumps_conductivity, heat.two_gaussians_u0
    )
    for part in options.parts:
        rows = [_run(part, seed, truth) for seed in options.seeds]
        medians = {
            name: float(np.median([row[name] for row in rows])) for name in rows[0]
        }
        _print(part, "median", medians)


def _print(part, seed, row):
    shown = "  ".join(f"{name} {format_number(value)}" for name, value in row.items())
    print(f"{part} {seed}: {shown}", flush=True)


def _run(part, seed, truth) -> dict[str, float]:
    config = configs.get_config(f"published_{part}")
    config.seed = seed
    settings = schema.from_dict(experiment.template(heat), config)
    problem = heat.make_problem(settings.pde, settings.data)
    key = stages.seeded_key(seed, stages.DATA)
    data = heat.observe(problem, settings.data, key)
    start = time.perf_counter()
    result = fitting.fit(problem, data, settings)
    seconds = time.perf_counter() - start
    row = {}
    for name, short in (("physical_alone", "adam"), ("hybrid_physical", "hybrid")):
        trained = result.trained[name]
        row |= _physical_errors(short, problem, trained.model, trained.params, truth)
    for name in ("hybrid_synthetic", "synthetic_alone"):
        error = synthetic_error(result.trained[name], truth)
        row[f"{name.replace('_', ' ')} e_s"] = error
    row["hybrid s"] = result.rows["hybrid_physical"]["seconds"]
    row["all s"] = seconds
    prepared = fitting.prepare(problem, data, settings)
    start = time.perf_counter()
    model = prepared.models.on_data_grid
    for short, params in _rivals(prepared, seed).items():
        row |= _physical_errors(short, problem, model, params, truth)
    row["rivals s"] = time.perf_counter() - start
    _print(part, seed, row)
    return row


def _physical_errors(name, problem, model, params, truth) -> dict[str, float]:
    raw = params["conductivity"]
    return {
        f"{name} e_s": physical_error(problem, model, params, truth),
        f"{name} e_p": parameter_error(raw, problem.domain),
    }


def physical_error(problem, model, params, truth: np.ndarray) -> float:
    """Relative error of a model on the problem's nodes, where the truth is bilinear."""
    u0 = jnp.asarray(heat.two_gaussians_u0(problem.domain), jnp.float32)[None]
    zero = jnp.zeros(1, jnp.int32)
    query = Query(zero, zero, u0, None, None, len(truth) - 1)
    found = np.asarray(model.predict(params, query))[0]
    fine = heat_sensors.node_domain(heat_sensors.NODES)
    nodes = problem.domain.coordinates() - np.array(problem.domain.extent) / 2
    points = nodes.reshape(-1, 2) + np.array(fine.extent) / 2
    points = np.concatenate([np.zeros((len(points), 1)), points], axis=1)
    resized = [interpolation.at_points(u[None], points, fine, 1.0) for u in truth[1:]]
    return relative_error(found, np.stack(resized).reshape(found.shape))


def synthetic_error(trained, truth: np.ndarray) -> float:
    """Relative error of a field on the nodes of the truth."""
    fine = heat_sensors.node_domain(heat_sensors.NODES)
    half = heat_sensors.HALF * 18 / 17  # of the box of the physical model's nodes
    nodes = fine.coordinates().reshape(-1, 2) - np.array(fine.extent) / 2 + half
    zero = jnp.zeros(1, jnp.int32)

    @jax.jit
    def at(time):
        points = jnp.concatenate([jnp.full((len(nodes), 1), time), nodes], axis=1)
        query = Query(zero, zero, None, points[None].astype(jnp.float32))
        return trained.predict(query)[0]

    times = heat_sensors.TIME_STEP * np.arange(1, len(truth))
    found = np.stack([np.asarray(at(t)) for t in times])
    return relative_error(found, truth[1:].reshape(found.shape))


def relative_error(found: np.ndarray, exact: np.ndarray) -> float:
    """The norm of the difference by that of what is exact."""
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def parameter_error(raw, domain) -> float:
    """Of amplitudes and centres, the sum of two relative errors, as published."""
    amplitudes = np.asarray(raw["amplitudes"], np.float64)
    centres = np.asarray(raw["centers"]) - np.array(domain.extent) / 2
    true_amplitudes = np.array(heat.TRUE_AMPLITUDES)
    true_centres = np.array(heat.TRUE_CENTERS)
    # Which bump comes first makes no difference to the field.
    return min(
        relative_error(amplitudes[order], true_amplitudes)
        + relative_error(centres[order], true_centres)
        for order in ([0, 1], [1, 0])
    )


def _rivals(prepared, seed):
    """L-BFGS from the published guess, and the best of many starts."""
    model, placed = prepared.models.on_data_grid, prepared.placed
    samples = placed.real.records
    (part,) = augment.augment([samples], [1.0], [samples.count], placed.scale)
    guess = model.init(jax.random.key(0))
    tx = lbfgs.make_optimizer()

    def loss(params):
        return losses.weighted_squares(model.predict, params, part).mean()

    @jax.jit
    @jax.vmap
    def fit(params):
        result = lbfgs.minimize(
            loss,
            params,
            tx.init(params),
            tx,
            num_iterations=NUM_ITERATIONS,
            abs_tol=0.0,
            carry_memory=False,
        )
        return result.params, result.losses[-1]

    starts = {"conductivity": draw_starts(seed, prepared.problem.domain)}
    both = jax.tree.map(lambda one, many: jnp.stack([one, *many]), guess, starts)
    params, misfits = fit(both)
    best = 1 + int(np.nanargmin(misfits[1:]))

    def take(i):
        return jax.tree.map(lambda x: x[i], params)

    return {"lbfgs": take(0), f"best of {NUM_STARTS}": take(best)}


def draw_starts(seed: int, domain) -> dict[str, np.ndarray]:
    """Raw parameters of the starts, uniform in `AMPLITUDES` and `CENTRES`."""
    rng = np.random.default_rng(seed)
    amplitudes = rng.uniform(*AMPLITUDES, (NUM_STARTS, 2))
    centres = rng.uniform(*CENTRES, (NUM_STARTS, 2, 2))
    raw = {
        "amplitudes": amplitudes,
        "centers": centres + np.array(domain.extent) / 2,
    }
    return {name: value.astype(np.float32) for name, value in raw.items()}


if __name__ == "__main__":
    main()
