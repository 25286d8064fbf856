#!/usr/bin/env python3
"""cpufence's trees beside LightGBM's on the same rows: loss, coverage, user CPU, memory.

    pip install lightgbm numpy pandas
    cargo build --release
    python3 benches/lightgbm.py --traces DIR [--max-rows 1000000] [--repeat 1] [--threads 2] [--peers design all]

Rows come of `cpufence train --export`; LightGBM is trained on all features, on those of the
design's first list, and on all with the target above the hour's maximum (200 trees of 63 leaves, rate 0.1, quantile
0.95), beside a linear quantile regression on the design's features; they
tell their loss on the exported test rows; cpufence's is of `evaluate --part test --max-rows N`,
which scores the same rows. Trainings alternate, each in a process of its own. User CPU of
LightGBM is that of Dataset and train without loading, its peak that of a process with the training rows alone; of cpufence what `train --json` tells for
bins and trees, and beside it the whole command with reading the traces.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CATEGORIES = ["owner", "image", "app", "kind"]
TREES, LEAVES, RATE, QUANTILE = 200, 63, 0.1, 0.95
# LightGBM on the design's features, on all, on all with the target above hour_max; a linear quantile regression.
PEERS = ["design", "all", "above", "linear"]


def basic_features():
    """Names of the features that `features.rs` does not mark with `more`."""
    text = open(os.path.join(ROOT, "src/predict/features.rs")).read()
    found = re.findall(r"^    (level|plain|category)\(\s*\"(\w+)\"\)", text, re.M)
    return [name for _, name in found]


def pinball(y, p):
    miss = y - p
    return np.maximum(QUANTILE * miss, (QUANTILE - 1) * miss)


def load(path):
    """Columns, rows, targets, part and group of the exported rows."""
    import pandas

    names = open(path).readline().strip().split(",")
    numeric = {n: np.float32 for n in names[4:] if n not in CATEGORIES}
    kinds = {**numeric, **{n: "category" for n in ["part", "group", *CATEGORIES]}}
    frame = pandas.read_csv(path, dtype=kinds, usecols=list(kinds))
    y = frame.pop("target").to_numpy()
    part, group = (frame.pop(n).astype(str).to_numpy().astype("U32") for n in ["part", "group"])
    codes = np.empty((len(y), len(CATEGORIES)), np.float32)
    for i, name in enumerate(CATEGORIES):
        code = frame.pop(name).cat.codes.to_numpy()
        codes[:, i] = np.where(code < 0, np.nan, code)
    return list(frame.columns) + CATEGORIES, np.hstack([frame.to_numpy(np.float32), codes]), y, part, group


def linear(x, y, xs):
    """Quantile regression of standardised columns by L-BFGS on a smoothed pinball loss."""
    from scipy.optimize import minimize

    mean, spread = np.nanmean(x, 0), np.nanstd(x, 0)
    use = np.isfinite(mean) & (spread > 0)
    scaled = lambda a: np.hstack([np.nan_to_num((a[:, use] - mean[use]) / spread[use]), np.ones((len(a), 1), np.float32)])
    rows = np.random.default_rng(0).choice(len(y), min(len(y), 200_000), replace=False)
    a, b = scaled(x[rows]).astype(float), y[rows].astype(float)
    w = np.zeros(a.shape[1])
    for smooth in [5.0, 1.0, 0.2, 0.05]:

        def loss(w):
            # Pinball with a parabola of width `smooth` in place of the kink.
            r = b - a @ w
            inside = np.abs(r) < smooth
            value = np.where(inside, r * r / (4 * smooth) + smooth / 4, np.abs(r) / 2) + (QUANTILE - 0.5) * r
            slope = np.where(inside, r / (2 * smooth), np.sign(r) / 2) + QUANTILE - 0.5
            return value.mean(), -(a.T @ slope) / len(b)

        w = minimize(loss, w, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    return scaled(xs) @ w


def child(data, which, threads, out):
    """One training of LightGBM; prints its cost."""
    # On busy cores OpenMP's threads would otherwise burn user CPU waiting for each other.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # This file has the package's name.
    sys.path = [p for p in sys.path if os.path.realpath(p or ".") != os.path.join(ROOT, "benches")]
    import lightgbm

    names = json.load(open(f"{data}.names"))
    # Training holds the training rows alone: its peak is that of training.
    xt, yt = np.load(f"{data}.x.npy"), np.load(f"{data}.y.npy")
    test = lambda: np.load(f"{data}.test.npy")
    if which == "linear":
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        np.save(out, linear(xt, yt, test()))
        usage = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({"user_s": usage.ru_utime - before, "peak_mib": usage.ru_maxrss / 1024}))
        return
    categories = [i for i, name in enumerate(names) if name in CATEGORIES]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    dataset = lightgbm.Dataset(xt, yt, categorical_feature=categories, params={"verbose": -1})
    # It bins the rows, and needs them no more.
    dataset.construct()
    del xt
    settings = dict(
        objective="quantile", alpha=QUANTILE, num_leaves=LEAVES, learning_rate=RATE, num_threads=threads,
        verbose=-1, seed=0,
    )
    model = lightgbm.train(settings, dataset, TREES)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    np.save(out, model.predict(test(), num_threads=threads))
    print(json.dumps({"user_s": usage.ru_utime - before, "peak_mib": usage.ru_maxrss / 1024}))


def measure(command):
    """Prints what `run` returns. Between the two, as a process's peak counts that of the one it was forked from."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command} failed")
    print(json.dumps([text, usage.ru_utime, usage.ru_maxrss / 1024]))


def run(command):
    """Standard output, user CPU and peak memory (MiB) of a command."""
    done = subprocess.run([sys.executable, __file__, "--measure", *command], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--traces", required=True)
    parser.add_argument("--cpufence", default=os.path.join(ROOT, "target/release/cpufence"))
    parser.add_argument("--max-rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS)
    parser.add_argument("--scratch", help="directory for the rows, which are used again if they are there")
    arguments = parser.parse_args()
    scratch = arguments.scratch or tempfile.mkdtemp()
    at = lambda name: os.path.join(scratch, name)
    rows = ["--traces", arguments.traces, "--max-rows", str(arguments.max_rows)]
    if not os.path.exists(at("rows.npz")):
        subprocess.check_call([arguments.cpufence, "train", *rows, "--export", at("rows.csv")])
        names, x, y, part, group = load(at("rows.csv"))
        np.savez(at("rows.npz"), names=np.array(names), x=x, y=y, part=part, group=group)
    with np.load(at("rows.npz"), allow_pickle=False) as kept:
        names, x, y, part, group = [kept[k] for k in ["names", "x", "y", "part", "group"]]
    test = part == "test"
    counts = {p: int((part == p).sum()) for p in ["train", "calibrate", "test"]}
    print(f"rows {counts}, features {len(names)}, trees {TREES} x {LEAVES}, threads {arguments.threads}")
    train, bases = part == "train", {}
    for which in arguments.peers:
        keep = set(names) if which in ["all", "above"] else set(basic_features())
        columns = [i for i, n in enumerate(names) if n in keep]
        # `above`: the target above the hour's largest use, as ours.
        base = x[:, list(names).index("hour_max")] if which == "above" else np.zeros(len(y), np.float32)
        base = np.nan_to_num(base)
        bases[which] = base[test]
        json.dump([str(names[i]) for i in columns], open(at(f"{which}.names"), "w"))
        np.save(at(f"{which}.x.npy"), x[train][:, columns])
        np.save(at(f"{which}.y.npy"), y[train] - base[train])
        np.save(at(f"{which}.test.npy"), x[test][:, columns])
    y, group = y[test], group[test]
    del x
    cost = {}
    for _ in range(arguments.repeat):
        for which in arguments.peers:
            text, _, _ = run(
                [sys.executable, __file__, "--child", at(which), which, str(arguments.threads), at(which + ".npy")]
            )
            cost.setdefault("peer " + which, []).append(json.loads(text))
        text, user, peak = run(
            [arguments.cpufence, "train", *rows, "--out", at("model"), "--trees", str(TREES), "--leaves", str(LEAVES),
             "--rate", str(RATE), "--patience", "0", "--threads", str(arguments.threads), "--json"]
        )
        told = json.loads(text)
        cost.setdefault("cpufence", []).append(
            {"user_s": told["user_s"]["grow"], "peak_mib": peak, "command_user_s": user, "bytes": told["bytes"]}
        )
    for name, runs in cost.items():
        print(name, " | ".join(f"{k} " + ", ".join(f"{r[k]:.1f}" for r in runs) for k in runs[0]))
    for which in arguments.peers:
        p = np.maximum(np.load(at(which + ".npy")) + bases[which], 0)
        p = np.where(np.char.startswith(group, "nezha"), p, np.minimum(p, 100))
        loss, covered = pinball(y, p), y <= p
        print(f"peer {which}: pooled {loss.mean():.4f} / {covered.mean():.4f}", end="")
        for g in np.unique(group):
            m = group == g
            print(f"  {g} ({m.sum()}) {loss[m].mean():.4f} / {covered[m].mean():.4f}", end="")
        print()
    text, _, _ = run([arguments.cpufence, "evaluate", "--model", at("model"), *rows, "--part", "test", "--json"])
    told = json.loads(text)
    for kind in ["raw", "calibrated"]:
        show = lambda s: f"{s[kind]['pinball']:.4f} / {s[kind]['coverage']:.4f}"
        groups = "".join(f"  {g} ({s['rows']}) {show(s)}" for g, s in told["groups"].items())
        print(f"cpufence {kind}: pooled {show(told['pooled'])}{groups}")
    for name, score in told["baselines"].items():
        print(f"rule {name}: pooled {score['pinball']:.4f} / {score['coverage']:.4f}")
    print(f"traces in band: {told['traces_in_band']} of {told['traces']}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
    elif sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2:])
    else:
        main()
