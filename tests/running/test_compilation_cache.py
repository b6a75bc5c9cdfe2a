"""Where compiled programs are kept, and where they aren't."""

import logging

import jax
import jax.numpy as jnp
import pytest

from hyco_jax.config import experiment, flags
from hyco_jax.pde import burgers
from hyco_jax.running import compilation_cache
from hyco_jax.running.compilation_cache import kept_programs
from tests.experiments.test_runs import CONFIG


@pytest.fixture
def untold(monkeypatch, tmp_path):
    """JAX knows of no folder, and the user's cache is a test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    yield tmp_path / "cache"
    jax.config.update("jax_compilation_cache_dir", before)


def compile_something(number):
    """A program that no cache of this process has yet."""
    jax.jit(lambda x: x * number + jnp.sin(x))(jnp.ones(3)).block_until_ready()


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_programs_are_kept_in_the_users_cache_and_only_in_the_context(untold):
    before = jax.config.jax_persistent_cache_min_compile_time_secs
    with kept_programs(True):
        compile_something(2.5)
    assert files(untold / "hyco_jax" / "jax")
    assert jax.config.jax_compilation_cache_dir is None
    assert jax.config.jax_persistent_cache_min_compile_time_secs == before
    number = len(files(untold))
    compile_something(3.5)
    assert len(files(untold)) == number


def test_a_folder_that_jax_has_been_told_of_is_used(untold, tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "told"))
    with kept_programs(True):
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / "told")
    assert not untold.exists()


def test_the_flag_switches_every_folder_off(untold, tmp_path, monkeypatch):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "told"))
    seen = []

    def run(*_):
        compile_something(4.5)
        seen.append(jax.config.jax_enable_compilation_cache)

    monkeypatch.setattr(experiment, "run", run)
    for flag in ("--nocompilation_cache", "--compilation_cache=False"):
        flags.main(burgers, ["burgers", CONFIG, flag])
    assert seen == [False, False]
    assert jax.config.jax_enable_compilation_cache
    assert not files(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_warning(untold, caplog):
    untold.write_text("no folder")
    with caplog.at_level(logging.WARNING), kept_programs(True):
        assert jax.config.jax_compilation_cache_dir is None
    assert "compiled programs are not kept" in caplog.text
    assert "--nocompilation_cache" in caplog.text


def test_processors_of_other_kinds_have_other_folders(untold, monkeypatch):
    own = compilation_cache.default_folder()
    assert own == compilation_cache.default_folder()
    monkeypatch.setattr(compilation_cache, "_features", lambda: "flags: none")
    assert compilation_cache.default_folder() != own
