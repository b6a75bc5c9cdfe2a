"""The command line that all experiments share: flags, errors, exit codes.

Exit codes: 0 done, 1 an error that a message explains, 2 unusable flags, 143 stopped
by SIGTERM with everything saved.
"""

import signal
import sys
from collections.abc import Callable
from logging import Formatter
from pathlib import Path

from absl import flags, logging
from ml_collections import config_flags

from hyco_jax.running.loop import Terminated

_CONFIG = config_flags.DEFINE_config_file("config", lock_config=True)
_WORKDIR = flags.DEFINE_string(
    "workdir",
    "",
    "Where the run is kept; by default runs/<experiment>-<variant>-<hash>.",
)


def main(run: Callable):
    """Parses the flags, runs an experiment and exits.

    Args:
        run: Called with the config and the workdir (or None for the default one).
    """
    try:
        _check_config_file(sys.argv)
        rest = flags.FLAGS(sys.argv)
        if len(rest) > 1:
            raise flags.Error(f"unknown arguments {rest[1:]}; flags begin with --")
        if _CONFIG.value is None:
            raise flags.Error("--config is missing; try --config=configs/burgers.py")
    # ml_collections lets through what a config file or an override raises.
    except (
        flags.Error,
        OSError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        SyntaxError,
        ImportError,
    ) as error:
        print(f"error: {_one_line(error)}", file=sys.stderr)
        sys.exit(2)
    logging.use_absl_handler()
    if flags.FLAGS.verbosity < logging.INFO:
        logging.set_verbosity(logging.INFO)
    logging.get_absl_handler().setFormatter(Formatter("%(levelname)s %(message)s"))
    signal.signal(signal.SIGTERM, _terminate)
    try:
        run(_CONFIG.value, Path(_WORKDIR.value) if _WORKDIR.value else None)
    except (ValueError, OSError) as error:
        logging.debug("traceback (shown with --verbosity=1)", exc_info=True)
        print(f"error: {_one_line(error)}", file=sys.stderr)
        sys.exit(1)
    except Terminated as stop:
        print(stop, file=sys.stderr)
        sys.exit(143)
    except KeyboardInterrupt:
        print("interrupted; run the same command to go on", file=sys.stderr)
        sys.exit(130)


def _terminate(*_):
    raise Terminated("stopped by SIGTERM; run the same command to go on")


def _check_config_file(argv: list[str]):
    for argument in argv[1:]:
        name, _, value = argument.lstrip("-").partition("=")
        path = Path(value.partition(":")[0])
        if name == "config" and value and not path.is_file():
            raise flags.Error(
                f"--config={value}: {path} does not exist; try "
                "--config=configs/burgers.py"
            )


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, KeyError | AttributeError):
        text = f"{text} is not a key of the config, whose file lists them"
    # What a config file raises comes wrapped in a traceback.
    return text.rpartition("Error: ")[2] or type(error).__name__
