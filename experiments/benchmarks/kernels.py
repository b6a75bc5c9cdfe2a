"""The solver alone: rollout and gradient at 128², and the memory of a large loss."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks import measure, opponents, set_up
from experiments.benchmarks.measure import Call, Row, Sample
from hyco_jax.data import windows
from hyco_jax.data.windows import Windows
from hyco_jax.models import stepper
from hyco_jax.models.physical import make_physical
from hyco_jax.pde import burgers
from hyco_jax.training import losses
from hyco_jax.types import Query, Trajectories

_NUM_SIMS, _NUM_STEPS, _CHUNK = 5, 100, 16


def rollout_2d(repeats: int) -> list[Row]:
    """Times 100 steps from one state at 128²."""
    problem, params, predicts = _set_up()
    functions = {
        name: jax.jit(lambda u, f=predict: _rollouts(f, params, u[None], 100)[0, -1])
        for name, predict in predicts.items()
    }
    u0 = problem.sample_u0(jax.random.key(1), problem.domain, 1)[0]
    row = _compare("rollout_2d", functions, u0, repeats, 0.1)
    return [row._replace(notes=row.notes | {"original_seconds": 0.226})]


def gradient_2d(repeats: int) -> list[Row]:
    """Times value and gradient of a 10-step loss with respect to the field, 128²."""
    problem, params, predicts = _set_up()
    truth = {"viscosity": jnp.full(problem.domain.resolution, -1.0)}
    u0 = problem.sample_u0(jax.random.key(1), problem.domain, 1)
    parts = [_real_windows(_rollouts(predicts["ours"], truth, u0, 10), 10)]
    functions = {
        name: jax.jit(
            jax.value_and_grad(
                lambda p, f=predict: losses.part_losses(f, p, parts).sum()
            )
        )
        for name, predict in predicts.items()
    }
    row = _compare("gradient_2d", functions, params, repeats, 0.05)
    return [row._replace(notes=row.notes | {"original_seconds": 0.051})]


def memory(repeats: int) -> list[Row]:
    """Measures the peak of a 10-step loss over 455 windows at 128², and its seconds."""
    printed, _, peak = measure.measure_process(("-m", __name__, str(repeats)))
    found = json.loads(printed.splitlines()[-1])
    sample = Sample(tuple(found["seconds"]), found["first"])
    notes = {
        "windows": found["windows"],
        "window_chunk": _CHUNK,
        "buffers_mebibytes": found["chunked"],
        "buffers_mebibytes_all_at_once": found["at_once"],
    }
    return [
        Row("memory", Sample((peak,)), "MiB", {}, 2048.0, notes),
        Row("memory, seconds", sample),
    ]


def measure_large_loss(repeats: int):
    """Evaluates the loss of `memory` in this process and prints what it found."""
    problem, params, predicts = _set_up()
    predict = predicts["ours"]
    u0 = problem.sample_u0(jax.random.key(0), problem.domain, _NUM_SIMS)
    truth = {"viscosity": jnp.full(problem.domain.resolution, -1.0)}
    states = jax.jit(lambda u0: _rollouts(predict, truth, u0, _NUM_STEPS))(u0)

    def value_and_grad(chunk):
        def evaluate(params, states):
            def loss(params):
                parts = [_real_windows(states, 10)]
                return losses.part_losses(predict, params, parts, chunk=chunk).sum()

            return jax.value_and_grad(loss)(params)

        return jax.jit(evaluate)

    chunked = value_and_grad(_CHUNK)
    call = Call(lambda: chunked(params, states))
    sample = measure.alternate({"ours": call}, repeats)["ours"]
    found = {
        "windows": _real_windows(states, 10).count,
        "seconds": sample.values,
        "first": sample.first,
    }
    # Compiling allocates no buffers: the second is what would be needed.
    for name, fn in (("chunked", chunked), ("at_once", value_and_grad(None))):
        analysis = fn.lower(params, states).compile().memory_analysis()
        found[name] = analysis.temp_size_in_bytes / 2**20
    print(json.dumps(found))


def _set_up():
    """Problem, params at the guess, and `predict` by name, of the variant `128`.

    Its scheme is what HYCO-PhiFlow does; that of second order is beside it.
    """
    settings, problem = set_up.read("128")
    arguments = problem.domain, problem.dt, settings.coefficients["viscosity"].bounds
    model = make_physical(problem, settings.coefficients).model
    steps = {
        "plain arrays": opponents.make_plain_step(*arguments),
        "phiflow advection": opponents.make_phiflow_step(*arguments),
    }
    predicts = {
        name: stepper.stepper(model.init, step, problem.domain, problem.dt).predict
        for name, step in steps.items()
    }
    central = dataclasses.replace(settings.pde, scheme="central")
    accurate = burgers.make_problem(central, settings.data)
    predicts["ours, central"] = make_physical(
        accurate, settings.coefficients
    ).model.predict
    return problem, model.init(jax.random.key(0)), {"ours": model.predict, **predicts}


def _rollouts(predict, params, u0, num_steps):
    zero = jnp.zeros(len(u0), jnp.int32)
    query = Query(zero, zero, u0, horizon=num_steps)
    return stepper.trajectories(predict, params, query)


def _real_windows(states, horizon) -> Windows:
    ones = np.ones((1,) * states.ndim, np.float32)
    index = windows.real_index(ones, len(states), states.shape[1] - 1, horizon)
    return windows.real_windows(Trajectories(states, jnp.asarray(ones)), index, horizon)


def _compare(case, functions, argument, repeats, aim) -> Row:
    calls = {name: Call(lambda f=f: f(argument)) for name, f in functions.items()}
    samples = measure.alternate(calls, repeats)
    # Central differences are another scheme, and differ.
    same = [f for name, f in functions.items() if name != "ours, central"]
    ours, *others = (jax.tree.leaves(f(argument)) for f in same)
    difference = max(
        float(jnp.abs(a - b).max() / jnp.abs(a).max())
        for other in others
        for a, b in zip(ours, other, strict=True)
    )
    notes = {"largest_relative_difference": difference}
    return Row(case, samples.pop("ours"), "s", samples, aim, notes)


if __name__ == "__main__":
    import sys

    measure_large_loss(int(sys.argv[1]))
