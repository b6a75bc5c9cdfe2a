"""The host loop: calls of several cycles, what is written, and how it goes on."""

import dataclasses
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hyco_jax
from hyco_jax import hybrid, settings, stages
from hyco_jax.running import loop, metric_writer
from hyco_jax.running.time_limit import TimeLimit
from hyco_jax.training import optimizers
from tests import pair, toy
from tests.ring import ring_data, ring_problem, ring_settings

START = {
    "synthetic": {"kernel": jnp.array([0.1, 0.7, 0.1])},
    "physical": {"rate": jnp.array(0.4)},
}


@pytest.fixture(scope="module")
def system():
    descent = optimizers.DescentSettings(optimizer="sgd", learning_rate=3e-3)
    return pair.make_system(
        toy.observed(toy.trajectories(jax.random.key(1))),
        {"synthetic": toy.predict(toy.convolve), "physical": toy.predict(toy.diffuse)},
        {
            "synthetic": optimizers.make_descent(descent, 100),
            "physical": optimizers.make_full_batch("adam", 0.01),
        },
        physical=dataclasses.replace(pair.PHYSICAL, method="adam"),
    )


@pytest.fixture(scope="module")
def stage(system):
    """Five cycles in calls of two, two and one."""
    cycle = system.make_cycle(1.0, 1.0, 0.0)
    calls = {n: loop.Call(jax.jit(hybrid.repeat(cycle, n)), n) for n in (1, 2)}
    return loop.Stage("hybrid", (calls[2], calls[2], calls[1]))


def run(stage, system, workdir, callback=None, limit=None, **every):
    every = {"log_every": 1, "eval_every": 1, "save_every": 1} | every
    watch = loop.Watch(
        lambda name, state: {"cycle_seen": int(state.cycle)},
        [callback] if callback else [],
        keep_checkpoints=2,
        limit=limit or TimeLimit(None),
        **every,
    )
    state = pair.make_state(system, START)
    return loop.run(stage, state, system.real, watch, workdir)


@pytest.fixture(scope="module")
def whole(stage, system, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("whole")
    return run(stage, system, workdir), workdir


def test_every_cycle_of_a_call_has_its_line_and_the_last_is_evaluated(whole):
    state, workdir = whole
    lines = metric_writer.read(workdir / "metrics.jsonl")
    assert [line["cycle"] for line in lines] == [1, 2, 3, 4, 5]
    seen = {line["cycle"]: line.get("cycle_seen") for line in lines}
    assert seen == {1: None, 2: 2, 3: None, 4: 4, 5: 5}
    assert state.cycle == 5
    assert len({line["physical/loss_real"] for line in lines}) == 5
    timings = metric_writer.read(workdir / "timings.jsonl")
    assert [line["cycle"] for line in timings] == [2, 4, 5]


@pytest.mark.parametrize("stop_after", [2, 4])
def test_a_run_goes_on_from_the_end_of_a_call_bit_by_bit(
    stop_after, stage, system, whole, tmp_path
):
    class Stop(Exception):
        pass

    def stop(line):
        if line["cycle"] == stop_after:
            raise Stop

    with pytest.raises(Stop):
        run(stage, system, tmp_path, stop)
    lines = []
    state = run(stage, system, tmp_path, lines.append)
    assert [line["cycle"] for line in lines] == list(range(stop_after + 1, 6))
    jax.tree.map(np.testing.assert_array_equal, pair.bits(state), pair.bits(whole[0]))
    ours, theirs = ((d / "metrics.jsonl").read_bytes() for d in (tmp_path, whole[1]))
    assert ours == theirs


@pytest.mark.parametrize("save_every", [1, 3])
def test_a_run_out_of_time_goes_on_bit_by_bit_however_often_it_stops(
    save_every, stage, system, whole, tmp_path
):
    for done in (2, 4):
        with pytest.raises(loop.OutOfTime, match=f"after cycle {done} of 5 of hybrid"):
            run(stage, system, tmp_path, limit=TimeLimit(0), save_every=save_every)
    state = run(stage, system, tmp_path, limit=TimeLimit(0), save_every=save_every)
    jax.tree.map(np.testing.assert_array_equal, pair.bits(state), pair.bits(whole[0]))
    ours, theirs = ((d / "metrics.jsonl").read_bytes() for d in (tmp_path, whole[1]))
    assert ours == theirs


def test_a_stage_begins_only_if_its_first_call_fits(stage, system, whole, tmp_path):
    limit = TimeLimit(0)
    limit.note("physical", 1.0)
    with pytest.raises(loop.OutOfTime, match="before hybrid; what was trained is"):
        run(stage, system, tmp_path, limit=limit)
    # A finished stage has nothing to begin.
    shutil.copytree(whole[1], tmp_path, dirs_exist_ok=True)
    assert run(stage, system, tmp_path, limit=limit).cycle == 5


def test_a_checkpoint_inside_a_call_is_refused(stage, system, whole, tmp_path):
    run(loop.Stage("hybrid", stage.calls[:1]), system, tmp_path)
    other = loop.Stage("hybrid", (stage.calls[2], stage.calls[0], stage.calls[0]))
    with pytest.raises(ValueError, match="cycle 2, which is not the end of a call"):
        run(other, system, tmp_path)


def test_a_run_that_ended_inside_a_call_of_a_longer_one_is_refused(
    stage, system, whole, tmp_path
):
    # 5 = 2 + 2 + 1, but 7 = 2 + 2 + 2 + 1.
    shutil.copytree(whole[1], tmp_path, dirs_exist_ok=True)
    longer = loop.Stage("hybrid", (*[stage.calls[0]] * 3, stage.calls[2]))
    with pytest.raises(ValueError, match="cycle 5, .*config.hybrid.cycles and"):
        run(longer, system, tmp_path)


def test_saves_are_rounded_up_to_the_end_of_a_call(stage, system, tmp_path):
    run(stage, system, tmp_path, save_every=3)
    saved = sorted(p.name for p in (tmp_path / "checkpoints/hybrid").iterdir())
    assert saved == ["4", "5"]


def test_skipped_updates_are_told():
    line = {"synthetic/loss_real": 0.5, "synthetic/skipped": 3, "physical/skipped": 0}
    assert loop.describe(line) == "synthetic 0.5  3 updates skipped"


@pytest.fixture(scope="module")
def ring():
    problem = ring_problem()
    return problem, ring_data(problem)


def test_calls_are_named_by_stage_and_horizon_and_hold_equal_cycles(ring):
    problem, data = ring
    options = ring_settings(horizons=(2, 3))
    longer = dataclasses.replace(options.hybrid, cycles=5, warmup=2, cycles_per_call=2)
    options = dataclasses.replace(options, hybrid=longer)
    models = stages.make_models(problem, options, data)
    plan = stages.make_plan(problem, data, options, models)
    calls = {
        s.name: [(c.run.__name__, c.num_cycles) for c in s.calls] for s in plan.stages
    }
    assert calls["hybrid"] == [
        ("synthetic_cycle_h2", 2),
        ("hybrid_cycle_h2", 2),
        ("hybrid_cycle_h3", 2),
        ("hybrid_cycle_h3", 1),
    ]
    assert calls["physical"] == [("physical_cycle_h3", n) for n in (2, 2, 1)]
    # One program for each kind, horizon and length.
    programs = {call.run for stage in plan.stages for call in stage.calls}
    assert len(programs) == 8


@pytest.mark.parametrize(
    ("power", "mode", "steps"),
    [(1.0, "hybrid", 5), (0.0, "hybrid", 6), (1.0, "physical", 6)],
)
def test_only_trust_holds_the_end_of_the_training_records_out(power, mode, steps, ring):
    problem, data = ring
    options = ring_settings()
    options = dataclasses.replace(
        options,
        mode=mode,
        hybrid=dataclasses.replace(options.hybrid, trust_power=power),
    )
    normal = dataclasses.replace(options.synthetic, normalise=True)
    options = dataclasses.replace(options, synthetic=normal)
    models = stages.make_models(problem, options, data)
    real = stages.make_plan(problem, data, options, models).real
    assert real.training.states.shape[1] == steps + 1
    scored = np.broadcast_to(real.scored.weights, real.scored.states.shape)
    times = np.flatnonzero(scored.any(axis=(0, 2, 3)))
    assert times.tolist() == ([6] if steps == 5 else list(range(7)))
    mean = models.synthetic.init(jax.random.key(0))["normalisation"]["mean"]
    np.testing.assert_allclose(mean, real.training.states.mean(), rtol=1e-5)


@pytest.mark.usefixtures("no_figures")
def test_a_longer_run_is_what_a_run_of_that_length_is_or_is_refused(ring, tmp_path):
    problem, data = ring
    constant = ring_settings(scheduler="constant")
    constant = dataclasses.replace(constant, mode="synthetic")

    def fit(options, cycles, name):
        length = dataclasses.replace(options.hybrid, cycles=cycles)
        options = dataclasses.replace(options, hybrid=length)
        return hyco_jax.fit(problem, data, options, tmp_path / name)

    fit(constant, 1, "continued")
    continued, whole = fit(constant, 3, "continued"), fit(constant, 3, "whole")
    jax.tree.map(
        np.testing.assert_array_equal,
        continued.synthetic.params,
        whole.synthetic.params,
    )
    logs = [
        (tmp_path / n / "metrics.jsonl").read_bytes() for n in ("continued", "whole")
    ]
    assert logs[0] == logs[1]
    cosine = dataclasses.replace(ring_settings(), mode="synthetic")
    fit(cosine, 1, "cosine")
    with pytest.raises(ValueError, match="hybrid.cycles: 1 -> 3.*laid over all cycles"):
        fit(cosine, 3, "cosine")


@pytest.mark.usefixtures("no_figures")
def test_a_length_that_cuts_a_call_is_refused_before_the_config_is_written(
    ring, tmp_path
):
    problem, data = ring
    options = ring_settings(scheduler="constant")

    def fit(cycles):
        hybrid = dataclasses.replace(options.hybrid, cycles=cycles, cycles_per_call=2)
        changed = dataclasses.replace(options, mode="synthetic", hybrid=hybrid)
        return hyco_jax.fit(problem, data, changed, tmp_path)

    fit(3)
    kept = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    for cycles in (2, 5):
        with pytest.raises(ValueError, match="holds cycle 3, "):
            fit(cycles)
    kept.pop(".lock")
    assert all((tmp_path / name).read_bytes() == kept[name] for name in kept)


def test_cycles_are_free_only_where_nothing_derives_from_them():
    constant = ring_settings(scheduler="constant")
    assert "hybrid.cycles" in settings.free_keys(constant)
    for changes in ({"scheduler": "cosine"}, {"horizons": (2, 3)}):
        options = ring_settings(**({"scheduler": "constant"} | changes))
        assert "hybrid.cycles" not in settings.free_keys(options)
        alone = dataclasses.replace(options, mode="physical")
        assert "hybrid.cycles" in settings.free_keys(alone)
    for name in ("cooldown", "synthetic_cooldown"):
        hybrid = dataclasses.replace(constant.hybrid, **{name: 1})
        cooled = dataclasses.replace(constant, hybrid=hybrid)
        assert "hybrid.cycles" not in settings.free_keys(cooled)
        for mode in ("physical", "synthetic"):
            alone = dataclasses.replace(cooled, mode=mode)
            assert "hybrid.cycles" in settings.free_keys(alone)
