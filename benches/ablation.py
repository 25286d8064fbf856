#!/usr/bin/env python3
"""What each technique gains: `branchcut bench` once for each, without it.

    benches/ablation.py BRANCHCUT DIR --only NAME,.. [--time-limit 20] [--techniques NAME,..]

BRANCHCUT is the binary, DIR a folder with `reference.csv`. The limit is CPU time
(`--cpu`). Prints a Markdown table: instances solved, shifted geometric mean of
CPU time (shift 1 s, the limit for what is not solved), and geometric means of
nodes and simplex iterations relative to the run with the defaults, over what
both solved (shift 10 nodes, 100 iterations): counters do not depend on the
machine. Techniques that are off by default are switched on instead.
"""
import argparse, csv, math, os, subprocess, sys, tempfile

TECHNIQUES = """presolve dual-reductions coefficient-tightening parallel dominated substitution
clique-merging probing components gomory cmir knapsack-cover flow-cover clique-cuts product-cuts
zero-half implied-bound local-cuts reliability propagation reduced-cost-fixing conflicts restarts
symmetry feasibility-jump rounding fractional-dive coefficient-dive guided-dive pseudocost-dive
rins rens one-opt feasibility-pump crossover local-branching crash""".split()
OFF = {"local-cuts", "crossover", "local-branching", "crash"}


def run(args, change):
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([args.branchcut, "bench", args.dir, "--cpu", "--time-limit", f"{args.time_limit}s",
                        "--only", args.only, "--out", out] + change, stdout=subprocess.DEVNULL, check=False)
        with open(os.path.join(out, "bench.csv")) as table:
            rows = [row for row in csv.DictReader(table) if row["folder"] == "."]
    wrong = [row["instance"] for row in rows if row["verdict"] == "wrong"]
    if wrong:
        print(f"wrong with {change}: {wrong}", file=sys.stderr)
    return {row["instance"]: row for row in rows}


def solved(row):
    return row["status"] in ("optimal", "infeasible", "unbounded")


def shifted(values, shift):
    values = list(values)
    return math.exp(sum(math.log(value + shift) for value in values) / max(len(values), 1)) - shift


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("branchcut")
    parser.add_argument("dir")
    parser.add_argument("--only", required=True)
    parser.add_argument("--time-limit", type=int, default=20)
    parser.add_argument("--techniques", default=",".join(TECHNIQUES))
    args = parser.parse_args()
    base = run(args, [])

    def line(name, rows):
        times = [min(float(r["cpu_s"] or args.time_limit), args.time_limit) if solved(r) else args.time_limit
                 for r in rows.values()]
        both = [name for name in rows if solved(rows[name]) and solved(base[name])]
        ratio = lambda key, shift: (shifted((float(rows[n][key]) for n in both), shift) + shift) \
            / (shifted((float(base[n][key]) for n in both), shift) + shift)
        lost = ", ".join(n for n in rows if solved(base[n]) and not solved(rows[n]))
        print(f"| {name} | {sum(map(solved, rows.values()))} | {shifted(times, 1):.2f} "
              f"| {ratio('nodes', 10):.2f} | {ratio('lp_iterations', 100):.2f} | {lost} |", flush=True)

    print("| | solved | CPU, s | nodes | iterations | not solved any more |\n|-|-|-|-|-|-|")
    line("defaults", base)
    for technique in args.techniques.split(","):
        change = ["--enable" if technique in OFF else "--disable", technique]
        line(("with " if technique in OFF else "without ") + technique, run(args, change))


main()
