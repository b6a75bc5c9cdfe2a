"""Simulated, observed, stored and augmented data."""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax import rollout, windows
from hyco_jax.domain import Domain
from hyco_jax.types import Array, Params, StepFn, Trajectories, Windows

_SCHEMA = {"truth": None, "states": None, "weights": None, "dt": 0, "extent": 1}


def sample_u0(
    key: Array, domain: Domain, num_samples: int, scale: float, amplitude: float = 1.0
) -> Array:
    """Samples smooth periodic initial states, one component per axis.

    White noise is filtered by `exp(-(scale |k|)² / 2)`, so that `scale` is the
    correlation length, and normalised to zero mean and the given amplitude.

    Args:
        key: PRNG key.
        domain: The grid.
        num_samples: Number N of states.
        scale: Correlation length, in units of the extent.
        amplitude: Root mean square of each component.

    Returns:
        Shape `(N, *S, D)`, float32.
    """
    axes = tuple(range(1, domain.ndim + 1))
    noise = jax.random.normal(
        key, (num_samples, *domain.resolution, domain.ndim), jnp.float32
    )
    waves = [
        2 * np.pi * np.fft.fftfreq(n, d=h)
        for n, h in zip(domain.resolution, domain.dx, strict=True)
    ]
    squares = sum(k**2 for k in np.meshgrid(*waves, indexing="ij"))
    lowpass = np.exp(-(scale**2) * squares / 2)
    lowpass[(0,) * domain.ndim] = 0.0
    spectrum = jnp.fft.fftn(noise, axes=axes) * lowpass[..., None].astype(np.float32)
    u = jnp.fft.ifftn(spectrum, axes=axes).real
    rms = jnp.sqrt(jnp.mean(u**2, axis=axes, keepdims=True))
    return amplitude * u / rms


def restrict(states: Array, factor: int, ndim: int) -> Array:
    """Restricts `(..., *S, C)` to a grid `factor` times coarser by cell averages."""
    if factor == 1:
        return states
    first = states.ndim - 1 - ndim
    shape = list(states.shape[:first])
    for n in states.shape[first:-1]:
        shape += [n // factor, factor]
    blocks = states.reshape(*shape, states.shape[-1])
    return blocks.mean(axis=tuple(first + 1 + 2 * axis for axis in range(ndim)))


def simulate(
    step: StepFn, params: Params, u0: Array, num_steps: int, factor: int = 1
) -> Array:
    """Simulates trajectories, by option with a solver that is finer than the record.

    Args:
        step: One step of the solver; `factor` of them make one step of the record.
        params: Its true parameters.
        u0: Initial states on the solver's grid, shape `(N, *S * factor, C)`.
        num_steps: Steps T of the record.
        factor: How many times finer than the record the solver is, in space and time.

    Returns:
        Cell averages on the record's grid, shape `(N, T + 1, *S, C)`.
    """

    def record_step(params, u):
        return jax.lax.fori_loop(0, factor, lambda _, u: step(params, u), u)

    @jax.jit
    def run(params, u0):
        states = rollout.rollouts(record_step, params, u0, num_steps)
        return restrict(states, factor, u0.ndim - 2)

    return run(params, u0)


def observed_region(domain: Domain, box: Sequence[Sequence[float]]) -> np.ndarray:
    """Marks the cells whose centre lies in a box.

    Args:
        domain: The grid.
        box: `(lower, upper)` for each axis as fractions of the extent; the centre half
            is `((0.25, 0.75),)`.

    Returns:
        Shape `(*S,)`, bool.

    Raises:
        ValueError: If the box doesn't fit the axes, or holds no cell.
    """
    if len(box) != domain.ndim or any(len(edge) != 2 for edge in box):
        raise ValueError(
            f"region={tuple(box)} has to give (lower, upper) for each of the "
            f"{domain.ndim} axes"
        )
    fraction = domain.coordinates() / np.array(domain.extent)
    lower, upper = np.array(box, float).T
    inside = ((fraction >= lower) & (fraction < upper)).all(axis=-1)
    if not inside.any():
        raise ValueError(
            f"region={tuple(box)} holds no cell; give 0 <= lower < upper <= 1"
        )
    return inside


def observe(
    key: Array,
    truth: Array,
    region: np.ndarray,
    every: int = 1,
    noise_std: float = 0.0,
) -> Trajectories:
    """Observes trajectories: a region, every n-th step, with Gaussian noise.

    The state at t = 0 is given exactly, on the whole grid, as in the HYCO papers.

    Args:
        key: PRNG key of the noise.
        truth: Shape `(N, T + 1, *S, C)`.
        region: Observed cells, shape `(*S,)`, bool.
        every: Observe the steps 0, n, 2n, ...
        noise_std: Standard deviation of the noise relative to that of `truth`.

    Returns:
        States, NaN where unobserved, and weights of 0 and 1; the weights have length 1
        along the axes on which they don't depend.
    """
    num_times = truth.shape[1]
    noise = noise_std * jnp.std(truth) * jax.random.normal(key, truth.shape)
    seen_times = np.arange(num_times) % every == 0
    mask = seen_times.reshape(1, -1, *[1] * region.ndim, 1) & region[None, None, ..., None]
    if mask.all():
        mask = np.ones((1,) * truth.ndim, bool)
    else:
        mask[:, 0] = True
    states = (truth + noise).at[:, 0].set(truth[:, 0])
    states = jnp.where(mask, states, jnp.nan).astype(truth.dtype)
    return Trajectories(states, jnp.asarray(mask, truth.dtype))


def variance(data: Trajectories) -> Array:
    """Weighted variance of the observed entries after t = 0, ()."""
    weights = jnp.broadcast_to(data.weights, data.states.shape)[:, 1:]
    states = jnp.where(weights > 0, data.states[:, 1:], 0)
    mean = jnp.sum(weights * states) / jnp.sum(weights)
    return jnp.sum(weights * (states - mean) ** 2) / jnp.sum(weights)


def augment(
    parts: Sequence[Windows],
    alphas: Sequence[Array | float],
    counts: Sequence[int],
    scale: Array | float,
) -> tuple[Windows, ...]:
    """Joins real and generated windows into one weighted set.

    A trainer minimises the mean over windows of `sum(w r²)`. The weights are scaled so
    that this mean is `sum_i alpha_i <r²>_i / scale`, with `<r²>_i` the weighted mean
    over the entries of part i: `LossReal + alpha LossGenerated`, whatever the number
    of windows in each part.

    Args:
        parts: The windows, real ones first.
        alphas: The weight of each part's loss, 1 for the real part.
        counts: Windows of each part in a batch (or in all, for a full-batch trainer).
        scale: What a mean square is measured by: the variance of the real data.

    Returns:
        The parts with their weights replaced.
    """
    total = sum(counts)
    return tuple(
        part.replace(
            weights=part.weights
            * (alpha * total / (count * scale * windows.mean_weight(part)))
        )
        for part, alpha, count in zip(parts, alphas, counts, strict=True)
    )


def save(path: Path, truth, observed: Trajectories, domain: Domain, dt: float):
    """Stores simulations as `.npz`, see `load`."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        truth=np.asarray(truth),
        states=np.asarray(observed.states),
        weights=np.asarray(observed.weights),
        dt=np.float64(dt),
        extent=np.array(domain.extent),
    )
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(buffer.getvalue())
    temporary.replace(path)


def load(path: Path, domain: Domain, dt: float) -> tuple[np.ndarray, Trajectories]:
    """Loads simulations, without unpickling.

    Args:
        path: An `.npz` file with `truth` and `states (N, T + 1, *S, C)`, `weights` of
            the same rank, `dt ()` and `extent (D,)`. `truth` may be absent: then it is
            NaN and errors against it can't be told.
        domain: The grid that is fitted.
        dt: Its time step.

    Returns:
        Truth and observed trajectories.

    Raises:
        ValueError: If the file is missing, corrupt, lacks an entry, doesn't fit the
            grid, or holds a non-finite value where its weight is not 0.
    """
    entries = _read_npz(path)
    missing = sorted(set(_SCHEMA) - set(entries) - {"truth"})
    if missing:
        raise ValueError(
            f"{path} lacks {missing}; it needs {sorted(_SCHEMA)}, as hyco_jax.data.save "
            "writes them"
        )
    states, weights = entries["states"], entries["weights"]
    truth = entries.get("truth", np.full_like(states, np.nan))
    _check_entries(path, truth, states, weights, domain)
    if not np.isclose(entries["dt"], dt) or not np.allclose(
        entries["extent"], domain.extent
    ):
        raise ValueError(
            f"{path} holds dt={entries['dt']}, extent={entries['extent']}, the config "
            f"has dt={dt}, extent={domain.extent}; make them agree"
        )
    return truth, Trajectories(jnp.asarray(states), jnp.asarray(weights))


def checksum(truth, observed: Trajectories) -> str:
    """SHA-256 of the data's contents."""
    digest = hashlib.sha256()
    for array in (truth, observed.states, observed.weights):
        array = np.asarray(array)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise ValueError(
            f"{path} does not exist; run with --config.tasks='(\"generate\",)' first, "
            "or point --config.data.path at an .npz file"
        ) from None
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is not a readable .npz file ({error}); replace it"
        ) from None


def _check_entries(path, truth, states, weights, domain: Domain):
    expected = (*domain.resolution, domain.ndim)
    if states.ndim != domain.ndim + 3 or states.shape[2:] != expected:
        raise ValueError(
            f"{path} holds states of shape {states.shape}, expected (simulations, "
            f"steps + 1, {', '.join(map(str, expected))}); fit the data or the grid"
        )
    fits = weights.ndim == states.ndim and all(
        w in (1, n) for w, n in zip(weights.shape, states.shape, strict=False)
    )
    if not fits or truth.shape != states.shape:
        raise ValueError(
            f"{path} holds weights of shape {weights.shape} and truth of shape "
            f"{truth.shape}, which don't fit states of shape {states.shape}"
        )
    if states.dtype not in (np.float32, np.float64) or weights.dtype != states.dtype:
        raise ValueError(
            f"{path} holds states of {states.dtype} and weights of {weights.dtype}, "
            "expected the same floating type; convert to float32"
        )
    if not np.isfinite(weights).all() or weights.min() < 0:
        raise ValueError(f"{path} holds weights that are not finite and >= 0")
    bad = ~np.isfinite(states) & (np.broadcast_to(weights, states.shape) > 0)
    if bad.any():
        raise ValueError(
            f"{path} holds {bad.sum()} non-finite observed values; give them weight 0 "
            "or remove them"
        )
    if not np.isfinite(states[:, 0]).all():
        raise ValueError(
            f"{path} lacks values of states at t = 0, which has to be complete"
        )
