"""Normals, GARCH paths, scenarios and a batched LSTM in CuPy, PyTorch and JAX on this machine's GPU, as JSON.

Called by tools/gpu. f32 with TF32 off; each framework is warmed up and synchronised around every timing. What is
not installed, or has no GPU, is a counted skip on stderr.
"""

import json
import sys
import time

PATHS, STEPS = 1 << 20, 10
rows = []


def skip(what, error):
    print(f"SKIPPED (1): {what}: {error}", file=sys.stderr)


def add(peer, work, unit, items, run, wait):
    run(); wait()
    fastest, end = float("inf"), time.perf_counter() + 0.5
    while time.perf_counter() < end:
        began = time.perf_counter()
        run(); wait()
        fastest = min(fastest, time.perf_counter() - began)
    rows.append({"peer": peer, "work": work, "unit": unit, "rate": items / fastest})


try:
    import cupy

    wait = cupy.cuda.Device().synchronize
    generator = cupy.random.Generator(cupy.random.Philox4x3210(1))
    add(f"CuPy {cupy.__version__}", "normals", "numbers/s", PATHS * 4,
        lambda: generator.standard_normal(PATHS * 4, dtype=cupy.float32), wait)

    def garch():
        h = cupy.full(PATHS, 1e-4, dtype=cupy.float32)
        total = cupy.zeros(PATHS, dtype=cupy.float32)
        for _ in range(STEPS):
            shock = cupy.sqrt(h) * generator.standard_normal(PATHS, dtype=cupy.float32)
            total += shock
            h = cupy.float32(2e-6) + cupy.float32(0.08) * shock * shock + cupy.float32(0.9) * h
        return cupy.expm1(total)

    add(f"CuPy {cupy.__version__}", "GARCH normal", "steps/s", PATHS * STEPS, garch, wait)
except Exception as error:
    skip("CuPy", error)

try:
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device = torch.device("cuda")
    name = f"PyTorch {torch.__version__}"
    add(name, "normals", "numbers/s", PATHS * 4, lambda: torch.randn(PATHS * 4, device=device), torch.cuda.synchronize)

    @torch.compile
    def walk():
        h = torch.full((PATHS,), 1e-4, device=device)
        total = torch.zeros(PATHS, device=device)
        for _ in range(STEPS):
            shock = torch.sqrt(h) * torch.randn(PATHS, device=device)
            total = total + shock
            h = 2e-6 + 0.08 * shock * shock + 0.9 * h
        return torch.expm1(total)

    add(name + " compiled", "GARCH normal", "steps/s", PATHS * STEPS, walk, torch.cuda.synchronize)
    exposures = torch.arange(1, 401, device=device, dtype=torch.float32)
    add(name, "generate and revalue 400", "scenarios/s", 1 << 16,
        lambda: (torch.randn(1 << 16, 400, device=device) * 0.02) @ exposures, torch.cuda.synchronize)
    net = torch.nn.LSTM(32, 128, 2, batch_first=True).to(device).eval()
    windows = torch.randn(4096, 64, 32, device=device)
    with torch.no_grad():
        add(name + " cuDNN", "LSTM 2 x 128, windows of 64", "windows/s", 4096, lambda: net(windows),
            torch.cuda.synchronize)
except Exception as error:
    skip("PyTorch", error)

try:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_default_matmul_precision", "highest")
    if jax.default_backend() != "gpu":
        raise RuntimeError("JAX sees no GPU")
    key = jax.random.key(1)

    @jax.jit
    def paths(key):
        def step(state, key):
            total, h = state
            shock = jnp.sqrt(h) * jax.random.normal(key, (PATHS,))
            return (total + shock, 2e-6 + 0.08 * shock * shock + 0.9 * h), None

        start = (jnp.zeros(PATHS), jnp.full(PATHS, 1e-4))
        (total, _), _ = jax.lax.scan(step, start, jax.random.split(key, STEPS))
        return jnp.expm1(total)

    add(f"JAX {jax.__version__}", "GARCH normal", "steps/s", PATHS * STEPS, lambda: paths(key).block_until_ready(),
        lambda: None)
except Exception as error:
    skip("JAX", error)

json.dump(rows, sys.stdout, indent=1)
sys.exit(0 if rows else 1)
