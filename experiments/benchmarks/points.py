"""Memory of training on a million scattered points, by part.

    python -m experiments.benchmarks.points [--points=1000000] [--resolution=128]

Heat on 128² cells for 100 steps, read at random places and times. Each figure is the
peak resident memory of a process of its own, less that of one that only imports and
places a hundred points; beside it what XLA sets aside for temporaries. For comparison,
the sizes of what can't be done without: the points with their values and weights, and
one trajectory.
"""

import argparse
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np

import hyco_jax
from experiments.benchmarks import measure
from hyco_jax import fitting
from hyco_jax.data import augment
from hyco_jax.pde import heat
from hyco_jax.training import losses

NUM_STEPS, EXTENT = 100, 6.0
PARTS = ("nothing", "placing", "physical gradient", "hybrid cycle")


def main():
    """Prints a table, or does one part where it is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10**6)
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--part", choices=PARTS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(do(options.part, options.points, options.resolution)))
        return
    mebibyte = 2**20
    # Time, two coordinates, a value and a weight, float32.
    print(f"points: {options.points * 5 * 4 / mebibyte:.1f} MiB")
    cells = (NUM_STEPS + 1) * options.resolution**2
    print(f"trajectory: {cells * 4 / mebibyte:.1f} MiB", flush=True)
    flags = [f"--points={options.points}", f"--resolution={options.resolution}"]
    least = None
    for part in PARTS:
        command = ["-m", "experiments.benchmarks.points", f"--part={part}", *flags]
        printed, seconds, peak = measure.measure_process(command)
        least = peak if least is None else least
        temporaries = json.loads(printed.splitlines()[-1])["temporaries"] / mebibyte
        print(
            f"{part}: peak {peak:.0f} MiB, {peak - least:.0f} more than {PARTS[0]}; "
            f"temporaries {temporaries:.0f} MiB; {seconds:.0f} s",
            flush=True,
        )


def do(part: str, count: int, resolution: int) -> dict[str, int]:
    """Does one part and returns the temporaries of its program, in bytes."""
    if part == "nothing":
        count = 100
    prepared = prepare(count, resolution)
    if part in PARTS[:2]:
        return {"temporaries": 0}
    if part == "hybrid cycle":
        call = prepared.plan.stages[-1].calls[-1].run
        arguments = prepared.plan.init_state(), prepared.plan.real
    else:
        call = jax.jit(jax.value_and_grad(_make_loss(prepared)))
        model = prepared.models.on_data_grid
        arguments = (model.init(jax.random.key(0)),)
    compiled = call.lower(*arguments).compile()
    jax.block_until_ready(compiled(*arguments))
    return {"temporaries": compiled.memory_analysis().temp_size_in_bytes}


def prepare(count: int, resolution: int) -> fitting.Prepared:
    """Scattered readings of a state that decays, and what is trained on them."""
    grid = heat.Settings(
        resolution=(resolution,) * 2, extent=(EXTENT,) * 2, dt=0.01, boundary="periodic"
    )
    problem = heat.make_problem(grid)
    rng = np.random.default_rng(0)
    x, y = EXTENT * rng.random((2, count))
    t = grid.dt * NUM_STEPS * rng.random(count)
    wave = 2 * np.pi / EXTENT
    u = np.exp(-wave * t) * np.sin(wave * x) * np.cos(wave * y)
    name = problem.quantities[0].name
    table = {"x": x, "y": y, "t": t, name: u + 0.01 * rng.standard_normal(count)}
    data = hyco_jax.from_points(
        table,
        coords=("x", "y", "t"),
        values=(name,),
        hold_out=0.1,
        by="row",
        initial=lambda x: np.sin(wave * x[..., :1]) * np.cos(wave * x[..., 1:]),
    )
    unknown = hyco_jax.CoefficientSettings(guess=0.5, bounds=(0.01, 2.0))
    settings = hyco_jax.Settings(
        coefficients={"conductivity": unknown},
        synthetic=hyco_jax.SyntheticSettings(
            name="field", batch_size=2100, num_real=1500, updates_per_epoch=10
        ),
        baselines=False,
    )
    return fitting.prepare(problem, data, settings)


def _make_loss(prepared):
    samples, scale = prepared.placed.real.records, prepared.placed.scale
    (part,) = augment.augment([samples], [1.0], [samples.count], scale)
    predict = prepared.models.on_data_grid.predict

    def loss(params):
        return jnp.mean(losses.weighted_squares(predict, params, part))

    return loss


if __name__ == "__main__":
    sys.exit(main())
