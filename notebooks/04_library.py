# %% [markdown]
# # The library, taken apart
#
# `hyco_jax.fit` is made of small pure functions, and each of them can be used without
# the others. This notebook makes one hybrid cycle by hand, jits it, runs eight seeds at
# once, and changes the rule by which the models teach each other. The picture shows
# what these eight seeds will have to learn: half of a ring that cools.

# %% cellView="form" jupyter={"source_hidden": true}
# @title Set up: installs hyco_jax where it is missing, and checks the device
import os
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path

# The address that Git clones the project from, as in pyproject.toml.
REPOSITORY = ""
# HYCO_NOTEBOOK_SIZE=tiny makes all that follows small: for tests, not for results.
TINY = os.environ.get("HYCO_NOTEBOOK_SIZE") == "tiny"


def install():
    """Installs hyco_jax beside what the runtime ships, none of which is replaced."""
    if not REPOSITORY:
        raise RuntimeError(
            "hyco_jax is not installed, and nobody has said where it is: write the "
            "address of its Git repository into REPOSITORY above and run this cell "
            "again, or run `pip install .` in a checkout and restart the kernel"
        )
    source = Path("hyco_jax_source")
    if not source.exists():
        subprocess.run(["git", "clone", "-q", "--depth=1", REPOSITORY, source], check=1)
    # Installed versions before the listed ones: Colab may be newer than the list.
    lines = (source / "constraints/colab.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and line[0] != "#")
    for name in pins:
        if any(metadata.distributions(name=name)):
            pins[name] = metadata.version(name)
    constraints = Path("constraints.txt")
    constraints.write_text("\n".join(f"{n}=={v}" for n, v in pins.items()))
    pip = [sys.executable, "-m", "pip", "install", "-q", "-c", constraints]
    subprocess.run([*pip, f"{source.resolve()}[data]"], check=1)


def promised_backend():
    """The backend that Colab's runtime type promises; None outside Colab."""
    if "COLAB_RELEASE_TAG" not in os.environ:
        return None
    if os.environ.get("COLAB_TPU_1VM") or os.environ.get("TPU_ACCELERATOR_TYPE"):
        return "tpu"
    return "gpu" if os.environ.get("COLAB_GPU", "0") not in ("", "0") else "cpu"


if util.find_spec("hyco_jax") is None:
    install()

import jax

backend, promised = jax.default_backend(), promised_backend()
assert promised in (None, backend), (
    f"this runtime promises a {promised}, but JAX computes on the {backend}: another "
    "jax was probably installed over Colab's own. Choose Runtime > Disconnect and "
    "delete runtime, then run this cell first; or choose another kind of runtime "
    "under Runtime > Change runtime type"
)
print(f"JAX {jax.__version__} computes on {jax.devices()[0].device_kind} ({backend})")

# %%
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import hyco_jax
from hyco_jax import hybrid, networks
from hyco_jax.data import augment
from hyco_jax.grids import sampling
from hyco_jax.models import coefficients
from hyco_jax.players import samples
from hyco_jax.training import full_batch, minibatch, optimizers
from hyco_jax.training.state import init as init_train_state
from hyco_jax.types import HybridState, Query, Samples

CELLS, DT, HORIZON, SIMS, TRUE_KAPPA = 32, 0.5, 6 if TINY else 20, 6, 0.4
EPOCHS, CYCLES, SEEDS = (2, 2, 2) if TINY else (20, 12, 8)
domain = hyco_jax.Domain((CELLS,), (float(CELLS),))


def step(values, u):
    """One step of uₜ = κ uₓₓ on cells of length 1; u has the shape (cells, 1)."""
    return u + DT * values["kappa"] * (jnp.roll(u, 1, 0) - 2 * u + jnp.roll(u, -1, 0))


def ask(key, real=None, num=SIMS):
    """Random initial states, and the steps that follow: what models are asked."""
    u0 = sampling.sample_u0(key, domain, num, 3.0, 1.0, 1)
    zeros = jnp.zeros(num, jnp.int32)
    return Query(sim=zeros, start=zeros, u0=u0, horizon=HORIZON)


kappa = coefficients.scalar(0.8, bounds=(0.01, 0.9))
solver = coefficients.make_model({"kappa": kappa}, step, domain, DT)
exact = coefficients.make_model(
    {"kappa": coefficients.scalar(TRUE_KAPPA, bounds=(0.01, 0.9))}, step, domain, DT
)
query = ask(jax.random.key(1))
answers = exact.predict(exact.init(jax.random.key(0)), query)
noise = 0.02 * jax.random.normal(jax.random.key(2), answers.shape)
is_seen = (jnp.arange(CELLS) < CELLS // 2)[None, None, :, None]
real = Samples(query, answers + noise, is_seen.astype(jnp.float32))

figure, axes = plt.subplots(1, 2, figsize=(10, 3), layout="constrained", sharey=True)
for axis, values, title in [
    (axes[0], answers[0, :, :, 0], "one of six simulations"),
    (axes[1], np.where(is_seen, real.targets, np.nan)[0, :, :, 0], "what is observed"),
]:
    box = (0, CELLS, DT, DT * HORIZON)
    axis.imshow(values, origin="lower", aspect="auto", extent=box, cmap="RdBu_r")
    axis.set(title=title, xlabel="x", ylabel="t")
plt.show()

# %% [markdown]
# ## Models answer queries, data are weighted answers
#
# A `Model` is a pair of pure functions, `init(key) -> params` and
# `predict(params, query) -> answers`. A `Query` says what is asked: initial states, how
# many steps, on the grid or at points. `Samples` are a query, the right answers, and
# weights; a weight of 0 means that nobody knows the answer. The solver above is a
# model, and so is a network:

# %%
module = networks.make_network("convnet", (CELLS, 1), filters=(8,) if TINY else (16,))
network = networks.as_model(module, domain, DT, (hyco_jax.Quantity("u"),))

params = network.init(jax.random.key(0))
print("answers:", network.predict(params, query).shape)
print("numbers in the network:", networks.num_params(params))

# %% [markdown]
# ## Trainers are pure functions
#
# Both map a `TrainState` and parts of data to the next state and metrics. There are
# two: Adam on shuffled batches, and L-BFGS on everything at once. The loss is an
# argument of both (`loss=`), by default weighted squares.

# %%
adam = optax.adam(3e-3)
lbfgs = optimizers.make_full_batch("lbfgs", 0.0)


def train_network(state, parts, key):
    return minibatch.train(
        state,
        parts,
        key,
        predict=network.predict,
        tx=adam,
        num_epochs=EPOCHS,
        batch_sizes=(SIMS, SIMS)[: len(parts)],
    )


def train_solver(state, parts, key):
    del key  # It sees all data at once: nothing is shuffled.
    return full_batch.train(
        state,
        parts,
        predict=solver.predict,
        tx=lbfgs,
        method="lbfgs",
        num_iterations=10,
        abs_tol=1e-9,
    )


start = init_train_state(solver.init(jax.random.key(0)), ["kappa"], lbfgs)
fitted, metrics = jax.jit(train_solver)(start, [real], jax.random.key(0))
value = float(kappa.value(fitted.params["kappa"]))
print(f"κ = {value:.3f} after {int(metrics['count'])} iterations, truth {TRUE_KAPPA}")

# %% [markdown]
# ## One cycle by hand
#
# A `Player` bundles what the cycle needs of one model: `generate` predictions for the
# partner, `augment` the real data with the partner's, `train`, and `score`. A cycle is
# then six lines:
#
# $$ \text{solver predicts} \to \text{network trains} \to
#    \text{network predicts} \to \text{solver trains} $$

# %%
synthetic = samples.make_player(network.predict, train_network, ask, (SIMS, SIMS))
physical = samples.make_player(solver.predict, train_solver, ask)


@jax.jit
def cycle_by_hand(network_state, solver_state, key):
    keys = jax.random.split(key, 4)
    hints = physical.generate(solver_state.variables, real, keys[0])
    parts = synthetic.augment(real, hints, 1.0)  # α = 1
    network_state, _ = synthetic.train(network_state, parts, keys[1])
    hints = synthetic.generate(network_state.variables, real, keys[2])
    parts = physical.augment(real, hints, 1e-3)  # α = 0.001
    return network_state, physical.train(solver_state, parts, keys[3])[0]


first = init_train_state(network.init(jax.random.key(0)), ["network"], adam)
states = cycle_by_hand(first, start, jax.random.key(3))
for name, player, state in [
    ("net", synthetic, states[0]),
    ("pde", physical, states[1]),
]:
    print(name, "loss on the real data:", float(player.score(state.variables, real)))

# %% [markdown]
# ## The library's cycle, and its state
#
# `hybrid.make_hybrid_cycle` does the same, and also ignores a partner that diverged and
# remembers the best parameters.
# The complete state of a run is one pytree of arrays, so that `jax.tree` functions work
# on it, and a checkpoint is nothing but its leaves.

# %%
cycle = hybrid.make_hybrid_cycle(
    synthetic, physical, alpha_synthetic=1.0, alpha_physical=1e-3
)


def init_state(key):
    txs = {"network": adam, "kappa": lbfgs}
    sides = []
    for model, player, name in [
        (network, synthetic, "network"),
        (solver, physical, "kappa"),
    ]:
        train_state = init_train_state(model.init(key), [name], txs[name])
        sides.append(hybrid.init_side(player, train_state, real))
    return HybridState(jnp.zeros((), jnp.int32), key, *sides)


state = init_state(jax.random.key(0))
leaves = jax.tree.leaves(state)
print(len(leaves), "arrays with", sum(leaf.size for leaf in leaves), "numbers")

# %% [markdown]
# ## Many seeds at once
#
# Since all of it is pure, `jax.vmap` turns one training into many. `hybrid.repeat`
# makes one program of several cycles.


# %%
def train_seeds(cycle):
    keys = jax.random.split(jax.random.key(0), SEEDS)
    run = jax.jit(jax.vmap(hybrid.repeat(cycle, CYCLES), in_axes=(0, None)))
    return run(jax.vmap(init_state)(keys), real)


unseen = ask(jax.random.key(4))
right = exact.predict(exact.init(jax.random.key(0)), unseen)


def unseen_errors(side):
    """The network's error on new states, where nobody observes; one for each seed."""

    def error(params):
        difference = jnp.where(is_seen, 0, network.predict(params, unseen) - right)
        return jnp.linalg.norm(difference) / jnp.linalg.norm(
            jnp.where(is_seen, 0, right)
        )

    return np.asarray(jax.vmap(error)(side.best_variables))


alone, alone_metrics = train_seeds(hybrid.make_solo_cycle("synthetic", synthetic))
together, metrics = train_seeds(cycle)

figure, axes = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
for run, color, name in [
    (alone_metrics, "tab:orange", "alone"),
    (metrics, "tab:blue", "together"),
]:
    scores = np.asarray(run["synthetic"]["score"]).T
    lines = axes[0].semilogy(1 + np.arange(CYCLES), scores, color=color, alpha=0.6)
    lines[0].set_label(name)
axes[0].set(title=f"loss on the real data, {SEEDS} seeds", xlabel="cycle")
axes[0].xaxis.get_major_locator().set_params(integer=True)
axes[0].legend()
errors = {
    "alone": unseen_errors(alone.synthetic),
    "together": unseen_errors(together.synthetic),
}
axes[1].boxplot(list(errors.values()), orientation="horizontal")
axes[1].set_yticklabels(list(errors))
axes[1].set(title="network's error where nobody observes", xlabel="relative L²")
axes[1].locator_params(axis="x", nbins=4)
plt.show()

# %% [markdown]
# ## A new coupling rule in five lines
#
# An α may be a function of the cycle and of both models' states. This rule lets the
# models ignore each other at first, and raises both α to their values over half of the
# run: a young network has nothing to teach. `hyco_jax.coupling` has rules that follow
# how well each model explains the data.


# %%
def ramped(alpha):
    return lambda cycle, *_: alpha * jnp.minimum(1.0, 2.0 * cycle / CYCLES)


ramped_cycle = hybrid.make_hybrid_cycle(
    synthetic, physical, alpha_synthetic=ramped(1.0), alpha_physical=ramped(1e-3)
)
run, _ = train_seeds(ramped_cycle)
errors["ramped"] = unseen_errors(run.synthetic)
for name, values in errors.items():
    print(f"{name:9} median {np.median(values):.3g} of {SEEDS} seeds")

# %% [markdown]
# How generated data enter the loss is a function as well: `augment.augment` scales the
# weights of each part so that the loss is `real + alpha * generated`, however many
# samples there are of each.

# %%
parts = augment.augment([real, real], [1.0, 0.5], [SIMS, SIMS], 1.0)
print([float(part.mean_weight()) for part in parts])

# %% [markdown]
# ## Where the time and the memory go
#
# A compiled program knows its memory. `jax.profiler.trace` records what ran when; load
# the folder in TensorBoard or XProf, or open the `.trace.json.gz` in Perfetto.

# %%
compiled = jax.jit(cycle).lower(state, real).compile()
memory = compiled.memory_analysis()
print(f"temporary memory: {memory.temp_size_in_bytes / 2**20:.2f} MiB")
with jax.profiler.trace("trace"):
    jax.block_until_ready(compiled(state, real))
print(*(path.name for path in Path("trace").rglob("*.json.gz")))
