"""The benchmarks run from their command line and write valid JSON."""

import json

import pytest

from experiments.benchmarks import cycle, measure
from experiments.benchmarks.measure import Call, Row, Sample


def test_command_line_writes_the_measured_case_as_json(tmp_path):
    path = tmp_path / "figures.json"

    cycle.main(["--only=lbfgs", "--repeats=1", f"--json={path}"])

    report = json.loads(path.read_text())
    assert report["cores"] >= 1 and "jax" in report["versions"]
    (case,) = report["cases"]
    assert case["case"] == "lbfgs" and case["ours"]["repeats"] == 1
    assert case["met"] == (case["ours"]["median"] <= case["aim"])
    ours, other = case["ours"], case["opponents"]["SciPy L-BFGS-B"]
    assert other["ratio"] == pytest.approx(ours["median"] / other["median"])
    # Else the two would not have done the same work.
    assert case["notes"]["iterations"] == {"ours": 10, "scipy": 10}
    final = case["notes"]["final_loss"]
    assert max(final.values()) < 0.1 * case["notes"]["initial_loss"]


def test_alternate_calls_in_turn_and_keeps_the_first_round_apart():
    order = []
    calls = {
        "a": Call(lambda: order.append("a")),
        "b": Call(lambda: order.append("b"), scale=0.0),
    }

    samples = measure.alternate(calls, repeats=2)

    assert order == ["a", "b"] * 3
    assert len(samples["a"].values) == 2 and samples["a"].first > 0
    assert samples["b"].values == (0.0, 0.0)


def test_ratio_cancels_a_machine_that_slows_down():
    # Twice as fast in every round, while the machine slows down 10-fold.
    ours, other = Sample((1.0, 10.0, 2.0)), Sample((2.0, 20.0, 4.0))
    assert measure.ratio(ours, other) == 0.5


def test_table_says_whether_an_aim_is_met():
    rows = [
        Row("quick", Sample((1.0, 2.0, 9.0)), aim=2.0),
        Row("large", Sample((3.0,)), "MiB", aim=2.0),
    ]
    header, quick, large = cycle.format_table(rows).splitlines()
    assert quick.split() == ["quick", "2", "s", "[1,", "9]", "2", "s", "yes"]
    assert large.split() == ["large", "3", "MiB", "[3,", "3]", "2", "MiB", "no"]


def test_peak_memory_of_a_process_is_its_own():
    # 300 MiB here must not count there.
    ballast = bytearray(300 * 2**20)
    printed, seconds, peak = measure.measure_process(("-c", "print('hello')"))
    del ballast
    assert printed == "hello" and seconds > 0
    assert 1 < peak < 200


def test_unknown_case_is_an_error_that_names_it(capsys):
    with pytest.raises(SystemExit, match="2"):
        cycle.main(["--only=rollout_4d"])
    assert "rollout_4d" in capsys.readouterr().err
