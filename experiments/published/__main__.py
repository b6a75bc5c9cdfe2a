"""The published experiments with their strongest rivals, a table in Markdown.

    python -m experiments.published --config=configs/published.py:heat_half
    python -m experiments.published --config=configs/published.py:all

Every row is trained in this run on the same data, for several seeds in one program.
Tables, numbers and figures go to --workdir. What each row does: `rows.py`.
"""

import json
import sys
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from experiments.published import bound, figures, table
from experiments.published import rows as all_rows
from experiments.published.case import make_case, prepare
from hyco_jax.running.compilation_cache import kept_programs


def main(argv: list[str] | None = None):
    """Parses the flags, runs every problem of the config and prints its table."""
    argv = sys.argv if argv is None else argv
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
    flags.DEFINE_string(
        "workdir", "runs/published", "Where results go.", flag_values=values
    )
    try:
        rest = values(argv)
        if len(rest) > 1 or values.config is None:
            raise flags.Error(
                f"expected --config=configs/published.py:NAME, got {argv[1:]}"
            )
    except (flags.Error, ValueError) as error:
        sys.exit(f"error: {error}")
    folder = Path(values.workdir)
    folder.mkdir(parents=True, exist_ok=True)
    config = values.config.to_dict()
    with kept_programs(True):
        tables = [
            run(make_case(name, own, config["seeds"]), folder)
            for name, own in config["problems"].items()
        ]
    (folder / "table.md").write_text("\n\n".join(tables) + "\n")
    print("\n\n".join(tables))


def run(case, folder: Path) -> str:
    """Runs an experiment, keeps its numbers and figures, and returns its table."""
    rows, curves = all_rows.run(case, lambda line: print(line, flush=True))
    numbers = {
        name: {
            "errors": row.errors,
            "seconds": row.seconds,
            "one_seed": row.one_seed,
            "solves": row.solves,
            "evaluations": row.evaluations,
        }
        for name, row in rows.items()
    }
    text = json.dumps({"rows": numbers, "curves": curves}, indent=1)
    (folder / f"{case.name}.json").write_text(text)
    first = prepare(case._replace(seeds=case.seeds[:1]), ["hybrid"])["hybrid"][0]
    figures.save(case, first, rows, curves, folder)
    text = table.markdown(case.name, rows, case.config["published"])
    limit = bound.line(case)
    return f"{text}\n\n{limit}" if limit else text


if __name__ == "__main__":
    main()
