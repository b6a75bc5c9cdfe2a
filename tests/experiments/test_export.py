"""Cycles for a GPU and a TPU, which no machine of ours has."""

import importlib
import re

import jax
import pytest

from experiments.benchmarks import memory
from hyco_jax import fitting, pde
from hyco_jax.config import schema
from hyco_jax.running.loop import Call

PLATFORMS = ("cuda", "tpu")
# Of the device's own libraries: the soil's tridiagonal systems, and the factors of
# steady equations. A callback to the host would be a custom call too.
DEVICE_LIBRARIES = {"cusparse_gtsv2_ffi", "cusolver_potrf_ffi"}


# The stages of one model alone are the hybrid cycle's code without a partner's
# predictions; that is one code for all data on grids, and another for data at points.
ALONE = ("heat", "soil")
# Of the default networks, one on a grid and one at points, these export all; the other
# systems' equations are what is new, and tracing a U-Net takes longer.
SMALL = {"synthetic": {"name": "convnet", "convnet": {"filters": (4,)}}}


def programs(system):
    """The distinct programs of a system's default config, with their arguments."""
    settings, problem = memory.read(f"{system}:default")
    if settings.data.at_points:
        module = importlib.import_module(f"hyco_jax.pde.{system}")
        data = module.observe(problem, settings.data, jax.random.key(0))
    else:
        if system not in ALONE:
            settings = schema.from_dict(settings, SMALL)
        # Shapes count, and which entries are observed, but no values.
        data = memory.placeholder(problem, settings)
    plan = fitting.prepare(problem, data, settings).plan
    arguments = jax.eval_shape(plan.init_state), plan.real
    calls = dict.fromkeys(call for stage in plan.stages for call in stage.calls)
    return [(call, arguments) for call in calls]


def export(call: Call, arguments):
    # Options that are of the CPU's compiler don't travel.
    program = jax.jit(call.run.__wrapped__, donate_argnums=0)
    return jax.export.export(program, platforms=PLATFORMS)(*arguments)


def chosen(system):
    """Each system's hybrid cycle at its longest horizon, and all of `ALONE`."""
    found = programs(system)
    names = [call.run.__name__ for call, _ in found]
    assert {name.split("_")[0] for name in names} == {
        *("physical", "synthetic", "hybrid")
    }
    assert names[-1].startswith("hybrid")
    return found if system in ALONE else found[-1:]


@pytest.mark.slow
@pytest.mark.parametrize("system", pde.NAMES)
def test_every_cycle_is_exported_for_gpu_and_tpu(system):
    for call, arguments in chosen(system):
        exported = export(call, arguments)
        assert exported.platforms == PLATFORMS
        text = exported.mlir_module()
        custom_calls = set(re.findall(r"custom_call @(\w+)", text))
        assert custom_calls <= DEVICE_LIBRARIES, call.run.__name__
        assert "f64" not in text and "tensor<?" not in text, call.run.__name__
