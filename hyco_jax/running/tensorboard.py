"""TensorBoard's view of a run: event files that follow `metrics.jsonl`.

The lines of the log are the record. A start writes the events of what is in the log
again, and those of a stage once more where it goes on, since lines after the newest
checkpoint are made anew; so each cycle has its events once, whenever a process died.
"""

import contextlib
import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hyco_jax.running import metric_writer

FOLDER = "tensorboard"
_FIGURES = "figures"
# Seconds until a cycle is on the disk; by default two minutes.
_FLUSH = 5
_CHANNELS = 4


def check(wanted: bool, workdir: Path | str | None = "."):
    """Raises a ValueError if event files are wanted and can't be written."""
    if wanted and workdir is None:
        raise ValueError(
            "tensorboard=True needs a workdir, below which the event files are; pass "
            "workdir='runs/mine'"
        )
    if wanted and importlib.util.find_spec("tensorboardX") is None:
        raise ValueError(
            "TensorBoard's event files need the package tensorboardX, which is not "
            'installed; run `pip install "tensorboardX>=2.6.5,<3"`, or do without them'
        )


@contextlib.contextmanager
def opened(workdir: Path, wanted: bool) -> Iterator["Events | None"]:
    """The event files of a workdir, closed whatever happens; None if not wanted.

    Args:
        workdir: Of the run, which has it locked.
        wanted: Whether there are to be any.
    """
    events = Events(workdir) if wanted else None
    try:
        yield events
    finally:
        if events is not None:
            events.close()


class Events:
    """Event files below `tensorboard/`, a folder for each stage and one for figures."""

    def __init__(self, workdir: Path):
        self._workdir = workdir
        self._writers = {}
        self._shown = {}
        log = metric_writer.read(workdir / "metrics.jsonl")
        for stage in {line["stage"]: None for line in log}:
            self._write_again(stage, log)
        self._going_on = set()

    def add(self, line: dict[str, Any]):
        """Shows a line of the log, which is in the file already."""
        stage, cycle = line["stage"], line["cycle"]
        if stage not in self._going_on:
            log = metric_writer.read(self._workdir / "metrics.jsonl")
            self._write_again(stage, log)
            self._going_on.add(stage)
        elif cycle > self._shown[stage]:
            self._show(line)

    def add_figures(self, folder: Path):
        """Shows the figures of a finished run as they are, the GIF included."""
        self._start(_FIGURES)
        for path in sorted(folder.glob("*")):
            with Image.open(path) as image:
                size = dict(zip(("width", "height"), image.size, strict=True))
            content = size | {
                "colorspace": _CHANNELS,
                "encoded_image_string": path.read_bytes(),
            }
            self._write(_FIGURES, 0, [{"tag": path.stem, "image": content}])

    def close(self):
        """Writes all that is pending."""
        for writer in self._writers.values():
            writer.close()

    def _write_again(self, stage: str, log: list[dict[str, Any]]):
        self._start(stage)
        self._shown[stage] = 0
        for line in log:
            if line["stage"] == stage:
                self._show(line)

    def _show(self, line: dict[str, Any]):
        stage, cycle = line["stage"], line["cycle"]
        scalars = [
            {"tag": name, "simple_value": float(value)}
            for name, value in line.items()
            if name != "cycle" and isinstance(value, int | float | np.generic)
        ]
        self._write(stage, cycle, scalars)
        self._shown[stage] = cycle

    def _write(self, name: str, step: int, values: list[dict[str, Any]]):
        # SummaryWriter.add_scalar would warn of each NaN, and rename.
        from tensorboardX.proto.summary_pb2 import Summary

        summary = Summary(value=[Summary.Value(**value) for value in values])
        self._writers[name].file_writer.add_summary(summary, step)

    def _start(self, name: str):
        """Begins a new file; what was there before is gone."""
        from tensorboardX import SummaryWriter

        if name in self._writers:
            self._writers[name].close()
        folder = self._workdir / FOLDER / name
        shutil.rmtree(folder, ignore_errors=True)
        # To a TensorBoard that is watching, the purge says that the run began again.
        self._writers[name] = SummaryWriter(
            str(folder), flush_secs=_FLUSH, purge_step=0
        )
