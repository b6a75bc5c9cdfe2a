"""The hybrid cycle of the 1-D reference set-up, and one training step of a UNet."""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks import measure, set_up
from experiments.benchmarks.measure import Call, Row, Sample
from experiments.benchmarks.opponents import TorchUNet
from hyco_jax import networks
from hyco_jax.data import windows
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.training import minibatch, optimizers
from hyco_jax.training.state import init
from hyco_jax.types import Params, Trajectories

_MATMUL_SIZE = 2048
_UNET = {"levels": 4, "filters": 16, "doubling": True}
_BATCH, _SIZE, _UPDATES = 16, 128, 3


def reference_1d(repeats: int) -> list[Row]:
    """Times hybrid cycles of the variant `reference_1d`.

    Beside it stands the time that the FLOPs of its network updates would take at the
    rate of one large matrix product: a bound from below.
    """
    run_set_up = set_up.make("reference_1d")
    plan = run_set_up.plan
    cycle = plan.stages[-1].calls[-1].run
    state, log = plan.init_state(), []
    flop_per_update = _update_flop(run_set_up, state.synthetic.train.params)

    def run():
        nonlocal state
        state, metrics = cycle(state, plan.real)
        # Of its one cycle.
        log.append(jax.tree.map(lambda x: x[0], metrics))
        return metrics

    square = jax.random.normal(jax.random.key(0), (_MATMUL_SIZE, _MATMUL_SIZE))
    multiply = jax.jit(lambda a: a @ a)
    calls = {"ours": Call(run), "product": Call(lambda: multiply(square))}
    samples = measure.alternate(calls, repeats)
    num_updates = int(log[-1]["synthetic"]["count"])
    gflop = 1e-9 * num_updates * flop_per_update
    product, product_gflop = samples["product"], 2e-9 * _MATMUL_SIZE**3
    bound = Sample(tuple(gflop / product_gflop * s for s in product.values))
    notes = {
        "original_seconds": "3.6 to 4.0",
        "network_updates": num_updates,
        "network_gflop": gflop,
        "product_gflop_per_second": product_gflop / product.median,
        "lbfgs_iterations": [int(m["physical"]["count"]) for m in log],
        "lbfgs_evaluations": [int(m["physical"]["evaluations"]) for m in log],
    }
    opponents = {"its FLOPs as one product": bound}
    return [Row("reference_1d", samples["ours"], "s", opponents, 2.5, notes)]


def unet_step(repeats: int, torch_python: str) -> list[Row]:
    """Times a training step of a UNet inside the trainer's loop, beside PyTorch's.

    Args:
        repeats: Rounds.
        torch_python: Interpreter that imports PyTorch; without it, no opponent.
    """
    u_shape = (_SIZE, _SIZE, 2)
    module = networks.make_network(
        "unet",
        u_shape,
        activation="relu",
        padding="CIRCULAR",
        coordinates=False,
        **_UNET,
    )
    domain = Domain(u_shape[:2], (100.0, 100.0))
    network = networks.as_model(module, domain, 0.1, (Quantity("velocity", 2),))
    settings = optimizers.DescentSettings(
        scheduler="constant", learning_rate=1e-4, clip_norm=0.0
    )
    tx = optimizers.make_descent(settings, 1)
    state = init(network.init(jax.random.key(0)), ["network"], tx)
    num_params = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    states = jax.random.normal(jax.random.key(1), (1, 2 * _BATCH + 1, *u_shape))
    ones = np.ones((1,) * states.ndim, np.float32)
    index = windows.real_index(ones, 1, 2 * _BATCH, 1)
    part = windows.real_windows(Trajectories(states, jnp.asarray(ones)), index, 1)

    @jax.jit
    def train(state, part):
        return minibatch.train(
            state,
            [part],
            jax.random.key(2),
            predict=network.predict,
            tx=tx,
            num_epochs=1,
            batch_sizes=[_BATCH],
            updates_per_epoch=_UPDATES,
        )

    calls = {"ours": Call(lambda: train(state, part), 1 / _UPDATES)}
    arguments = torch_python, _BATCH, _SIZE, _UNET["levels"], _UNET["filters"]
    with TorchUNet(*arguments) as other:
        if other.version:
            name = f"PyTorch {other.version}"
            calls[name] = Call(lambda: other.update(_UPDATES), 1 / _UPDATES)
        samples = measure.alternate(calls, repeats)
    notes = {"params": {"ours": num_params, "torch": other.num_params}}
    if not other.version:
        notes["opponent"] = f"{torch_python} does not import torch"
    return [Row("unet_step", samples.pop("ours"), "s", samples, 0.95, notes)]


def _update_flop(run_set_up: set_up.SetUp, network: Params) -> float:
    """Estimates the FLOPs of an update: kernels forwards, and twice backwards."""
    kernels = [leaf.size for leaf in jax.tree.leaves(network) if leaf.ndim > 1]
    points = np.prod(run_set_up.problem.domain.resolution)
    return 6.0 * sum(kernels) * points * run_set_up.settings.synthetic.batch_size
