#!/usr/bin/env python3
"""Makes the built-in model, fixtures/predict/built_in.cpm.

    cargo build --release
    python3 benches/built_in_model.py --traces DIR [--keep DIR]

DIR is a directory of traces as in docs/prediction.md. Of it the groups under the MIT licence are
taken, nab_aws and nezha_pods; beside them workloads are drawn here, from a seed, at the sampling intervals
of live hosts: ten seconds, one and five minutes. Needs Python alone; the same traces give the same file.
"""

import argparse
import csv
import gzip
import math
import os
import random
import shutil
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LICENSED = {"nab_aws": "nab_aws_5min.csv.gz", "nezha_pods": "nezha_pods_1min.csv.gz"}
LICENCE = (
    "MIT OR Apache-2.0; trained on NAB (numenta/NAB @ ea702d75, MIT), Nezha (IntelligentDDS/Nezha @ d8140101, MIT) "
    "and synthetic workloads"
)
DAY = 86_400
# Name, interval in seconds, traces, length in seconds.
GROUPS = [("synthetic_10s", 10, 56, 10 * 3_600), ("synthetic_1min", 60, 70, 2 * DAY), ("synthetic_5min", 300, 42, 14 * DAY)]
BEGIN = 1_767_225_600  # 2026-01-01


def steady(rng):
    """A service with noise of its own and a slow drift."""
    level, noise, drift = rng.uniform(2, 80), rng.uniform(0.02, 0.3), rng.uniform(0, 0.3)
    phase, period = rng.uniform(0, 6.3), rng.uniform(0.2, 2) * DAY
    return lambda t, dt: level * (1 + drift * math.sin(phase + 6.283 * t / period)) * rng.lognormvariate(0, noise)


def daily(rng):
    """Requests follow the day; short peaks on top."""
    low, high, peak = rng.uniform(1, 20), rng.uniform(20, 90), rng.uniform(0, 40)
    phase, noise, often = rng.uniform(0, 6.3), rng.uniform(0.03, 0.25), rng.uniform(0.5, 6)

    def use(t, dt):
        wave = 0.5 + 0.5 * math.sin(phase + 6.283 * t / DAY)
        burst = peak * rng.random() if rng.random() < often * dt / 3_600 else 0
        return (low + (high - low) * wave) * rng.lognormvariate(0, noise) + burst

    return use


def batch(rng):
    """Jobs come and go: idle, then busy for minutes to hours."""
    idle, busy = rng.uniform(0.1, 3), rng.uniform(30, 100)
    lengths = [rng.uniform(0.1, 4) * 3_600, rng.uniform(0.05, 2) * 3_600]
    state = {"on": rng.random() < 0.5, "end": 0.0}

    def use(t, dt):
        if t >= state["end"]:
            state["on"] = not state["on"]
            state["end"] = t + rng.expovariate(1 / lengths[state["on"]])
        return (busy if state["on"] else idle) * rng.lognormvariate(0, 0.05)

    return use


def timer(rng):
    """Work at fixed times: every ten minutes to a day."""
    idle, peak = rng.uniform(0.2, 15), rng.uniform(20, 100)
    period, length, phase = rng.choice([600, 900, 1_800, 3_600, 7_200, DAY]), rng.uniform(20, 900), rng.uniform(0, 3_600)

    def use(t, dt):
        # The part of the interval in which it works.
        since = (t + phase) % period
        share = max(0.0, min(since, length) - max(0.0, since - dt)) / dt
        return (idle + peak * min(share, 1)) * rng.lognormvariate(0, 0.06)

    return use


def restless(rng):
    """An Ornstein-Uhlenbeck process in the logarithm, with jumps of level."""
    state = {"x": 0.0, "level": rng.uniform(3, 60)}
    back, noise, jumps = rng.uniform(60, 3_600), rng.uniform(0.1, 0.8), rng.uniform(0.01, 0.3)

    def use(t, dt):
        if rng.random() < jumps * dt / 3_600:
            state["level"] = rng.uniform(3, 60)
        keep = math.exp(-dt / back)
        state["x"] = keep * state["x"] + noise * math.sqrt(1 - keep * keep) * rng.gauss(0, 1)
        return state["level"] * math.exp(state["x"])

    return use


def quiet(rng):
    """Next to nothing, in steps of a few values, and rare peaks."""
    level, peak, rare = rng.uniform(0, 2), rng.uniform(5, 60), rng.uniform(0.02, 0.5)
    return lambda t, dt: peak * rng.random() if rng.random() < rare * dt / 3_600 else round(level * rng.choice([1, 1, 1, 1.1]), 1)


KINDS = [steady, daily, batch, timer, restless, quiet]


def synthesise(folder, meta):
    for group, interval, traces, length in GROUPS:
        with gzip.open(os.path.join(folder, group + ".csv.gz"), "wt", newline="") as out:
            out.write("trace_id,timestamp_s,cpu_pct\n")
            for number in range(traces):
                rng = random.Random(f"{group} {number}")
                use = KINDS[number % len(KINDS)](rng)
                name, cpus = f"{group}/{number}", rng.choice([1, 2, 2, 4, 4, 8, 16, 32, 64])
                meta.append({"trace_id": name, "group": group, "interval_s": interval, "cpus": cpus, "unit": "request"})
                for t in range(0, length, interval):
                    out.write(f"{name},{BEGIN + t},{min(max(use(t, interval), 0), 100):.2f}\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--traces", required=True)
    parser.add_argument("--cpufence", default=os.path.join(ROOT, "target/release/cpufence"))
    parser.add_argument("--out", default=os.path.join(ROOT, "fixtures/predict/built_in.cpm"))
    parser.add_argument("--keep", help="directory for the traces; default: a temporary one")
    arguments = parser.parse_args()
    folder = arguments.keep or tempfile.mkdtemp()
    os.makedirs(folder, exist_ok=True)
    with gzip.open(os.path.join(arguments.traces, "meta.csv.gz"), "rt", newline="") as text:
        found = [row for row in csv.DictReader(text) if row["group"] in LICENSED]
    keep = ["trace_id", "group", "interval_s", "cpus"]
    meta = [{**{k: row[k] for k in keep}, "unit": "core" if row["group"] == "nezha_pods" else "request"} for row in found]
    for name in LICENSED.values():
        shutil.copy(os.path.join(arguments.traces, name), folder)
    synthesise(folder, meta)
    with open(os.path.join(folder, "meta.csv"), "w", newline="") as out:
        writer = csv.DictWriter(out, [*keep, "unit"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(meta)
    subprocess.check_call(
        [arguments.cpufence, "train", "--traces", folder, "--out", arguments.out, "--max-rows", "300000", "--trees", "120",
         "--leaves", "47", "--threads", "2", "--licence", LICENCE, "--json"]
    )
    print(f"{arguments.out}: {os.path.getsize(arguments.out)} bytes")
    if not arguments.keep:
        shutil.rmtree(folder)


main()
