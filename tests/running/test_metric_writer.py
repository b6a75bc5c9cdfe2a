"""Metrics as JSON lines."""

import json
import math

import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.running import metric_writer


def test_values_of_every_kind_come_back_as_plain_python(tmp_path):
    path = tmp_path / "metrics.jsonl"
    line = {
        "stage": "hybrid",
        "cycle": jnp.int32(3),
        "loss": jnp.float32(0.1),
        "losses": np.asarray([1.0, 0.5], np.float32),
        "seconds": 0.25,
        "converged": jnp.bool_(True),
    }
    metric_writer.append(path, line)
    metric_writer.append(path, {"cycle": 4})
    first, second = metric_writer.read(path)
    assert first == {
        "stage": "hybrid",
        "cycle": 3,
        "loss": float(np.float32(0.1)),
        "losses": [1.0, 0.5],
        "seconds": 0.25,
        "converged": True,
    }
    assert [type(x) for x in first.values()] == [str, int, float, list, float, bool]
    assert second == {"cycle": 4}


def test_non_finite_values_are_valid_json_and_come_back(tmp_path):
    path = tmp_path / "metrics.jsonl"
    values = jnp.asarray([jnp.nan, jnp.inf, -jnp.inf, 1.0])
    metric_writer.append(path, {"values": values, "loss": math.nan})

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    line = json.loads(path.read_text(), parse_constant=refuse)
    assert line == {"values": ["nan", "inf", "-inf", 1.0], "loss": "nan"}
    (read,) = metric_writer.read(path)
    np.testing.assert_array_equal(read["values"], np.asarray(values))
    assert math.isnan(read["loss"])


def test_truncated_and_continued_file_is_bitwise_the_uninterrupted_one(tmp_path):
    def write(path, stage, cycles):
        for cycle in cycles:
            loss = np.float32(1) / np.float32(cycle)
            metric_writer.append(path, {"stage": stage, "cycle": cycle, "loss": loss})

    whole, resumed = tmp_path / "whole.jsonl", tmp_path / "resumed.jsonl"
    write(whole, "synthetic", range(1, 4))
    write(whole, "hybrid", range(1, 6))
    write(resumed, "synthetic", range(1, 4))
    write(resumed, "hybrid", range(1, 4))
    with open(resumed, "ab") as file:
        file.write(whole.read_bytes().splitlines()[6][:17])  # killed in mid-line
    # The newest checkpoint is the one of cycle 2: the line of cycle 3 goes too.
    metric_writer.truncate(
        resumed, lambda line: line["stage"] != "hybrid" or line["cycle"] <= 2
    )
    write(resumed, "hybrid", range(3, 6))
    assert resumed.read_bytes() == whole.read_bytes()


def test_line_without_its_end_is_torn_even_if_it_parses(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"cycle": 1}\n{"cycle": 2}')
    assert metric_writer.read(path) == [{"cycle": 1}]
    metric_writer.truncate(path, lambda line: True)
    assert path.read_bytes() == b'{"cycle": 1}\n'


def test_missing_file_has_no_lines_and_stays_missing(tmp_path):
    path = tmp_path / "metrics.jsonl"
    metric_writer.truncate(path, lambda line: True)
    assert metric_writer.read(path) == []
    assert not path.exists()


@pytest.mark.parametrize("text", [b"{\n", b"[1]\n", b"\n"])
def test_complete_line_that_is_no_object_is_named(tmp_path, text):
    path = tmp_path / "metrics.jsonl"
    content = b'{"cycle": 1}\n' + text + b'{"cycle": 2}\n'
    path.write_bytes(content)
    for action in metric_writer.read, lambda p: metric_writer.truncate(p, bool):
        with pytest.raises(ValueError, match="line 2 of .*metrics.jsonl is no JSON"):
            action(path)
    assert path.read_bytes() == content


def test_sort_is_stable_and_keeps_the_bytes_of_the_lines(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [b'{"s": 1, "c": 1}\n', b'{"s": 0,  "c": 1}\n', b'{"s": 1, "c": 0}\n']
    path.write_bytes(b"".join(lines))
    metric_writer.sort(path, lambda line: line["s"])
    assert path.read_bytes() == lines[1] + lines[0] + lines[2]


def test_write_replaces_a_file_by_one_line_of_valid_json(tmp_path):
    path = tmp_path / "eval.json"
    for error in (1.0, float("nan")):
        metric_writer.write(path, {"rows": {"a": {"nrmse": error}}})
    (line,) = metric_writer.read(path)
    assert np.isnan(line["rows"]["a"]["nrmse"])
    assert json.loads(path.read_text())["rows"]["a"]["nrmse"] == "nan"
