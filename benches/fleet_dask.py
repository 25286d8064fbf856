#!/usr/bin/env python3
"""Trains LightGBM on Dask on the rows of many hosts; the recipe of docs/prediction.md.

    benches/fleet_dask.py --out DIR ROWS.csv [ROWS.csv ..]     files of `cpufence train --export`
        [--scheduler tcp://HOST:8786]    a running cluster [default: two local processes]
        [--quantiles 0.5,0.95] [--trees 200] [--leaves 63] [--rate 0.1] [--rows N]

Writes DIR/qQ.txt, one LightGBM text model a quantile, and DIR/dictionary.json, the names of the categories. Then

    cpufence import DIR/q*.txt --dictionary DIR/dictionary.json --licence "..." [--out MODEL]

Needs lightgbm 4, scikit-learn, dask, distributed, pandas, pyarrow. Rows of the parts `calibrate` and `test` are not trained on; the loss on
`test` is printed.
"""
import argparse
import json
import pathlib
import sys

# The bench lightgbm.py beside this file is not the package.
sys.path = [p for p in sys.path if pathlib.Path(p or ".").resolve() != pathlib.Path(__file__).resolve().parent]

import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster, wait
from lightgbm import DaskLGBMRegressor

CATEGORIES = ["owner", "image", "app", "kind"]
NOT_FEATURES = ["part", "group", "trace_id", "timestamp_s", "target"]


def read(files, rows):
    text = {name: "str" for name in CATEGORIES + ["part", "group", "trace_id"]}
    frame = dd.read_csv(files, dtype=text, na_values=["nan"], keep_default_na=True, assume_missing=True, blocksize="32MB")
    if rows:
        frame = frame.sample(frac=min(1.0, rows / len(frame)), random_state=0)
    return frame


def dictionaries(frame):
    """Names by code, the same on every worker and for every quantile."""
    return {name: sorted(frame[name].dropna().unique().compute().tolist()) for name in CATEGORIES}


def coded(frame, names):
    """Categories as codes; missing and unseen are negative, which LightGBM takes as missing."""
    for column, levels in names.items():
        codes = {level: code for code, level in enumerate(levels)}
        frame[column] = frame[column].map(codes).fillna(-1).astype("int32")
    return frame


def pinball(y, p, q):
    return float(np.mean(np.where(y > p, q * (y - p), (1 - q) * (p - y))))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--scheduler")
    parser.add_argument("--quantiles", default="0.5,0.95")
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--leaves", type=int, default=63)
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--rows", type=int)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    cluster = None if arguments.scheduler else LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with Client(arguments.scheduler or cluster) as client:
        frame = read(arguments.files, arguments.rows)
        names = dictionaries(frame)
        (arguments.out / "dictionary.json").write_text(json.dumps({k: v for k, v in names.items() if v}) + "\n")
        meta = coded(frame._meta.copy(), names)
        frame = frame.map_partitions(coded, names, meta=meta)
        features = [c for c in frame.columns if c not in NOT_FEATURES]
        # Codes of a column without names carry nothing, and have no dictionary.
        features = [c for c in features if c not in CATEGORIES or names[c]]
        categorical = [c for c in features if c in CATEGORIES]
        train = client.persist(frame[frame["part"] == "train"].repartition(npartitions=4))
        wait(train)
        test = frame[frame["part"] == "test"].compute()
        print(f"{len(train)} rows to train, {len(test)} to test, {len(features)} features", flush=True)
        for q in (float(q) for q in arguments.quantiles.split(",")):
            model = DaskLGBMRegressor(
                client=client, objective="quantile", alpha=q, n_estimators=arguments.trees, num_leaves=arguments.leaves,
                learning_rate=arguments.rate, tree_learner="data", verbose=-1)
            model.fit(train[features], train["target"], categorical_feature=categorical)
            booster = model.booster_
            booster.save_model(arguments.out / f"q{q}.txt")
            predicted = np.clip(booster.predict(test[features]), 0.0, None)
            print(f"q{q}: pinball {pinball(test['target'].to_numpy(), predicted, q):.4f} on test", flush=True)
    if cluster:
        cluster.close()


if __name__ == "__main__":
    main()
