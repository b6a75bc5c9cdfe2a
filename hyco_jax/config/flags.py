"""The command line that all experiments share: flags, errors, exit codes.

Exit codes: 0 done, 1 an error that a message explains, 2 unusable flags, 75 stopped by
--max_minutes and 143 by SIGTERM, both with everything saved.
"""

import signal
import sys
from logging import WARNING, Formatter, getLogger
from pathlib import Path
from types import ModuleType

from absl import flags, logging
from ml_collections import config_flags

from hyco_jax.config import experiment, schema
from hyco_jax.running.compilation_cache import kept_programs
from hyco_jax.running.loop import OutOfTime, Terminated

# What ml_collections lets through of a config file or an override.
_UNUSABLE = (
    *(flags.Error, OSError, AttributeError, KeyError),
    *(TypeError, ValueError, SyntaxError, ImportError),
)


def main(module: ModuleType, argv: list[str] | None = None):
    """Parses the flags, runs an experiment and exits unless all is well.

    May be called again and again in one process: its flags are its own.

    Args:
        module: The file of the PDE, such as `hyco_jax.pde.burgers`.
        argv: The arguments, the program's name first; by default the process's.
    """
    argv = sys.argv if argv is None else argv
    try:
        values = _parse(argv)
        if values.help_config and values.config is None:
            print(schema.describe(experiment.template(module)))
            return
        if values.config is None:
            raise flags.Error("--config is missing; try --config=configs/burgers.py")
        base = _parse([argv[0], *(a for a in argv[1:] if _is_config_file(a))])
        template = experiment.template(module)
        # A variant's values give way where a flag revokes the choice they belong to.
        template = schema.from_dict(template, base.config)
    except _UNUSABLE as error:
        print(f"error: {_one_line(error)}", file=sys.stderr)
        sys.exit(2)
    _set_logging(values.verbosity)
    previous = signal.getsignal(signal.SIGTERM)
    _listen(_terminate)
    try:
        settings = schema.from_dict(template, values.config)
        if values.help_config:
            print(schema.describe(settings))
            return
        folder = Path(values.workdir) if values.workdir else None
        with kept_programs(values.compilation_cache):
            if values.dry_run:
                print(experiment.dry_run(settings, module, folder))
                return
            command = _command(module, argv)
            experiment.run(
                settings,
                module,
                folder,
                values.max_minutes,
                command,
                values.tensorboard,
            )
    except (ValueError, OSError) as error:
        logging.debug("traceback (shown with --verbosity=1)", exc_info=True)
        print(f"error: {_one_line(error)}", file=sys.stderr)
        sys.exit(1)
    except OutOfTime as stop:
        print(stop, file=sys.stderr)
        sys.exit(75)  # what sysexits.h calls EX_TEMPFAIL: try again
    except Terminated as stop:
        print(stop, file=sys.stderr)
        sys.exit(143)
    except KeyboardInterrupt:
        print("interrupted; run the same command to go on", file=sys.stderr)
        sys.exit(130)
    finally:
        _listen(previous)


def _parse(argv: list[str]) -> flags.FlagValues:
    _check_config_file(argv)
    values = flags.FlagValues()
    config_flags.DEFINE_config_file(
        "config", lock_config=True, flag_values=values, sys_argv=argv
    )
    flags.DEFINE_string(
        "workdir",
        "",
        "Where the run is kept; by default runs/<experiment>-<variant>-<hash>.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "max_minutes",
        None,
        "Saves and exits with 75 before so many minutes are over, such as a queue's "
        "limit; the same command goes on.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "dry_run",
        False,
        "Say what would be trained, how much memory it needs and when it would end, "
        "after one call of each program. Nothing is saved.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "tensorboard",
        False,
        "Show the log and the figures in TensorBoard too: `tensorboard --logdir=runs`.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "compilation_cache",
        True,
        "Keep compiled programs for the next start, in JAX_COMPILATION_CACHE_DIR or "
        "else in ~/.cache/hyco_jax.",
        flag_values=values,
    )
    flags.DEFINE_integer("verbosity", 0, "1 shows tracebacks.", flag_values=values)
    flags.DEFINE_boolean(
        "help_config", False, "List every key of the config.", flag_values=values
    )
    rest = values(argv)
    if len(rest) > 1:
        raise flags.Error(f"unknown arguments {rest[1:]}; flags begin with --")
    return values


def _command(module: ModuleType, argv: list[str]) -> list[str]:
    """The words that start the run again, without what is about this start alone."""
    if argv is sys.argv:
        words = ["python", *sys.orig_argv[1 : len(sys.orig_argv) - len(argv) + 1]]
    else:
        words = ["python", "-m", f"experiments.{module.__name__.rpartition('.')[2]}"]
    arguments = iter(argv[1:])
    for argument in arguments:
        name, equals, _ = argument.lstrip("-").partition("=")
        if name not in ("workdir", "max_minutes"):
            words.append(argument)
        elif not equals:
            next(arguments, None)  # its value
    return words


def _is_config_file(argument: str) -> bool:
    return argument.lstrip("-").partition("=")[0] == "config"


def _check_config_file(argv: list[str]):
    for argument in argv[1:]:
        value = argument.partition("=")[2]
        path = Path(value.partition(":")[0])
        if _is_config_file(argument) and value and not path.is_file():
            raise flags.Error(
                f"--config={value}: {path} does not exist; try "
                "--config=configs/burgers.py"
            )


def _set_logging(verbosity: int):
    logging.use_absl_handler()
    # Else absl, whose own flags nobody parses here, warns of that first.
    flags.FLAGS.logtostderr = True
    flags.FLAGS.mark_as_parsed()
    logging.set_verbosity(logging.DEBUG if verbosity > 0 else logging.INFO)
    if verbosity <= 0:
        getLogger("jax").setLevel(WARNING)  # it tells of its cache, line by line
    logging.get_absl_handler().setFormatter(Formatter("%(levelname)s %(message)s"))


def _listen(handler):
    try:
        signal.signal(signal.SIGTERM, handler)
    except ValueError:  # not the main thread, as in some notebooks
        return


def _terminate(*_):
    raise Terminated("stopped by SIGTERM; run the same command to go on")


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, KeyError | AttributeError):
        text = f"{text} is not a key of the config; --help_config lists them"
    # What a config file raises comes wrapped in a traceback.
    return text.rpartition("Error: ")[2] or type(error).__name__
