"""Event files show what `metrics.jsonl` holds, whenever a process died."""

import dataclasses
import importlib.util
import struct

import pytest
from tensorboardX.proto.event_pb2 import Event

import hyco_jax
from hyco_jax.running import metric_writer, tensorboard
from tests.ring import ring_data, ring_problem, ring_settings


def read(folder):
    """All events of a folder, in the order in which they were written."""
    events = []
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            events.append(Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
    return events


def scalars(folder):
    return [
        (value.tag, event.step, value.simple_value)
        for event in read(folder)
        for value in event.summary.value
    ]


def logged(workdir, stage):
    return [
        (name, line["cycle"], pytest.approx(value, rel=1e-6, nan_ok=True))
        for line in metric_writer.read(workdir / "metrics.jsonl")
        for name, value in line.items()
        if line["stage"] == stage and name != "cycle" and isinstance(value, int | float)
    ]


def log(workdir, stage, cycles, **values):
    for cycle in cycles:
        line = {"stage": stage, "cycle": cycle, "losses": [1.0]} | values
        metric_writer.append(workdir / "metrics.jsonl", line)
        yield line


def test_lines_made_anew_after_a_kill_are_shown_once(tmp_path):
    with tensorboard.opened(tmp_path, True) as events:
        for line in log(tmp_path, "physical", (1, 2), error=0.5):
            events.add(line)
        for line in log(tmp_path, "hybrid", (1, 2, 3), error=float("nan")):
            events.add(line)
    # The next start goes on from the checkpoint after cycle 1, in a call of two.
    metric_writer.truncate(
        tmp_path / "metrics.jsonl",
        lambda line: line["stage"] == "physical" or line["cycle"] == 1,
    )
    with tensorboard.opened(tmp_path, True) as events:
        for line in list(log(tmp_path, "hybrid", (2, 3), error=0.25)):
            events.add(line)
        for line in log(tmp_path, "hybrid", (4,), error=0.25):
            events.add(line)
    for stage, cycles in (("physical", [1, 2]), ("hybrid", [1, 2, 3, 4])):
        found = scalars(tmp_path / "tensorboard" / stage)
        assert [step for _, step, _ in found] == cycles
        assert found == logged(tmp_path, stage)


def test_a_run_that_was_killed_shows_each_cycle_and_its_figures(tmp_path, monkeypatch):
    def draw(result, folder):
        from PIL import Image

        folder.mkdir()
        Image.new("RGB", (3, 2)).save(folder / "nrmse.png")

    class Stop(Exception):
        pass

    def stop(line):
        if line["cycle"] == 2:
            raise Stop

    monkeypatch.setattr("hyco_jax.result.Result.plot", draw)
    problem = ring_problem()
    arguments = problem, ring_data(problem)
    # Nothing is saved before the kill.
    options = dataclasses.replace(ring_settings(), mode="synthetic", save_every=3)
    options = dataclasses.replace(
        options, hybrid=dataclasses.replace(options.hybrid, cycles=3)
    )
    with pytest.raises(Stop):
        hyco_jax.fit(*arguments, options, tmp_path, stop, tensorboard=True)
    seen = scalars(tmp_path / "tensorboard/synthetic")
    assert {step for _, step, _ in seen} == {1, 2}
    hyco_jax.fit(*arguments, options, tmp_path, tensorboard=True)
    found = scalars(tmp_path / "tensorboard/synthetic")
    assert found == logged(tmp_path, "synthetic") and found
    (image,) = (
        value
        for event in read(tmp_path / "tensorboard/figures")
        for value in event.summary.value
    )
    assert (image.tag, image.image.width, image.image.height) == ("nrmse", 3, 2)
    content = (tmp_path / "figures/nrmse.png").read_bytes()
    assert image.image.encoded_image_string == content


def test_what_is_missing_is_said_before_anything_is_made(tmp_path, monkeypatch):
    problem = ring_problem()
    arguments = problem, ring_data(problem), ring_settings()
    with pytest.raises(ValueError, match="tensorboard=True needs a workdir"):
        hyco_jax.fit(*arguments, tensorboard=True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match='run `pip install "tensorboardX'):
        hyco_jax.fit(*arguments, tmp_path / "new", tensorboard=True)
    assert not list(tmp_path.iterdir())
