"""Rates of the same work in NumPy, SciPy and ONNX Runtime, beside `bot4 bench compute --json`.

Called by tools/peers. Bot4 is measured before and after the peers; its better run counts, as does the best of
several of theirs. Every peer is written as its users would: whole arrays, no Python loop over numbers.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np

bot4, cpu = sys.argv[1], sys.argv[2]


def ours():
    command = [bot4, "bench", "compute", "--device", "cpu-avx2", "--cpu", cpu, "--json"]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {row["size"]: row for row in rows}


def best(work, items, seconds=0.4):
    work()
    fastest, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        work()
        fastest = min(fastest, time.perf_counter() - began)
    return items / fastest


first = ours()
generator = np.random.Generator(np.random.SFC64(1))
rows = []
N = 1 << 16
buffer = np.empty(N, dtype=np.float32)
rows.append(("4096 x 4 normals", "NumPy standard_normal, f32, SFC64",
             best(lambda: generator.standard_normal(out=buffer, dtype=np.float32), N)))
rows.append(("4096 x 4 Student's t, ν = 5", "NumPy standard_t, f64 (it has no f32)",
             best(lambda: generator.standard_t(5, N), N)))


def garch(draw, steps=10, paths=N):
    h = np.full(paths, 1e-4, dtype=np.float32)
    total = np.zeros(paths, dtype=np.float32)
    for _ in range(steps):
        shock = np.sqrt(h) * draw(paths)
        total += shock
        h = np.float32(2e-6) + np.float32(0.08) * shock * shock + np.float32(0.9) * h
    return np.expm1(total)


scale = np.float32(np.sqrt(3 / 5))
rows.append(("4096 x 10 steps GARCH normal", "NumPy, f32",
             best(lambda: garch(lambda n: generator.standard_normal(n, dtype=np.float32)), 10 * N)))
rows.append(("4096 x 10 steps GARCH t, ν = 5", "NumPy, f32, shocks by standard_t",
             best(lambda: garch(lambda n: generator.standard_t(5, n).astype(np.float32) * scale), 10 * N)))

try:
    from scipy.special import ndtr

    moneyness = np.linspace(0.7, 1.3, 1 << 14).astype(np.float32)
    spread = np.float32(0.18)

    def options():
        d1 = np.log(moneyness) / spread + np.float32(0.5) * spread
        return moneyness * ndtr(d1) - ndtr(d1 - spread)

    rows.append(("4096 European options", "NumPy and SciPy's ndtr, f32", best(options, moneyness.size)))
except ImportError:
    print("SKIPPED (1): options beside SciPy: pip install scipy", file=sys.stderr)

POSITIONS, SCENARIOS = 400, 1 << 14
exposures = np.arange(1, POSITIONS + 1, dtype=np.float32)
rows.append(("generate and revalue 400", "NumPy: normals, then a product, f32",
             best(lambda: (generator.standard_normal((SCENARIOS, POSITIONS), dtype=np.float32)
                           * np.float32(0.02)) @ exposures, SCENARIOS)))
returns = generator.standard_normal((1 << 17, POSITIONS), dtype=np.float32)
rows.append(("131072 x 400 linear, from memory", "NumPy: a product, f32",
             best(lambda: returns @ exposures, 1 << 17, 1.0)))
del returns
profits = generator.standard_normal(1 << 20, dtype=np.float32)


def tail():
    quantile = np.quantile(profits, 0.01)
    return quantile, profits[profits <= quantile].mean()


rows.append(("1048576 profits, one level", "NumPy: quantile and a mean", best(tail, profits.size)))
table = generator.standard_normal((2048, POSITIONS), dtype=np.float32)
rows.append(("2048 rows x 400 series", "NumPy: cov, f32",
             best(lambda: np.cov(table, rowvar=False, dtype=np.float32), 2048 * 400 * 401 / 2)))

models = pathlib.Path(os.environ.get("BOT4_SHARED", "../shared")) / "oracle" / "models"
try:
    import onnxruntime

    options_ = onnxruntime.SessionOptions()
    options_.intra_op_num_threads = options_.inter_op_num_threads = 1
    for name, size in [("lstm_attn_2x128", "2 x 128, a step of a stream with attention over 64"),
                       ("gru_2x96", "2 x 96, a step of a stream")]:
        session = onnxruntime.InferenceSession(str(models / f"{name}_step.onnx"), options_)
        feed = {i.name: np.zeros([d if isinstance(d, int) else 1 for d in i.shape], dtype=np.float32)
                for i in session.get_inputs()}
        binding = session.io_binding()
        for key, value in feed.items():
            binding.bind_cpu_input(key, value)
        for output in session.get_outputs():
            binding.bind_output(output.name)
        rate = best(lambda: session.run_with_iobinding(binding), 1)
        peers = [(f"ONNX Runtime {onnxruntime.__version__} from Python with bound buffers, f32", rate)]
        library = sorted(pathlib.Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*"))
        if "STEPS" in os.environ and library:
            told = subprocess.run([os.environ["STEPS"], library[0], models / f"{name}_step.onnx"],
                                  stdout=subprocess.PIPE, text=True, check=True).stdout
            peers += [(row["peer"], row["rate"]) for row in map(json.loads, told.splitlines())]
        # their step is f32; ours in every precision stands beside it
        rows += [(f"{size}, {precision}", peer, rate)
                 for peer, rate in peers for precision in ("f32", "bf16", "int8")]
except Exception as error:  # missing wheel or models: nothing is claimed
    print(f"SKIPPED (1): networks beside ONNX Runtime: {error}", file=sys.stderr)

second = ours()
table = []
for size, peer, rate in rows:
    mine = max(first[size]["rate"], second[size]["rate"])
    table.append({"kernel": first[size]["kernel"], "size": size, "unit": first[size]["unit"], "ours": mine,
                  "peer": peer, "peer_rate": rate, "ratio": mine / rate,
                  "fraction_of_limit": max(first[size]["fraction_of_limit"], second[size]["fraction_of_limit"])})
if "--json" in sys.argv:
    json.dump(table, sys.stdout, indent=1)
else:
    print("| kernel | size | Bot4, one core | of the limit | beside | ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in table:
        print(f"| {row['kernel']} | {row['size']} | {row['ours']:.3g} {row['unit']} "
              f"| {100 * row['fraction_of_limit']:.0f} % | {row['peer']}: {row['peer_rate']:.3g} "
              f"| {row['ratio']:.1f} |")
