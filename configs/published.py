"""The published experiments: settings of every row of their tables.

    python -m experiments.published --config=configs/published.py:heat_half

Names: heat_full, heat_half, heat_quarter; gray_scott; kuramoto_sivashinsky; helmholtz;
darcy_0, darcy_5, darcy_10, darcy_20 and darcy_50, by the noise in percent;
inviscid_burgers and inviscid_burgers_field; `all` for the whole table.

What was chosen, the same for all seeds, and on what: see `HYBRID`.
"""

import functools
import math

from ml_collections import ConfigDict

from configs import base

# The physical model takes three iterations of L-BFGS a cycle, the network 20 updates.
# They meet at the solver's cells and steps, where it answers without interpolating:
# between its cells its readings are off by up to dx² |∇²u| / 8. That, and the weights
# alpha, were chosen by the errors at the 40 sensors that no row is trained on, of seed
# 0, which is in no table.
HYBRID = {
    "baselines": False,
    "physical": {"method": "lbfgs", "num_iterations": 3, "abs_tol": 0.0},
    "synthetic": {"updates_per_epoch": 20, "batch_size": 512, "num_real": 350},
    "hybrid": {
        "cycles": 100,
        "cycles_per_call": 10,
        "ghost_points": 1200,
        "ghosts_at": "cells",
    },
}

# With all of the box read, the solver needs its partner for no more than a start that
# L-BFGS ends well from. Chosen as `HYBRID`: physical / synthetic 0.0178 / 0.0302; with
# 350 real readings in a batch 0.0179 / 0.0316, with these and an alpha_synthetic of 10
# 0.0178 / 0.0320, of 1000 0.0179 / 0.0329; 80 cycles together and 20 apart with 10
# 0.0179 / 0.0329; all cycles together with 10 0.0182 / 0.0321.
APART = {
    "synthetic": {"num_real": 50},
    "hybrid": {"cycles": 40, "cooldown": 60, "synthetic_cooldown": 60},
}

# With a quarter observed L-BFGS ends in the valley where it begins, whatever the
# network says; the small steps of Adam, as published, let the network lead it out (at
# the held-out sensors of seed 0 0.0191 instead of 0.0202).
FREED = {
    "baselines": False,
    "hybrid": {"cycles": 3000, "cycles_per_call": 300, "ghosts_at": "cells"},
}

ALONE = {"mode": "physical", "baselines": False}
LBFGS = {
    **ALONE,
    "physical": {"method": "lbfgs", "num_iterations": 200, "abs_tol": 0.0},
    "hybrid": {"cycles": 1, "cycles_per_call": 1},
}
# A record in 5 segments, whose jumps cost more and more.
SHOOTING = {
    **ALONE,
    "physical": {
        "method": "lbfgs",
        "num_iterations": 40,
        "abs_tol": 0.0,
        "segments": 5,
        "jump_weights": (1.0, 1000.0),
    },
    "hybrid": {"cycles": 6, "cycles_per_call": 1},
}
# Of the student's batch a single reading, of weight 0.
DISTILLED = {"synthetic": {"num_real": 1}}
# Of ReLUs the second derivatives are 0.
PINN = {"synthetic": {"field": {"activation": "tanh"}}}


def heat(part: str, hybrid: base.Values, synthetic: float, physical: float):
    """A heat test with moving sensors, with both alphas; see `configs/heat.py`."""
    alphas = {"alpha_synthetic": synthetic, "alpha_physical": physical}
    hybrid = base.merge(hybrid, {"hybrid": alphas})
    return {
        "experiment": "heat",
        "variant": f"published_{part}",
        "rows": {
            "hybrid": hybrid,
            "adam": {**ALONE, "hybrid": {"cycles": 3000, "cycles_per_call": 300}},
            "lbfgs": LBFGS,
            "shooting": SHOOTING,
            "distilled": base.merge(hybrid, DISTILLED),
            "pinn": base.merge(hybrid, PINN),
        },
        "starts": {
            "number": 16,
            "bounds": {"amplitudes": (0.5, 4.5), "centers": (-3.0, 3.0)},
        },
        "pinn": {"updates": 2000},
    }


# Gray-Scott's network was chosen among 13 by its errors at the 1000 held-out readings
# of seed 0, after 1000 updates on predictions of the solver that L-BFGS finds. With a
# rate of 3e-3 and three octaves of space: relu 0.057, gelu 0.055, tanh 0.072, gelu with
# two octaves of time 0.046; with two octaves of space relu 0.065, with four relu 0.057,
# gelu 0.054. Gelu with a rate of 1e-3 0.090, of 6e-3 0.046, with two octaves of time
# 0.032, of 1e-2 then 0.028; with three of time and 6e-3 0.023 (two of space 0.025).
# Three of time with 1e-2 were tried in the hybrid alone, with two schedules: 20 cycles
# of 50 updates (0.020 and 453 solves), 8 of 250 (0.018 and 133 solves). With ten cycles
# of 300 updates, as here, an alpha_synthetic of 10, 250 readings in a batch and a
# network that begins alone, 0.0113; where the solver fits first, and the network then
# hardly hears the readings, 0.0077.
GRAY_SCOTT = {
    "baselines": False,
    "physical": {"method": "lbfgs", "num_iterations": 10, "abs_tol": 1e-9},
    "synthetic": {
        "field": {"activation": "gelu", "time_octaves": 3},
        "learning_rate": 1e-2,
        "scheduler": "cosine",
        "updates_per_epoch": 300,
        "batch_size": 2000,
        "num_real": 10,
    },
    "hybrid": {
        "cycles": 10,
        **base.SOLVER_FIRST,
        "cycles_per_call": 1,
        "ghost_points": 50_000,
        "alpha_physical": 1e-3,
    },
}


def gray_scott():
    """The Gray-Scott test with 5000 readings; see `configs/gray_scott.py`.

    It has no row of multiple shooting: a segment's state has 8192 values, of which
    some 100 are read at a time.
    """
    lbfgs = {"method": "lbfgs", "num_iterations": 25, "abs_tol": 1e-9}
    return {
        "experiment": "gray_scott",
        "variant": "published_readings",
        "rows": {
            "hybrid": GRAY_SCOTT,
            # 200 updates, as published.
            "adam": {
                **ALONE,
                "physical": {"num_iterations": 10},
                "hybrid": {"cycles": 20, "cycles_per_call": 5},
            },
            "lbfgs": base.merge(LBFGS, {"physical": lbfgs}),
            "distilled": base.merge(GRAY_SCOTT, DISTILLED),
            "pinn": base.merge(GRAY_SCOTT, PINN),
        },
        "starts": {
            "number": 4,
            "bounds": {"diffusivity_u": (0.05, 0.5), "diffusivity_v": (0.02, 0.2)},
        },
        # Of the known state at t = 0 the published weight.
        "pinn": {
            "updates": 2000,
            "residuals": 300,
            "readings": 1000,
            "conditions": 100,
            "condition_weight": 100.0,
            "data_weight": 1.0,
        },
    }


def kuramoto_sivashinsky():
    """Chaos from 16 sensors, whose initial state nobody knows; not a published test.

    The hybrid is that of `configs/kuramoto_sivashinsky.py`, and multiple shooting its
    physical model alone. Rows without segments fit the state at t = 0 alone.
    """
    own = {"baselines": False, "data": {"forecast_steps": 0}}
    alone = {**own, **ALONE}
    single = {"segments": 1, "num_iterations": 100}
    return {
        "experiment": "kuramoto_sivashinsky",
        "variant": "default",
        "rows": {
            "hybrid": own,
            "lbfgs": {
                **alone,
                "physical": single,
                "hybrid": {"cycles": 1, "physical_warmup": 0},
            },
            "shooting": alone,
            "distilled": base.merge(own, DISTILLED),
            "pinn": own,
        },
        "starts": {
            "number": 16,
            "bounds": {
                name: (0.2, 3.0)
                for name in ("advection", "antidiffusion", "hyperdiffusion")
            },
        },
        "pinn": {"residuals": 500, "readings": 500},
    }


def steady(
    experiment: str, variant: str, num_readings: int, together, bounds, num_starts=16
):
    """A test of a steady PDE; see `configs/helmholtz.py` and `configs/darcy.py`."""
    return {
        "experiment": experiment,
        "variant": variant,
        "rows": {
            "hybrid": together,
            "adam": ALONE,
            "lbfgs": LBFGS,
            "distilled": base.merge(together, DISTILLED),
            "pinn": base.merge(together, PINN),
        },
        # A CPU solves these one by one; in lockstep all would wait for the slowest.
        "starts": {"number": num_starts, "bounds": bounds, "at_once": 1},
        "pinn": {
            "residuals": 200,
            "conditions": 100,
            "readings": num_readings,
            "condition_weight": 10.0,
            "data_weight": 1.0,
        },
    }


# Chosen among 26 settings by the lowest misfit to the training readings of seed 0, as
# the best of many starts is: 7.9e-5, all others at least 5.8e-4, the valley where
# L-BFGS from the guess ends; the best of 16 starts has 5.4e-5. That misfit should
# decide, and not the held-out sensors, was settled after both had been seen. By the
# errors of seed 0 at the sensors that no row is trained on, physical / synthetic, it is
# not the best one: 0.0229 / 0.0205. There others, with Adam: rates and weights as
# published, with 1288 cycles (and positive amplitudes) 0.048 / 0.032, with 3000 0.053 /
# 0.050; of these with alpha_physical 0.1 0.024 / 0.033, tanh 0.025 / 0.025, gelu 0.025
# / 0.022; with 0 0.026 / 0.028, with 10 0.042 / 0.037; the solver's rate 2e-2, both
# alphas 0.1 and the network 500 cycles alone before 0.0196 / 0.0190; rate and cosine as
# here, but alpha_synthetic 0.01 and the network 300 cycles alone before, 0.049 / 0.032,
# gelu 0.048 / 0.025; half the cycles and twice the rate 0.040 / 0.034. L-BFGS, as
# `HYBRID`, with alpha_physical 1e-4 0.0197 / 0.0243. A network that is 0 at the walls,
# by hand: 0.007 to 0.012, its solver 0.020 to 0.052. Bounds change nothing there:
# L-BFGS from the guess has 0.0197 with positive amplitudes and with those that
# ellipticity allows.
COSINE = {
    "baselines": False,
    "physical": {"learning_rate": 2e-2},
    "hybrid": {
        "cycles": 3000,
        "cycles_per_call": 375,
        "cooldown": 1125,
        "alpha_synthetic": 1.0,
        "alpha_physical": 10.0,
        "alpha_scheduler": "cosine",
    },
}


def as_hybrid(together):
    """The hybrid's physical model without a partner, for as many cycles."""
    hybrid = together["hybrid"]
    cycles = hybrid["cycles"] + hybrid.get("cooldown", 0)
    return base.merge(together, ALONE, {"hybrid": {"cycles": cycles, "cooldown": 0}})


def helmholtz():
    """The Helmholtz test."""
    # Ellipticity asks for more than -1 of the first; the second one counts squared.
    amplitudes = {"diffusivity": (-0.9, 5.0), "screening": (-5.0, 5.0)}
    bounds = {"amplitudes": amplitudes, "centers": (-math.pi, math.pi)}
    # Of 16 the best one often is in another valley (misfits of seeds 1 to 3).
    test = steady("helmholtz", "default", 25, COSINE, bounds, num_starts=64)
    return base.merge(test, {"rows": {"as_hybrid": as_hybrid(COSINE)}})


def darcy(percent: int):
    """The Darcy test with noise of so many percent of the largest reading."""
    bounds = {"root": (0.1, 1.0), "amplitudes": (-5.0, 5.0)}
    together = {
        "baselines": False,
        "synthetic": {"batch_size": 250, "num_real": 50},
        "hybrid": {
            "ghost_points": 400,
            "ghosts_at": "cells",
            "alpha_synthetic": 1.0,
            # Chosen, as `HYBRID`, with noise of 0, 5 and 10 percent: physical /
            # synthetic 0.0237 / 0.0288, 0.0916 / 0.0943, 0.177 / 0.182; with 1 0.0337 /
            # 0.0404, 0.0957 / 0.103, 0.179 / 0.186; with 10 0.056 / 0.058, 0.109 /
            # 0.114, 0.185 / 0.190; with 1 and L-BFGS as `HYBRID` 0.0246 / 0.0349,
            # 0.0935 / 0.0944, 0.183 / 0.187.
            "alpha_physical": 0.1,
        },
    }
    return steady("darcy", f"noise_{percent}", 50, together, bounds)


# Of the potential as a field, chosen by L-BFGS alone on the held-out observations of
# seed 0, half of five other simulations: with 1e-3 an error of 0.092, with 1e-2, as
# published, 0.091, with 0.1 0.075, with 1 0.056, with 10 0.147, with 100 0.295.
SMOOTHNESS = 1.0


def inviscid_burgers(experiment: str, **potential):
    """The 1-D test of HYCO-PhiFlow, records on the grid; `configs/inviscid_burgers.py`.

    All but what is said here is that of its variant `published`. That the solver fits
    first was chosen by the network's error in the other simulations of seed 0, where
    they are observed: 0.016 instead of 0.048. Multiple shooting takes the records as
    readings of the cells. There is no PINN: it would need a network that is a function
    of points, and this one makes steps from any state.

    Args:
        experiment: Of `ENTRIES`, which says what raw parameters of the potential are.
        **potential: What its settings differ in.
    """
    own = {
        "baselines": False,
        "coefficients": {"potential": potential},
        # Of the single real window a batch would hold copies.
        "synthetic": {"num_real": 1},
        "hybrid": base.SOLVER_FIRST,
    }
    alone = base.merge(own, ALONE, {"hybrid": {"physical_warmup": 0}})
    lbfgs = {"physical": {"num_iterations": 200}, "hybrid": {"cycles": 1}}
    adam = {
        "physical": {"method": "adam", "num_iterations": 100},
        "hybrid": {"cycles": 20},
    }
    return {
        "experiment": experiment,
        "variant": "published",
        "rows": {
            "hybrid": own,
            "synthetic": {**own, "mode": "synthetic"},
            "adam": base.merge(alone, adam),
            "lbfgs": base.merge(alone, lbfgs),
            "shooting": base.merge(alone, SHOOTING),
            # The cycle is that of the end, whose real windows are the whole record.
            "distilled": base.merge(own, DISTILLED, {"synthetic": {"horizons": (0,)}}),
        },
        "starts": {"number": 16, "bounds": {"potential": (-2.0, 2.0)}},
    }


PROBLEMS = {
    "heat_full": lambda: heat("full", base.merge(HYBRID, APART), 100.0, 1.0),
    "heat_half": lambda: heat("half", HYBRID, 1.0, 1.0),
    "heat_quarter": lambda: heat("quarter", FREED, 0.1, 0.1),
    "gray_scott": gray_scott,
    "kuramoto_sivashinsky": kuramoto_sivashinsky,
    "helmholtz": helmholtz,
    **{
        f"darcy_{percent}": functools.partial(darcy, percent)
        for percent in (0, 5, 10, 20, 50)
    },
    "inviscid_burgers": lambda: inviscid_burgers("inviscid_burgers"),
    "inviscid_burgers_field": lambda: inviscid_burgers(
        "inviscid_burgers_field", kind="field", smoothness_weight=SMOOTHNESS
    ),
}

# Of the mean over its six simulations, that of the training among them; its physical
# model is a field, fitted by L-BFGS, and its solution was never scored.
INVISCID_BURGERS = {
    "hybrid_physical": "- (0.563)",
    "hybrid_synthetic": "0.290",
    "lbfgs": "- (0.560)",
    "synthetic_alone": "0.337",
}

# Errors of the solution, physical / synthetic, and of the parameters, as published; of
# the solution of the steady tests none was.
PUBLISHED = {
    "heat_full": {
        "hybrid_physical": "0.0176, 0.0141 (0.193, 0.206)",
        "hybrid_synthetic": "0.0425, 0.0546",
        "adam": "0.0176, 0.0142 (0.193, 0.210)",
        "pinn": "0.167 (1.34)",
    },
    "heat_half": {
        "hybrid_physical": "0.0357, 0.0454 (0.372, 0.464)",
        "hybrid_synthetic": "0.0541, 0.0743",
        "adam": "0.0357, 0.0462 (0.371, 0.472)",
        "pinn": "0.268 (1.28)",
    },
    "heat_quarter": {
        "hybrid_physical": "0.0478, 0.0998 (0.576, 0.542)",
        "hybrid_synthetic": "0.249, 0.211",
        "adam": "0.276, 0.276 (1.73, 1.74)",
        "pinn": "0.222 (1.71)",
    },
    "gray_scott": {
        "hybrid_physical": "0.020 (0.0049)",
        "hybrid_synthetic": "0.063",
        "synthetic_alone": "0.153",
        "pinn": "0.123 (0.952)",
    },
    "helmholtz": {
        "hybrid_physical": "- (0.0303)",
        "adam": "- (1.00)",
        "pinn": "- (0.674)",
    },
    "darcy_0": {
        "hybrid_physical": "- (0.584)",
        "adam": "- (0.577)",
        "pinn": "- (0.619)",
    },
    "darcy_5": {
        "hybrid_physical": "- (0.437)",
        "adam": "- (0.421)",
        "pinn": "- (0.790)",
    },
    "darcy_10": {
        "hybrid_physical": "- (0.437)",
        "adam": "- (0.432)",
        "pinn": "- (0.799)",
    },
    "darcy_20": {
        "hybrid_physical": "- (0.449)",
        "adam": "- (0.470)",
        "pinn": "- (0.598)",
    },
    "inviscid_burgers": INVISCID_BURGERS,
    "inviscid_burgers_field": INVISCID_BURGERS,
}


def get_config(name: str = "all"):
    """Makes the config of a problem, or of all.

    Raises:
        ValueError: If the name is unknown.
    """
    names = base.chosen(name, PROBLEMS)
    problems = {n: {**PROBLEMS[n](), "published": PUBLISHED.get(n, {})} for n in names}
    return ConfigDict({"seeds": 5, "problems": problems})
