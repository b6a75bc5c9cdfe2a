"""The physical trainer: L-BFGS beside SciPy's, and its memory across calls."""

import statistics
import time

import jax
import jax.numpy as jnp

from experiments.benchmarks import measure, opponents, set_up
from experiments.benchmarks.measure import Call, Row, Sample
from hyco_jax.data import augment, record, windows
from hyco_jax.models import stepper
from hyco_jax.scoring import metrics
from hyco_jax.training import full_batch, losses, optimizers
from hyco_jax.training.state import init

_ITERATIONS = 10
_CYCLES = 20


def lbfgs(repeats: int) -> list[Row]:
    """Times 10 L-BFGS iterations on 99 windows of 256 points, beside SciPy's."""
    run_set_up = set_up.make("reference_1d")
    real, model = run_set_up.plan.real.training, run_set_up.models.physical.model
    facts = record.make_record(real)
    part = windows.real_windows(real, facts.index(1), 1)
    parts = augment.augment([part], [1.0], [part.count], facts.scale)
    tx = optimizers.make_full_batch("lbfgs", 0.0)
    state = init(model.init(jax.random.key(0)), ["viscosity"], tx)
    guess = state.params["viscosity"]

    @jax.jit
    def ours(state):
        return full_batch.train(
            state,
            parts,
            predict=model.predict,
            tx=tx,
            method="lbfgs",
            num_iterations=_ITERATIONS,
            abs_tol=0.0,
        )

    # Scaled as in `hyco_jax.training.lbfgs`, so that both begin with the same step.
    def loss(x):
        terms = losses.part_losses(model.predict, {"viscosity": x}, parts)
        return guess.size * terms.sum()

    objective = jax.jit(jax.value_and_grad(loss))

    def theirs():
        return opponents.scipy_lbfgs(objective, guess, _ITERATIONS)

    calls = {"ours": Call(lambda: ours(state)), "SciPy L-BFGS-B": Call(theirs)}
    samples = measure.alternate(calls, repeats)
    (_, found), other = ours(state), theirs()
    notes = {
        "original_seconds": 6.25,
        "windows": part.count,
        "iterations": {"ours": int(found["count"]), "scipy": other.nit},
        "evaluations": {"ours": int(found["evaluations"]), "scipy": other.nfev},
        "initial_loss": float(found["losses"][0]),
        "final_loss": {
            "ours": float(found["final_loss"]),
            "scipy": float(other.fun) / guess.size,
        },
    }
    return [Row("lbfgs", samples.pop("ours"), "s", samples, 0.05, notes)]


def carry_memory(repeats: int) -> list[Row]:
    """Compares carrying the curvature memory across cycles with restarting it.

    The default config's physical model trains for 20 cycles, on its real data and on
    what a stand-in for the network predicts anew in every cycle: the true solver with
    a viscosity whose error halves in three cycles. One sequence for each repeat and
    each alpha: 0 (the objective stays), the config's, and 1 (it changes most).
    """
    context = set_up.make("default")
    tx = optimizers.make_full_batch("lbfgs", 0.0)
    options = {"restarted": False, "carried": True}
    trainers = {name: _make_trainer(context, tx, on) for name, on in options.items()}
    predict = _make_stand_in(context)
    rows = []
    for alpha in (0.0, context.settings.hybrid.alpha_physical, 1.0):
        runs = [
            _run_sequence(context, tx, trainers, predict, alpha, seed)
            for seed in range(repeats)
        ]
        medians = {
            what: {k: statistics.median(r[k][what] for r in runs) for k in options}
            for what in runs[0]["carried"]
        }
        samples = {k: Sample(tuple(r[k]["seconds"] for r in runs)) for k in options}
        case = f"carry_memory, alpha {alpha:g}"
        rows.append(Row(case, samples.pop("restarted"), "s", samples, None, medians))
    return rows


def _make_trainer(context, tx, carry_memory):
    """Jits `(state, generated, alpha)` -> `(state, metrics)` of the physical player."""
    options, fitted = context.settings.physical, context.models.physical

    @jax.jit
    def train(state, generated, alpha):
        player = context.plan.players["physical"]
        return full_batch.train(
            state,
            player.augment(context.plan.real, generated, alpha),
            predict=fitted.model.predict,
            tx=tx,
            method="lbfgs",
            num_iterations=options.num_iterations,
            abs_tol=options.abs_tol,
            penalty=fitted.penalty,
            carry_memory=carry_memory,
        )

    return train


def _make_stand_in(context):
    """Jits `(error, key)` -> trajectories of a solver with that relative error."""
    settings, problem = context.settings, context.problem
    lower, upper = settings.coefficients["viscosity"].bounds
    truth = context.judge.true_coefficients["viscosity"]
    step = problem.make_step(problem.domain, problem.dt, {"viscosity": upper})

    @jax.jit
    def predict(error, key):
        noise_key, u_key = jax.random.split(key)
        noise = problem.sample_u0(noise_key, problem.domain, 1)[0, ..., 0]
        viscosity = jnp.clip(truth * (1 + error * noise), lower, upper)
        count = settings.hybrid.num_synthetic_to_physical
        u0 = problem.sample_u0(u_key, problem.domain, count)
        values = {"viscosity": viscosity.astype(u0.dtype)}
        num_steps = settings.hybrid.steps_synthetic_to_physical
        return stepper.rollouts(step, values, u0, num_steps)

    return predict


def _run_sequence(context, tx, trainers, predict, alpha, seed) -> dict:
    """Trains with each trainer on the same sequence of objectives, in turn."""
    fitted = context.models.physical
    guess = fitted.model.init(jax.random.key(0))
    states = {name: init(guess, ["viscosity"], tx) for name in trainers}
    result = {
        name: {"seconds": 0.0, "iterations": 0, "evaluations": 0} for name in trainers
    }
    for cycle in range(_CYCLES):
        key = jax.random.fold_in(jax.random.key(seed), cycle)
        arguments = predict(0.5 * 0.8**cycle, key), jnp.float32(alpha)
        for name, train in trainers.items():
            if cycle == 0:  # compiles
                jax.block_until_ready(train(states[name], *arguments))
            started = time.perf_counter()
            states[name], found = jax.block_until_ready(train(states[name], *arguments))
            sums = result[name]
            sums["seconds"] += time.perf_counter() - started
            sums["iterations"] += int(found["count"])
            sums["evaluations"] += int(found["evaluations"])
            sums["real_loss"] = float(found["part_losses"][0])
    for name, state in states.items():
        viscosity = fitted.values(state.params)["viscosity"]
        truth = context.judge.true_coefficients["viscosity"]
        error = metrics.relative_error(viscosity, truth)
        result[name]["coefficient_error"] = float(error)
    return result
