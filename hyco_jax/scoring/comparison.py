"""Finished runs side by side: what differs in their configs, and medians over seeds."""

import dataclasses
import math
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from flax import traverse_util

from hyco_jax import settings as all_settings
from hyco_jax.running import metric_writer
from hyco_jax.running import workdir as workdirs
from hyco_jax.scoring import table

ABSENT = "-"
# Keys of the top level that no result depends on, and the seed.
_IGNORED = {"seed", *all_settings.free_keys(all_settings.Settings())}


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        path: Its workdir.
        seed: Of its config.
        config: The rest of it, by dotted key, but for what no result depends on.
        revision: Of the code that it was made with, "" if unknown.
        rows: Its table.
    """

    path: Path
    seed: int
    config: Mapping[str, Any]
    revision: str
    rows: Mapping[str, Mapping[str, float | None]]


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but their seeds."""

    runs: tuple[Run, ...]

    @property
    def config(self) -> dict[str, Any]:
        """What they share, the revision only where a group has been split by it."""
        return dict(self.runs[0].config)

    @property
    def name(self) -> str:
        """The workdir of one, what the workdirs of several begin and end with."""
        paths = [str(run.path) for run in self.runs]
        if len(paths) == 1:
            return paths[0]
        start = os.path.commonprefix(paths)
        rests = [path.removeprefix(start)[::-1] for path in paths]
        return f"{start}*{os.path.commonprefix(rests)[::-1]}"

    @property
    def seeds(self) -> list[int]:
        """Ascending."""
        return sorted(run.seed for run in self.runs)

    def entries(self, row: str, column: str) -> list[float]:
        """What the runs have in a place of their tables; none unless all have one.

        A NaN has no place in an order: a diverged run counts as the worst.
        """
        found = [run.rows.get(row, {}).get(column) for run in self.runs]
        if None in found:
            return []
        return [math.inf if math.isnan(value) else value for value in found]

    def medians(self) -> dict[str, dict[str, float | None]]:
        """The table of the medians; None where a run lacks the entry."""
        names = [row for row in table.ROWS if any(row in run.rows for run in self.runs)]
        result = {}
        for row in names:
            columns = dict.fromkeys(c for r in self.runs for c in r.rows.get(row, {}))
            result[row] = {}
            for column in columns:
                if not (table.is_column(column) or table.is_term(column)):
                    continue
                found = self.entries(row, column)
                result[row][column] = statistics.median(found) if found else None
        return result


def read(workdir: Path) -> Run:
    """Reads a finished run.

    Raises:
        ValueError: If the folder holds none, in one line.
    """
    if not (workdir / "config.json").is_file():
        raise ValueError(f"{workdir} is no workdir of a run: it has no config.json")
    config = workdirs.read_config(workdir)
    lines = metric_writer.read(workdir / "eval.json")
    if not lines:
        raise ValueError(
            f"{workdir} isn't finished: it has no eval.json; run its command again"
        )
    if not isinstance(lines[0].get("rows"), dict):
        raise ValueError(f"{workdir / 'eval.json'} holds no table")
    info = workdirs.read_run_info(workdir)
    kept = {name: value for name, value in config.items() if name not in _IGNORED}
    kept = traverse_util.flatten_dict(kept, sep=".")
    if "data" not in config:
        # Arrays of one's own: the config doesn't tell them apart.
        kept["data"] = str(info.get("data_checksum", ABSENT))[:8]
    git = info.get("git") or {}
    revision = str(git.get("revision", ""))[:8] + "+" * bool(git.get("dirty"))
    return Run(workdir, config.get("seed", 0), kept, revision, lines[0]["rows"])


def group(runs: Iterable[Run]) -> list[Group]:
    """Groups runs that differ in nothing but their seeds, in order of appearance.

    Where a seed appears twice the revision of the code counts as a key `code`.

    Raises:
        ValueError: If two runs have the same config, seed and code.
    """
    groups = []
    for same in _by(runs, lambda run: run.config):
        if len({run.seed for run in same}) == len(same):
            groups.append(Group(tuple(same)))
            continue
        marked = [
            dataclasses.replace(run, config={**run.config, "code": run.revision})
            for run in same
        ]
        for split in _by(marked, lambda run: run.config):
            for twins in _by(split, lambda run: run.seed):
                if len(twins) > 1:
                    raise ValueError(
                        f"{twins[0].path} and {twins[1].path} have the same config, "
                        "seed and code; name one of them"
                    )
            groups.append(Group(tuple(split)))
    return groups


def differences(groups: Sequence[Group]) -> list[str]:
    """The dotted keys in which groups differ."""
    keys = dict.fromkeys(key for group in groups for key in group.config)
    first = groups[0].config
    return [
        key
        for key in keys
        if any(g.config.get(key, ABSENT) != first.get(key, ABSENT) for g in groups)
    ]


def own_differences(groups: Sequence[Group]) -> list[list[str]]:
    """For each group the keys that tell it from the others of its system.

    Runs of two systems differ in most keys; then the name of the system says enough.
    """
    system = "experiment_name"
    several = system in differences(groups)
    told = []
    for group in groups:
        name = group.config.get(system)
        keys = differences([g for g in groups if g.config.get(system) == name])
        told.append([system] * several + keys)
    return told


def _by(runs, key) -> list[list[Run]]:
    """Runs whose keys are equal; the keys need not be hashable."""
    parts: list[list[Run]] = []
    for run in runs:
        part = next((part for part in parts if key(part[0]) == key(run)), None)
        if part is None:
            parts.append([run])
        else:
            part.append(run)
    return parts
