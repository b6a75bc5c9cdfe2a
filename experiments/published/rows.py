"""Runs every row of an experiment, on the same data, for all seeds at once."""

import dataclasses
import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.published import one_way, pinn, score, starts
from experiments.published.case import Case, prepare, settings
from experiments.published.curves import make_watch
from experiments.published.forms import form_of
from hyco_jax import calls, hybrid, seeds, stages
from hyco_jax.config import schema
from hyco_jax.stages import Prepared
from hyco_jax.types import HybridState, Params


@dataclasses.dataclass(frozen=True)
class Row:
    """What a method reached.

    Attributes:
        errors: Of each seed: "e_s" of the solution, "e_p" of the parameters if it has
            any, "held" at sensors that are held out; where the coefficients are
            numbers, of each by its name.
        seconds: Of all seeds together, compilation included.
        solves: PDE solves of a seed.
        evaluations: Of the network, of a seed.
        variables: Parameters, stacked over seeds; None if it has none.
        one_seed: Seconds of the first seed alone, where that was measured.
    """

    errors: list[dict[str, float]]
    seconds: float
    solves: float = 0.0
    evaluations: float = 0.0
    variables: Params | None = None
    one_seed: float | None = None


def run(case: Case, report=print) -> tuple[dict[str, Row], dict[str, list[float]]]:
    """Runs all rows.

    Args:
        case: The experiment.
        report: Called with a line when a row is done.

    Returns:
        The rows by name, in the order of the table, and errors of the first seed along
        the way.
    """
    plans = prepare(case, case.config["rows"])
    curves, rows = {}, {}
    watch = make_watch(case.entry, plans["hybrid"][0], curves)

    def add(**new):
        for name, row in new.items():
            rows[name] = row
            median = {k: np.median([e[k] for e in row.errors]) for k in row.errors[0]}
            text = "  ".join(f"{k} {x:.4g}" for k, x in median.items())
            report(f"{case.name} {name}: {text}, {row.seconds:.0f} s")

    add(**_hybrid(case, plans["hybrid"], watch))
    for name in ("adam", "as_hybrid"):
        if name in plans:
            own = _alone(case, name, plans[name], plans["lbfgs"], watch)
            add(**{name: own})
    add(**_starts(case, plans["lbfgs"]))
    if "shooting" in plans:
        add(shooting=_alone(case, "shooting", plans["shooting"], plans["lbfgs"], watch))
    network, state = _network(case, plans, watch)
    add(synthetic_alone=network)
    add(two_stage=_two_stage(case, plans["hybrid"], state, network, watch))
    # A solver whose states are fitted teaches with those that multiple shooting found.
    best = rows["shooting" if case.entry.from_own_states else "starts"]
    add(distilled=_distilled(case, plans["distilled"], best, watch))
    if "pinn" in plans:
        add(pinn=_pinn(case, plans["pinn"]))
    begin = time.perf_counter()
    errors = form_of(plans["hybrid"][0]).interpolations(case, plans["hybrid"])
    add(interpolation=Row(errors, time.perf_counter() - begin))
    return rows, curves


def _hybrid(case, prepared, watch):
    own, form = settings(case, "hybrid", 0), form_of(prepared[0])
    # Seconds of one seed are those of the same program for it alone.
    alone = seeds.run(prepared[:1])["hybrid"].seconds if len(prepared) > 1 else None
    runs = seeds.run(prepared, watch("hybrid"))["hybrid"]
    answered = own.hybrid.cycles + own.hybrid.synthetic_cooldown
    costs = {
        "solves": form.solves(runs.metrics, own, prepared)
        + answered * form.solver_answers(own, prepared),
        "evaluations": form.evaluations(runs.metrics, own, prepared)
        + own.hybrid.cycles * form.network_answers(own, prepared),
    }
    physical = runs.state.physical.train.variables
    network = runs.state.synthetic.train.variables
    return {
        "hybrid_physical": Row(
            form.solvers(case, prepared, physical),
            runs.seconds,
            **costs,
            variables=physical,
            one_seed=alone,
        ),
        "hybrid_synthetic": Row(
            form.networks(case, prepared, network),
            runs.seconds,
            **costs,
            variables=network,
            one_seed=alone,
        ),
    }


def _alone(case, name, prepared, scored, watch):
    """The physical model alone, scored by the model of a single segment."""
    runs = seeds.run(prepared, watch(name))["physical"]
    variables = runs.state.physical.train.variables
    return Row(
        form_of(scored[0]).solvers(case, scored, variables),
        runs.seconds,
        form_of(prepared[0]).solves(runs.metrics, settings(case, name, 0), prepared),
        variables=variables,
    )


def _starts(case, prepared):
    """L-BFGS from the published guess, and the best of many starts."""
    options = case.config["starts"]
    state, real = _stacked(prepared)
    guess = jax.tree.map(lambda x: x[:, None], state.physical.train.params)
    drawn = [
        case.entry.draw_starts(
            options["bounds"], options["number"], seed, own.problem.domain
        )
        for seed, own in zip(case.seeds, prepared, strict=True)
    ]
    player = prepared[0].plan.players["physical"]
    result = {}
    for name, begin_at in (("lbfgs", guess), ("starts", seeds.stack(drawn))):
        begin = time.perf_counter()
        found = starts.fit(player, state, real, begin_at, options.get("at_once"))
        result[name] = Row(
            form_of(prepared[0]).solvers(case, prepared, found.variables),
            time.perf_counter() - begin,
            # Of each start the shares of its loss, and its score.
            float(np.median(found.evaluations)) + 2 * found.scores.shape[1],
            variables=found.variables,
        )
    return result


def _network(case, plans, watch):
    """The network alone, as long as in the hybrid; all of its batch are real data.

    By the cycle of the hybrid's end, or by a row of its own, where cycles differ.
    """
    prepared, own = plans["hybrid"], settings(case, "hybrid", 0)
    form = form_of(prepared[0])
    if "synthetic" in plans:
        runs = seeds.run(plans["synthetic"], watch("synthetic"))["synthetic"]
    else:
        player = prepared[0].plan.players["synthetic"]
        cycle = hybrid.make_solo_cycle("synthetic", player)
        count = own.hybrid.num_trainings
        runs = _run(cycle, count, prepared, own, watch("synthetic"))
    variables = runs.state.synthetic.train.variables
    row = Row(
        form.networks(case, prepared, variables),
        runs.seconds,
        evaluations=form.evaluations(runs.metrics, own, prepared),
        variables=variables,
    )
    return row, runs.state


def _two_stage(case, prepared, taught: HybridState, network: Row, watch):
    """The physical model learns from the network that was trained alone."""
    own, form = settings(case, "hybrid", 0), form_of(prepared[0])
    cycle = one_way.make_cycle("physical", prepared[0].plan.players)
    state, metrics, seconds = _run(
        *(cycle, own.hybrid.num_fits, prepared, own, watch("two_stage")),
        synthetic=taught.synthetic,
    )
    variables = state.physical.train.variables
    return Row(
        form.solvers(case, prepared, variables),
        network.seconds + seconds,
        form.solves(metrics, own, prepared),
        network.evaluations + own.hybrid.cycles * form.network_answers(own, prepared),
        variables,
    )


def _distilled(case, prepared, teacher: Row, watch):
    """The network learns from a physical model that was trained alone."""
    own, form = settings(case, "distilled", 0), form_of(prepared[0])
    cycle = one_way.make_cycle("synthetic", prepared[0].plan.players)
    physical = _stacked(prepared)[0].physical
    names = physical.train.params
    params = {
        name: jax.tree.map(jnp.asarray, teacher.variables[name]) for name in names
    }
    physical = physical.replace(train=physical.train.replace(params=params))
    count = own.hybrid.num_trainings
    state, metrics, seconds = _run(
        cycle, count, prepared, own, watch("distilled"), physical=physical
    )
    variables = state.synthetic.train.variables
    return Row(
        form.networks(case, prepared, variables),
        teacher.seconds + seconds,
        teacher.solves + count * form.solver_answers(own, prepared),
        form.evaluations(metrics, own, prepared),
        variables,
    )


def _pinn(case, prepared):
    options = schema.from_dict(pinn.PinnSettings(), case.config["pinn"], "pinn.")
    first, own = prepared[0], settings(case, "pinn", 0)
    state, real = _stacked(prepared)
    keys = jnp.stack([stages.seeded_key(seed, stages.RUN) for seed in case.seeds])
    region = own.hybrid.ghost_region or ((0.0, 1.0),) * first.problem.domain.ndim

    def fit(network, coefficients, rows, key):
        return pinn.fit(
            case.entry,
            first.problem,
            region,
            first.models.synthetic.predict,
            options,
            network,
            coefficients,
            rows,
            key,
        )

    begin = time.perf_counter()
    program = jax.jit(jax.vmap(fit), compiler_options=calls.compiler_options())
    roles, learned = first.problem.roles, state.physical.train.params
    found = program(
        state.synthetic.train.variables,
        {name: raw for name, raw in learned.items() if name in roles},
        real.rows,
        keys,
    )
    jax.block_until_ready(found)
    seconds = time.perf_counter() - begin
    errors = score.fields(case, prepared, found["network"])
    for i, own in enumerate(prepared):
        params = seeds.take(found["coefficients"], i)
        errors[i] |= case.entry.errors_of(params, own.problem.domain)
    points = options.residuals + options.readings
    if case.entry.conditions is not None:
        points += 2 * options.conditions
    return Row(errors, seconds, 0.0, options.updates * points, found)


def _stacked(prepared: list[Prepared]) -> tuple[HybridState, Any]:
    real = seeds.stack([own.plan.real for own in prepared])
    return seeds.init_state(prepared), real


def _run(cycle, count, prepared, own, watched, **sides) -> seeds.Runs:
    """Runs a cycle so often, in calls as the hybrid's, from sides that are given."""
    state, real = _stacked(prepared)
    # Its buffers are donated, and those of what was given are still needed.
    state = jax.tree.map(jnp.copy, state.replace(**sides))
    length = min(own.hybrid.cycles_per_call, count)
    whole, rest = divmod(count, length)
    programs = [seeds.make_program(hybrid.repeat(cycle, length))] * whole
    if rest:
        programs.append(seeds.make_program(hybrid.repeat(cycle, rest)))
    return seeds.train(programs, state, real, functools.partial(watched, None))
