"""The physical trainer: L-BFGS beside SciPy's, and its memory across calls."""

import statistics
import time

import jax
import jax.numpy as jnp

from experiments.benchmarks import measure, opponents, training
from experiments.benchmarks.measure import Call, Row, Sample
from hyco_jax.data import data, windows
from hyco_jax.data import record as records
from hyco_jax.models import rollout
from hyco_jax.pde import burgers as equation
from hyco_jax.scoring import metrics
from hyco_jax.training import full_batch as physical
from hyco_jax.training import minibatch as synthetic

_ITERATIONS = 10
_CYCLES = 20


def lbfgs(repeats: int) -> list[Row]:
    """Times 10 L-BFGS iterations on 99 windows of 256 points, beside SciPy's."""
    context = training.make_context("reference_1d")
    real, model = context.real, context.problem.model
    record = records.make_record(real)
    part = windows.real_windows(real, record.index(1), 1)
    parts = data.augment([part], [1.0], [len(part.sim)], record.scale)
    tx = physical.make_optimizer("lbfgs", 0.0)
    state = synthetic.init(model.init(jax.random.key(0)), ["viscosity"], tx)
    guess = state.params["viscosity"]

    @jax.jit
    def ours(state):
        return physical.train(
            state,
            parts,
            step=model.step,
            tx=tx,
            method="lbfgs",
            num_iterations=_ITERATIONS,
            abs_tol=0.0,
        )

    # Scaled as in `hyco_jax.lbfgs`, so that both begin with the same step.
    loss_parts = physical.make_loss(parts, step=model.step)
    objective = jax.jit(
        jax.value_and_grad(lambda x: guess.size * loss_parts({"viscosity": x}).sum())
    )

    def theirs():
        return opponents.scipy_lbfgs(objective, guess, _ITERATIONS)

    calls = {"ours": Call(lambda: ours(state)), "SciPy L-BFGS-B": Call(theirs)}
    samples = measure.alternate(calls, repeats)
    (_, found), other = ours(state), theirs()
    notes = {
        "original_seconds": 6.25,
        "windows": len(part.sim),
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
    context = training.make_context("default")
    tx = physical.make_optimizer("lbfgs", 0.0)
    options = {"restarted": False, "carried": True}
    trainers = {name: _make_trainer(context, tx, on) for name, on in options.items()}
    predict = _make_stand_in(context)
    rows = []
    for alpha in (0.0, context.config.hybrid.alpha_physical, 1.0):
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
    config, problem = context.config, context.problem

    @jax.jit
    def train(state, generated, alpha):
        player = context.setup.players["physical"]
        return physical.train(
            state,
            player.augment(context.real, generated, alpha),
            step=problem.model.step,
            tx=tx,
            method="lbfgs",
            num_iterations=config.hybrid.physical_epochs_per_cycle,
            abs_tol=config.physical.abs_tol,
            penalty=problem.penalty,
            carry_memory=carry_memory,
        )

    return train


def _make_stand_in(context):
    """Jits `(error, key)` -> trajectories of a solver with that relative error."""
    config, problem = context.config, context.problem
    lower, upper = config.coefficients.viscosity.bounds
    truth = problem.true_coefficients["viscosity"]
    step = equation.make_step(problem.domain, config.pde.dt, upper)

    @jax.jit
    def predict(error, key):
        noise_key, u_key = jax.random.split(key)
        noise = problem.sample_u0(noise_key, 1)[0, ..., 0]
        viscosity = jnp.clip(truth * (1 + error * noise), lower, upper)
        u0 = problem.sample_u0(u_key, config.hybrid.num_generated_physical)
        num_steps = config.hybrid.num_predict_steps_physical
        return rollout.rollouts(step, viscosity.astype(u0.dtype), u0, num_steps)

    return predict


def _run_sequence(context, tx, trainers, predict, alpha, seed) -> dict:
    """Trains with each trainer on the same sequence of objectives, in turn."""
    problem = context.problem
    guess = problem.model.init(jax.random.key(0))
    states = {name: synthetic.init(guess, ["viscosity"], tx) for name in trainers}
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
        viscosity = problem.coefficients(state.params)["viscosity"]
        truth = problem.true_coefficients["viscosity"]
        error = metrics.relative_error(viscosity, truth)
        result[name]["coefficient_error"] = float(error)
    return result
