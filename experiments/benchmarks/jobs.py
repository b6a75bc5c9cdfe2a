"""The default main job, as a user starts it."""

import tempfile

from configs import burgers as configs
from experiments.benchmarks import measure
from experiments.benchmarks.measure import Row, Sample


def job() -> list[Row]:
    """Runs the default job once, cold, in a fresh process and a temporary workdir."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = f"--config={configs.__file__}", f"--workdir={folder}/run"
        printed, seconds, peak = measure.measure_process(
            ("-m", "experiments.burgers", *arguments)
        )
    notes = {"table": printed.splitlines()}
    return [
        Row("job", Sample((seconds,)), "s", {}, 300.0, notes),
        Row("job, memory", Sample((peak,)), "MiB", {}, 3072.0),
    ]
