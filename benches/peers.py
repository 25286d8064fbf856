#!/usr/bin/env python3
"""Runs HiGHS and CBC over a folder of instances, for the table of `branchcut bench`.

    nice -n 19 benches/peers.py DIR --out peers.csv [--solvers highs,cbc]
        [--time-limit 20] [--cpu] [--gap 1e-6] [--only NAME,..] [--simplex]

DIR holds `reference.csv` and NAME.mps.gz. The output has the columns of
`peers.csv` beside the instances: instance, solver, version, status, objective,
bound, nodes, cpu_s, wall_s, limit_s, and peak_mib after them. A test tool: it
needs Python 3, the wheel `highspy` and the program `cbc` (package coinor-cbc);
no part of branchcut does.

Method: one thread, each solve in a process of its own, all other options
default. cpu_s is user + system time of reading and solving (interpreter
start-up is not counted; CBC's whole process is), peak_mib the largest resident
set of the process. CBC minimises, and reads a right-hand side on the objective
and an integer column without bounds in its own way, so it gets the model as
HiGHS read it, written out again with all bounds explicit, a maximisation
negated and its values negated back. On a busy machine `--cpu` limits CPU time:
CBC does so itself, HiGHS gets thrice the limit of wall time and has not solved
what took more CPU time than the limit. A finished row is not run again: an
interrupted run goes on where it was. `--simplex` (linear programs, HiGHS alone)
turns HiGHS's presolve off and asks for its simplex method.
"""
import argparse, csv, os, re, resource, subprocess, sys, tempfile, time

FIELDS = ["instance", "solver", "version", "status", "objective", "bound", "nodes",
          "cpu_s", "wall_s", "limit_s", "peak_mib"]


def cpu(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def run_highs(path, limit, gap, on_cpu, simplex):
    """In this process, which is a child of its own."""
    import highspy
    highs = highspy.Highs()
    highs.silent()
    for name, value in [("threads", 1), ("parallel", "off"), ("time_limit", 3 * limit if on_cpu else limit), ("mip_rel_gap", gap)]:
        highs.setOptionValue(name, value)
    if simplex:
        highs.setOptionValue("presolve", "off")
        highs.setOptionValue("solver", "simplex")
    cpu_before, wall = cpu(resource.RUSAGE_SELF)[0], time.monotonic()
    highs.readModel(path)
    highs.run()
    wall = time.monotonic() - wall
    cpu_after, peak = cpu(resource.RUSAGE_SELF)
    info, model = highs.getInfo(), highs.modelStatusToString(highs.getModelStatus())
    status = {"Optimal": "optimal", "Infeasible": "infeasible", "Unbounded": "unbounded",
              "Primal infeasible or unbounded": "infeasible_or_unbounded",
              "Time limit reached": "time_limit"}.get(model, model.replace(" ", "_").lower())
    if on_cpu and cpu_after - cpu_before > limit:
        status = "time_limit"
    finite = lambda v: "" if abs(v) > 1e29 else repr(v)
    has_point = info.primal_solution_status == 2
    is_mip = info.mip_node_count >= 0
    print(",".join(["HIGHS", highs.version(), status,
                    finite(info.objective_function_value) if has_point else "",
                    finite(info.mip_dual_bound if is_mip else info.objective_function_value),
                    str(max(info.mip_node_count, 0)),
                    f"{cpu_after - cpu_before:.4f}", f"{wall:.4f}", f"{peak:.1f}"]))


def write_plain(path, out):
    """The model as HiGHS reads it, minimised, everything explicit; whether it was negated."""
    import highspy
    highs = highspy.Highs()
    highs.silent()
    highs.readModel(path)
    negated = highs.getObjectiveSense()[1] == highspy.ObjSense.kMaximize
    lp = highs.getLp()
    if negated:
        lp.sense_ = highspy.ObjSense.kMinimize
        lp.col_cost_ = [-c for c in lp.col_cost_]
        lp.offset_ = -lp.offset_
    # CBC's reader and the constant of the objective do not get on: it is added here.
    offset, lp.offset_ = lp.offset_, 0.0
    highs.passModel(lp)
    highs.writeModel(out)
    return negated, offset


def run_cbc(path, limit, gap, on_cpu):
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "model.mps")
        negated, offset = write_plain(path, model)
        before, wall = cpu(resource.RUSAGE_CHILDREN)[0], time.monotonic()
        command = ["cbc", model, "-sec", str(limit), "-timeMode", "cpu" if on_cpu else "elapsed", "-ratioGap", str(gap),
                   "-allowableGap", "0", "-threads", "0", "-solve", "-quit"]
        try:
            text = subprocess.run(command, capture_output=True, text=True, timeout=4 * limit + 60).stdout
        except subprocess.TimeoutExpired as error:
            text = (error.stdout or b"").decode(errors="replace")
        wall = time.monotonic() - wall
        after, peak = cpu(resource.RUSAGE_CHILDREN)

    def number(pattern):
        found = re.findall(pattern + r"\s*:?\s*([-+0-9.eE]+)", text)
        return float(found[-1]) if found else None

    version = re.search(r"Version:\s*(\S+)", text)
    if "Result - Optimal solution found" in text and "(within gap" not in text:
        status = "optimal"
    elif "Result - Optimal" in text:
        status = "optimal"
    elif "Result - Stopped on time" in text:
        status = "time_limit"
    elif re.search(r"infeasible", text):
        status = "infeasible"
    elif re.search(r"unbounded", text):
        status = "unbounded"
    elif re.search(r"Optimal objective", text):
        status = "optimal"
    else:
        status = "time_limit"
    objective = number("Objective value:")
    if objective is None:
        objective = number("Optimal objective")
    bound = number("Lower bound:")
    if status == "optimal" and bound is None:
        bound = objective
    flip = lambda v: "" if v is None or abs(v) > 1e29 else repr((-1 if negated else 1) * (v + offset))
    nodes = number("Enumerated nodes:")
    print(",".join(["CBC", version.group(1) if version else "", status, flip(objective), flip(bound),
                    str(int(nodes or 0)), f"{after - before:.4f}", f"{wall:.4f}", f"{peak:.1f}"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir")
    parser.add_argument("--out", required=False)
    parser.add_argument("--solvers", default="highs,cbc")
    parser.add_argument("--time-limit", type=float, default=20)
    parser.add_argument("--cpu", action="store_true", help="limit CPU time in place of wall time")
    parser.add_argument("--gap", type=float, default=1e-6)
    parser.add_argument("--only", default="")
    parser.add_argument("--simplex", action="store_true", help="HiGHS's simplex method without presolve")
    parser.add_argument("--child", choices=["highs", "cbc"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        if args.child == "highs":
            run_highs(args.dir, args.time_limit, args.gap, args.cpu, args.simplex)
        else:
            run_cbc(args.dir, args.time_limit, args.gap, args.cpu)
        return
    names = [row["instance"] for row in csv.DictReader(open(os.path.join(args.dir, "reference.csv")))]
    if args.only:
        names = [name for name in names if name in args.only.split(",")]
    done = set()
    if os.path.exists(args.out):
        done = {(row["instance"], row["solver"]) for row in csv.DictReader(open(args.out))}
    else:
        with open(args.out, "w") as out:
            out.write(",".join(FIELDS) + "\n")
    for name in names:
        for solver in args.solvers.split(","):
            if (name, solver) in done:
                continue
            path = os.path.join(args.dir, f"{name}.mps.gz")
            child = subprocess.run([sys.executable, __file__, path, "--child", solver,
                                    "--time-limit", str(args.time_limit), "--gap", str(args.gap)]
                                   + (["--cpu"] if args.cpu else []) + (["--simplex"] if args.simplex else []),
                                   capture_output=True, text=True)
            line = child.stdout.strip().splitlines()[-1:] or [""]
            parts = line[0].split(",")
            if len(parts) != 9:
                print(f"{name} {solver}: no answer: {child.stderr.strip()[-300:]}", file=sys.stderr)
                continue
            _, version, status, objective, bound, nodes, cpu_s, wall_s, peak = parts
            with open(args.out, "a") as out:
                out.write(",".join([name, solver, version, status, objective, bound, nodes, cpu_s, wall_s,
                                    f"{args.time_limit:g}", peak]) + "\n")
            print(f"{name} {solver} {status} {objective} {cpu_s}")
            sys.stdout.flush()


main()
