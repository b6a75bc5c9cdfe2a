"""The hybrid cycle of the 1-D reference set-up, and one training step of a UNet."""

import jax
import jax.numpy as jnp
import numpy as np

from configs import burgers as configs
from experiments import _results, burgers
from experiments import problem as problems
from experiments.benchmarks import measure
from experiments.benchmarks.measure import Call, Row, Sample
from experiments.benchmarks.opponents import TorchUNet
from hyco_jax import networks
from hyco_jax.data import windows
from hyco_jax.training import minibatch as synthetic
from hyco_jax.types import Params, Trajectories

_MATMUL_SIZE = 2048
_UNET = {"levels": 4, "filters": 16, "doubling": True}
_BATCH, _SIZE, _UPDATES = 16, 128, 3


def make_context(variant: str) -> _results.Context:
    """Builds what a run of `configs/burgers.py` trains; its data stay in memory."""
    config = configs.get_config(variant)
    problem = burgers.make_problem(config)
    truth, observed = problems.generate_data(config, problem)
    return _results.make_context(config, problem, None, truth, observed)


def reference_1d(repeats: int) -> list[Row]:
    """Times hybrid cycles of the variant `reference_1d`.

    Beside it stands the time that the FLOPs of its network updates would take at the
    rate of one large matrix product: a bound from below.
    """
    context = make_context("reference_1d")
    cycle = context.setup.stages[-1].cycle_fns[-1]
    state, log = context.setup.init_state(), []
    flop_per_update = _update_flop(context, state.synthetic.train.params)

    def run():
        nonlocal state
        state, metrics = cycle(state, context.real)
        log.append(metrics)
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
    network = networks.as_model(module, u_shape)
    tx = synthetic.make_optimizer("adam", 1e-4, "constant", 1)
    state = synthetic.init(network.init(jax.random.key(0)), ["network"], tx)
    num_params = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    states = jax.random.normal(jax.random.key(1), (1, 2 * _BATCH + 1, *u_shape))
    ones = np.ones((1,) * states.ndim, np.float32)
    index = windows.real_index(ones, 1, 2 * _BATCH, 1)
    part = windows.real_windows(Trajectories(states, jnp.asarray(ones)), index, 1)

    @jax.jit
    def train(state, part):
        return synthetic.train(
            state,
            [part],
            jax.random.key(2),
            step=network.step,
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


def _update_flop(context: _results.Context, network: Params) -> float:
    """Estimates the FLOPs of an update: kernels forwards, and twice backwards."""
    kernels = [leaf.size for leaf in jax.tree.leaves(network) if leaf.ndim > 1]
    points = np.prod(context.problem.domain.resolution)
    return 6.0 * sum(kernels) * points * context.config.synthetic.batch_size
