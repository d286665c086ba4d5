"""Allocations and volatility fits beside skfolio's and arch's, CPU time, one thread, one run; prints ratios.

usage: peers_portfolio.py BOT4 FILE [--json]   FILE: returns, a date column and one column per asset
"""

import json
import statistics
import subprocess
import sys
import time
import warnings

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")
RUNS = 5


def ours(binary, args, key):
    """Median CPU milliseconds that bot4 reports for the fit itself."""
    runs = [
        json.loads(subprocess.run([binary, *args, "--json"], capture_output=True, check=True).stdout)
        for _ in range(RUNS)
    ]
    return statistics.median(run[key] for run in runs), runs[0]


def theirs(fit):
    """Median CPU milliseconds of a fit, and its last outcome."""
    times = []
    for _ in range(RUNS):
        began = time.process_time()
        outcome = fit()
        times.append(1e3 * (time.process_time() - began))
    return statistics.median(times), outcome


def portfolio_rows(binary, path, returns):
    """The optimisers that both have."""
    try:
        from skfolio import RiskMeasure
        from skfolio.cluster import HierarchicalClustering, LinkageMethod
        from skfolio.optimization import (
            HierarchicalRiskParity,
            MaximumDiversification,
            MeanRisk,
            ObjectiveFunction,
            RiskBudgeting,
        )
    except ImportError:
        print("SKIPPED (1): allocations beside skfolio: python3 -m pip install skfolio", file=sys.stderr)
        return
    least = ObjectiveFunction.MINIMIZE_RISK
    single = HierarchicalClustering(linkage_method=LinkageMethod.SINGLE)
    cases = [
        ("min-variance", lambda: MeanRisk(objective_function=least, risk_measure=RiskMeasure.VARIANCE)),
        ("risk-parity", lambda: RiskBudgeting(risk_measure=RiskMeasure.VARIANCE)),
        ("max-diversification", lambda: MaximumDiversification()),
        (
            "hrp",
            lambda: HierarchicalRiskParity(
                risk_measure=RiskMeasure.VARIANCE, hierarchical_clustering_estimator=single
            ),
        ),
        (
            "min-cvar",
            lambda: MeanRisk(objective_function=least, risk_measure=RiskMeasure.CVAR, cvar_beta=0.95),
        ),
    ]
    for name, make in cases:
        peer, model = theirs(lambda make=make: make().fit(returns))
        own, found = ours(binary, ["optimize", name, "--returns", path], "cpu_ms")
        weights = [found["weights"][asset] for asset in returns.columns]
        apart = float(np.abs(np.asarray(model.weights_) - weights).max())
        yield {"case": name, "peer": "skfolio", "peer_ms": peer, "bot4_ms": own, "ratio": peer / own, "apart": apart}


def garch_rows(binary, path, returns):
    """GARCH-t on the first column, in percent."""
    try:
        from arch import arch_model
    except ImportError:
        print("SKIPPED (1): GARCH beside arch: python3 -m pip install arch", file=sys.stderr)
        return
    column = returns.columns[0]
    for rows in (252, 1_000, len(returns)):
        series = 100 * returns[column].iloc[-rows:]
        file = f"{path}.garch.csv"
        series.to_csv(file, float_format="%.17g")
        peer, model = theirs(lambda s=series: arch_model(s, dist="t").fit(disp="off"))
        own, found = ours(binary, ["fit", "garch", "--returns", file], "cpu_ms")
        apart = found["loglik"] - float(model.loglikelihood)
        yield {
            "case": f"garch-t {rows} returns",
            "peer": "arch",
            "peer_ms": peer,
            "bot4_ms": own,
            "ratio": peer / own,
            "apart": apart,
        }


def main():
    binary, path = sys.argv[1], sys.argv[2]
    returns = pd.read_csv(path, index_col=0, parse_dates=True)
    rows = list(portfolio_rows(binary, path, returns))
    import os
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        rows += list(garch_rows(binary, os.path.join(folder, "series"), returns))
    if "--json" in sys.argv:
        print(json.dumps(rows, indent=1))
        return
    print(f"{len(returns.columns)} assets, {len(returns)} returns; CPU time, one thread, median of {RUNS}")
    print(f"{'case':<26} {'peer':<8} {'peer ms':>10} {'bot4 ms':>10} {'ratio':>8} {'apart':>10}")
    for row in rows:
        print(
            f"{row['case']:<26} {row['peer']:<8} {row['peer_ms']:>10.3f} {row['bot4_ms']:>10.3f} "
            f"{row['ratio']:>8.1f} {row['apart']:>10.1e}"
        )


main()
