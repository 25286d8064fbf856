#!/usr/bin/env python3
"""Checks cpufence's placement MIP with HiGHS: export, solve, import, compare.

    benches/exchange_highs.py CPUFENCE DIR [--only t16,x64] [--model aggregated,naive] [--time-limit 30]

DIR holds `instances/*.json` and `references.json` (schema placement/1, best known costs). For each instance whose name
begins with one of --only, and each model: `plan --export`, HiGHS on one thread with a relative gap of 0, `plan
--import-solution`. Printed are the reference, HiGHS's objective, bound and seconds, the cost that cpufence gives the
imported solution, and cpufence's own plan. Exits with 1 if a cost is below a proved optimum, a bound above the best known
cost, an optimum of HiGHS not the reference's, or a cost above HiGHS's objective. A test tool: it needs Python 3 and
the wheel `highspy`; no part of cpufence does.
"""
import argparse, json, pathlib, subprocess, sys, tempfile, time


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def main():
    import highspy
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cpufence")
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--only", default="t16")
    parser.add_argument("--model", default="aggregated,naive")
    parser.add_argument("--time-limit", type=float, default=30)
    args = parser.parse_args()
    references = json.loads((args.dir / "references.json").read_text())
    wrong = 0
    print(f"{'instance':<28}{'model':<12}{'reference':>10}{'HiGHS':>10}{'bound':>10}{'s':>7}{'imported':>10}{'ours':>10}  status")
    with tempfile.TemporaryDirectory() as scratch:
        model_file, solution_file = scratch + "/m.mps", scratch + "/m.sol"
        for path in sorted((args.dir / "instances").glob("*.json")):
            name, reference = path.stem, references[path.stem]
            if not name.startswith(tuple(args.only.split(","))):
                continue
            for model in args.model.split(","):
                plan = [args.cpufence, "plan", "--host", str(path), "--json", "--model", model]
                run(*plan, "--export", model_file)
                highs = highspy.Highs()
                highs.silent()
                for option, value in [("threads", 1), ("parallel", "off"), ("time_limit", args.time_limit),
                                      ("mip_rel_gap", 0.0), ("mip_abs_gap", 0.5)]:
                    highs.setOptionValue(option, value)
                highs.readModel(model_file)
                start = time.monotonic()
                highs.run()
                seconds = time.monotonic() - start
                info, status = highs.getInfo(), highs.modelStatusToString(highs.getModelStatus())
                best, proved = reference["best_known"], reference["proved"]
                bound, cost, ours, objective = info.mip_dual_bound, "", "", ""
                faults = []
                if bound > best + 0.5:
                    faults.append("bound above the best known")
                if info.primal_solution_status == 2:
                    highs.writeSolution(solution_file, 0)
                    judged = run(*plan, "--import-solution", solution_file)
                    cost, ours, objective = judged["cost"], judged["ours"]["cost"], info.objective_function_value
                    if proved and cost < best:
                        faults.append("below a proved optimum")
                    if cost > objective + 0.5:
                        faults.append("costs more than HiGHS says")
                    if status == "Optimal" and proved and (cost != best or abs(objective - best) > 0.5):
                        faults.append("not the optimum")
                    objective = f"{objective:.0f}"
                wrong += len(faults)
                print(f"{name:<28}{model:<12}{best:>10}{objective:>10}{bound:>10.0f}{seconds:>7.2f}{cost:>10}{ours:>10}  "
                      + "; ".join([status, *faults]), flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
