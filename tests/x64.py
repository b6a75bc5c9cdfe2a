"""Float64 inside JAX and PhiFlow, for tests that need more than float32."""

from hyco_jax.grids.precision import enable_x64 as enable_x64
