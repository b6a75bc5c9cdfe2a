"""The jitted programs of a fit: which cycles each of them makes."""

import functools
from collections.abc import Callable, Mapping, Sequence

import jax

from hyco_jax import coupling, hybrid
from hyco_jax import settings as all_settings
from hyco_jax.coupling import Rule
from hyco_jax.hybrid import Cycle, Player
from hyco_jax.running.loop import Call, Stage
from hyco_jax.settings import HybridSettings, Settings
from hyco_jax.training import optimizers

MakePlayer = Callable[[int], Player]


def make_stages(
    settings: Settings, players: Mapping[str, MakePlayer], horizons: Sequence[int]
) -> tuple[Stage, ...]:
    """Makes the stages of a fit, in order.

    Args:
        settings: Of the fit.
        players: Functions of a horizon that make the player of each model, and as
            "cooldown" the physical one of all real data.
        horizons: Of each cycle.

    Returns:
        The stages; there is one program for each kind of cycle, horizon and number of
        cycles of a call.
    """
    options = settings.hybrid
    players = {name: _traced_once(make) for name, make in players.items()}

    @functools.cache
    def call(kind, horizon, length):
        if kind == "hybrid":
            cycle = hybrid.make_hybrid_cycle(
                players["synthetic"](horizon),
                players["physical"](horizon),
                alpha_synthetic=make_rule(options, "synthetic"),
                alpha_physical=make_rule(options, "physical"),
                is_parallel=options.update == "parallel",
                keep_if_better=options.keep_if_better,
            )
        elif kind == "cooldown":
            player = hybrid.on_whole(players[kind](horizon))
            end = options.num_fits + options.warmup + options.cooldown
            cycle = hybrid.make_solo_cycle(
                "physical",
                player,
                scores_anew=all_settings.holds_out(settings),
                best_at=end - 1 if options.cooldown_to_best else None,
            )
        elif kind == "taught":
            cycle = hybrid.make_solo_cycle(
                "synthetic",
                players["synthetic"](horizon),
                teacher=players["physical"](horizon),
                alpha=options.alpha_synthetic,
            )
        else:
            cycle = hybrid.make_solo_cycle(kind, players[kind](horizon))
        return _jitted(cycle, f"{kind}_cycle_h{horizon}", length)

    def plan(kinds_and_horizons):
        runs = _runs(kinds_and_horizons, options.cycles_per_call)
        return tuple(call(*run) for run in runs)

    whole = max(horizons)
    first = [("physical", whole)] * options.physical_warmup
    kinds = ["synthetic"] * options.warmup + ["hybrid"] * options.cycles
    kinds += ["taught"] * options.synthetic_cooldown
    last = []
    if settings.mode == "hybrid":  # else nothing was held out
        last = [("cooldown", whole)] * options.cooldown
    pairs = list(zip(kinds, horizons, strict=True))
    count = options.warmup + options.cycles
    calls = {
        "physical": lambda: plan([("physical", whole)] * options.num_fits + last),
        "synthetic": lambda: plan([("synthetic", h) for h in horizons]),
        "hybrid": lambda: plan([*first, *pairs[:count], *last, *pairs[count:]]),
    }
    names = (settings.mode,)
    if settings.mode == "hybrid" and settings.baselines:
        names = ("physical", "synthetic", "hybrid")
    return tuple(Stage(name, calls[name]()) for name in names)


def make_rule(options: HybridSettings, model: str) -> Rule:
    """Makes the rule of how strongly a model listens, cycle by cycle.

    Args:
        options: Of the coupling.
        model: "synthetic" or "physical".
    """
    schedule = optimizers.make_schedule(
        options.alpha_scheduler, getattr(options, f"alpha_{model}"), options.cycles
    )

    def alpha(cycle):
        return schedule(cycle - options.physical_warmup - options.warmup)

    make = {"trust": coupling.make_trust, "need": coupling.make_need}
    factor = make[getattr(options, f"{model}_listens_by")](options.trust_power)
    return coupling.make_rule(alpha, factor)


def _traced_once(make_player: MakePlayer) -> MakePlayer:
    """Jits a player's functions: programs that share it trace them once."""
    return functools.cache(
        lambda horizon: Player(*(f and jax.jit(f) for f in make_player(horizon)))
    )


def _runs(cycles, most: int):
    """Splits a sequence into runs of equal members, none longer than `most`."""
    start = 0
    while start < len(cycles):
        length = 1
        while (
            length < most
            and start + length < len(cycles)
            and cycles[start + length] == cycles[start]
        ):
            length += 1
        yield *cycles[start], length
        start += length


def _jitted(cycle: Cycle, name: str, length: int) -> Call:
    """Jits cycles under a name that profiles and compile logs show."""
    cycles = hybrid.repeat(cycle, length)
    cycles.__name__ = cycles.__qualname__ = name
    program = jax.jit(cycles, donate_argnums=0, compiler_options=compiler_options())
    return Call(program, length)


def compiler_options(runs_once: bool = False) -> dict[str, int] | None:
    """Options of XLA for a program.

    Args:
        runs_once: Whether it is called once or twice, so that compiling is what costs;
            else it is a cycle.
    """
    # Who asks JAX for next to no optimisations means level 0.
    asked_for_less = jax.config.values["jax_disable_most_optimizations"]
    if jax.default_backend() != "cpu" or asked_for_less:
        return None
    if runs_once:
        # Without emitters of fused loops, which make cycles faster by a quarter. Of one
        # call by hand: the ± of Kuramoto-Sivashinsky's numbers took 16 s instead of 22,
        # that of heat's field, which computes longer than it compiles, 126 instead of
        # 121.
        return {
            "xla_backend_optimization_level": 1,
            "xla_cpu_use_fusion_emitters": False,
        }
    # Of LLVM, 3 by default: programs compile in four fifths of the time, and their
    # cycles are no slower (`python -m experiments.benchmarks.compilation`).
    return {"xla_backend_optimization_level": 2}
