"""Fixtures that all tests share, and what makes compiling cheap in a session."""

import functools
import gc
import itertools
import os
import shutil
import tempfile
import warnings

# Before JAX is imported: the processes of a session, and the runs that tests start,
# share what took them more than JAX's limit of a second to compile. With a lower one,
# writing takes a twenty-fifth of the time, and is worth less.
_OWN_CACHE = None
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _OWN_CACHE = tempfile.mkdtemp(prefix="hyco_jax-tests-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _OWN_CACHE

# Compiling is most of the time, and XLA's fusion emitters for CPU double it: heat's
# short run takes 33.8 s of CPU with them and 24.4 s without, 19.5 and 11.1 s where
# other optimisations are off too.
_EMITTERS = "--xla_cpu_use_fusion_emitters=false"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_EMITTERS}".strip()

# Nor is it worth optimising what runs for milliseconds: `optimised` is for the rest.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"

import jax  # noqa: E402
import pytest  # noqa: E402
from jax._src import pjit  # noqa: E402
from jax._src.interpreters import mlir  # noqa: E402

# Traces are millions of objects, and a tenth of the time went into looking at them.
gc.set_threshold(50_000, 20, 100)

# JAX makes a context of MLIR for every program that it lowers, 5 of the 18 ms that a
# small one takes. What a context was told of it keeps: hence a new one now and then.
_PROGRAMS_PER_CONTEXT = 200
if hasattr(mlir, "make_ir_context"):
    _lowered, _make_ir_context = itertools.count(), mlir.make_ir_context

    @functools.lru_cache(maxsize=1)
    def _ir_context(group):
        return _make_ir_context()

    mlir.make_ir_context = lambda: _ir_context(next(_lowered) // _PROGRAMS_PER_CONTEXT)


@pytest.fixture(scope="module", autouse=True)
def known_calls():
    """Forgets calls of jitted functions, but not their programs, behind each file.

    With 8192 of them JAX keeps no new one (0.10.2): what is jitted later is looked up
    in Python at each call, which is slow, and doesn't know how often it was compiled.
    """
    yield
    for name in ("_cpp_pjit_cache_fun_only", "_cpp_pjit_cache_explicit_attributes"):
        if hasattr(pjit, name):
            getattr(pjit, name).clear()


def pytest_sessionfinish():
    """Pytest collects garbage five times at its end, all that JAX has cached too."""
    gc.freeze()


def pytest_collection_modifyitems(items):
    """Files with long tests first: else one process ends long after the other."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


def pytest_unconfigure():
    """Removes the cache when the session that made it ends."""
    if _OWN_CACHE is not None:
        shutil.rmtree(_OWN_CACHE, ignore_errors=True)


@pytest.fixture
def key():
    """A PRNG key."""
    return jax.random.key(0)


# Of a whole module, since it is part of what a jit cache distinguishes.
@pytest.fixture(scope="module")
def strict_numerics():
    """Makes a silent change of rank an error; not for PhiFlow, which relies on it."""
    with jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture
def optimised(monkeypatch):
    """All optimisations but one, where tests and their processes train for long."""
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "0")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def no_figures(monkeypatch):
    """Draws nothing at the end of a run: a third of what a short one takes."""
    monkeypatch.setattr("hyco_jax.result.Result.plot", lambda *_: [])


@pytest.fixture
def coarse_pictures(monkeypatch):
    """Draws with few pixels, which takes half the time."""
    monkeypatch.setattr("hyco_jax.scoring.plots.DPI", 30)
    monkeypatch.setattr("hyco_jax.scoring.plots.animation.DPI", 30)


@pytest.fixture
def no_warnings():
    """Makes warnings errors, but those that Matplotlib earns from newer pyparsing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        message = r"'\w+' (argument is )?deprecated"
        warnings.filterwarnings("ignore", message, DeprecationWarning)
        yield


@pytest.fixture
def no_error_bars(monkeypatch):
    """No ± of coefficients at the end of a run, whose programs take long to compile.

    tests/uncertainty computes them.
    """
    monkeypatch.setattr("hyco_jax.error_bars.add", lambda result, *_: result)
