"""The default main job, as a user starts it."""

import tempfile
from pathlib import Path

import configs
from experiments.benchmarks import measure
from experiments.benchmarks.measure import Row, Sample


def job() -> list[Row]:
    """Runs the default job once, cold, in a fresh process and a temporary workdir."""
    path = Path(configs.__file__).with_name("burgers.py")
    with tempfile.TemporaryDirectory() as folder:
        arguments = f"--config={path}", f"--workdir={folder}/run"
        printed, seconds, peak = measure.measure_process(
            ("-m", "experiments.burgers", *arguments)
        )
    notes = {"table": printed.splitlines()}
    return [
        Row("job", Sample((seconds,)), "s", {}, 300.0, notes),
        Row("job, memory", Sample((peak,)), "MiB", {}, 3072.0),
    ]
