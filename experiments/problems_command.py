"""The command line of an experiment whose config holds several problems."""

import sys
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import config_flags


def read(
    argv: list[str] | None, file: str, workdir: str
) -> tuple[dict[str, Any], Path]:
    """Reads --config and --workdir, and makes the folder of results.

    Exits with a message if a flag is missing or wrong.

    Args:
        argv: By default those of the process.
        file: In `configs/`, to be named in messages.
        workdir: Where results go by default.

    Returns:
        The config, and the folder.
    """
    argv = sys.argv if argv is None else argv
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
    flags.DEFINE_string("workdir", workdir, "Where results go.", flag_values=values)
    try:
        rest = values(argv)
        if len(rest) > 1 or values.config is None:
            raise flags.Error(f"expected --config=configs/{file}:NAME, got {argv[1:]}")
    except (flags.Error, ValueError) as error:
        sys.exit(f"error: {error}")
    folder = Path(values.workdir)
    folder.mkdir(parents=True, exist_ok=True)
    return values.config.to_dict(), folder
