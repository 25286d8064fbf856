# Shared by the scripts that run inside the VM: busybox sh, root, no other
# tools. Sourced as /data/lib.sh.

failures=0
fail() { echo "FAIL: $*"; failures=$((failures + 1)); }
note() { echo "-- $*"; }
finish() {
    [ "$failures" = 0 ] || { echo "$failures checks failed"; exit 1; }
    echo "all checks passed"
    exit 0
}

# Runs cpufence with the expected exit code $1; its output goes to /tmp/out, /tmp/err.
expect() {
    code=$1
    shift
    rc=0
    cpufence "$@" >/tmp/out 2>/tmp/err || rc=$?
    [ "$rc" = "$code" ] || {
        fail "cpufence $*: exit code $rc, expected $code"
        sed 's/^/     /' /tmp/out /tmp/err
    }
}

if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    version=v2
    top=/sys/fs/cgroup
    effective=cpuset.cpus.effective
else
    version=v1
    top=/sys/fs/cgroup/cpuset
    effective=cpuset.effective_cpus
fi
threads=$(nproc)

# A kernel CPU list as one CPU a word, ascending: "0-2,8" -> "0 1 2 8".
expand() {
    echo "$1" | awk -F, '{
        for (i = 1; i <= NF; i++) {
            n = split($i, ends, "-")
            for (c = ends[1] + 0; c <= ends[n] + 0; c++) if ($i != "") printf "%s%d", (sep++ ? " " : ""), c
        }
        print ""
    }'
}
size() { expand "$1" | wc -w; }
same() { [ "$(expand "$1")" = "$(expand "$2")" ]; }
subset() {
    for cpu in $(expand "$1"); do
        case " $(expand "$2") " in *" $cpu "*) ;; *) return 1 ;; esac
    done
}
effective_of() { cat "$top/$1/$effective"; }

# The directory $1 in every hierarchy, usable: v2 controllers enabled for its
# children by `parent`, v1 sets copied from above.
make_dir() {
    mkdir -p "$top/$1"
    [ "$version" = v1 ] || return 0
    mkdir -p "/sys/fs/cgroup/cpu,cpuacct/$1" "/sys/fs/cgroup/memory/$1"
    for file in cpuset.cpus cpuset.mems; do
        [ -n "$(cat "$top/$1/$file")" ] || cat "$top/$1/../$file" >"$top/$1/$file"
    done
}
parent() {
    make_dir "$1"
    [ "$version" = v2 ] || return 0
    for controller in $2; do echo "+$controller" >"$top/$1/cgroup.subtree_control"; done
}
# CPU quota of $1, in CPUs times 1000.
quota() {
    if [ "$version" = v2 ]; then
        echo "$(($2 * 100)) 100000" >"$top/$1/cpu.max"
    else
        echo 100000 >"/sys/fs/cgroup/cpu,cpuacct/$1/cpu.cfs_period_us"
        echo $(($2 * 100)) >"/sys/fs/cgroup/cpu,cpuacct/$1/cpu.cfs_quota_us"
    fi
}
# Starts "$2..." in the cgroup $1 (every hierarchy).
start() {
    where=$1
    shift
    "$@" &
    join "$where" $!
}
join() {
    if [ "$version" = v2 ]; then
        echo "$2" >"$top/$1/cgroup.procs"
    else
        for hierarchy in cpuset cpu,cpuacct memory; do echo "$2" >"/sys/fs/cgroup/$hierarchy/$1/cgroup.procs"; done
    fi
}
# Starts a process in the cgroup $1 that holds 1 MiB. Small shells have so little that every
# fork can change the node that most of a container's memory is on, and with it the plan.
hold() {
    start "$1" holder "$1"
    until [ -e /tmp/held ]; do usleep 10000; done
    rm /tmp/held
}
holder() {
    until grep -qE "^0::/$1\$|memory:/$1\$" /proc/self/cgroup; do usleep 10000; done
    held=$(head -c 1048576 /dev/zero | tr '\0' x)
    : >/tmp/held
    while :; do sleep 100000; done
}
busy() { while :; do :; done; }
# About $1 percent of one CPU.
partly() {
    while :; do
        i=0
        while [ $i -lt $(($1 * 40)) ]; do i=$((i + 1)); done
        usleep $(((100 - $1) * 200))
    done
}
# Ends and removes the container $1, children first.
remove() {
    for dir in $(find "$top/$1" -type d | sort -r); do
        for pid in $(cat "$dir/cgroup.procs"); do kill -9 "$pid" 2>/dev/null; done
    done
    for hierarchy in "$top" "/sys/fs/cgroup/cpu,cpuacct" /sys/fs/cgroup/memory; do
        [ -d "$hierarchy/$1" ] || continue
        for dir in $(find "$hierarchy/$1" -type d | sort -r); do
            tries=0
            until rmdir "$dir" 2>/dev/null || [ $tries -gt 100 ]; do tries=$((tries + 1)); usleep 50000; done
        done
    done
    [ ! -d "$top/$1" ] || fail "cannot remove $1"
}

# "id list" lines of the object $1 (values are strings) of the JSON in /tmp/out.
sets_of() {
    sed -n 's/.*"'"$1"'":{\([^}]*\)}.*/\1/p' /tmp/out | grep -o '"[^"]*":"[^"]*"' |
        sed 's/^"\([^"]*\)":"\([^"]*\)"$/\1 \2/'
}
# The string or number $1 of the JSON in /tmp/out.
field() { sed -n 's/.*"'"$1"'":"\{0,1\}\([^",}]*\).*/\1/p' /tmp/out; }

# Every thread below $1 runs exactly on the effective set of its own directory.
check_threads() {
    seen=0
    for dir in $(find "$top/$1" -type d); do
        set_=$(cat "$dir/$effective")
        for pid in $(cat "$dir/cgroup.procs"); do
            for status in /proc/"$pid"/task/*/status; do
                allowed=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "$status" 2>/dev/null)
                [ -n "$allowed" ] || continue
                seen=$((seen + 1))
                same "$allowed" "$set_" || fail "$status: thread runs on $allowed, $dir has $set_"
            done
        done
    done
    [ $seen -gt 0 ] || fail "no thread seen in $1"
}
# Each of "$@" (id:size) has that many CPUs, none of them in another's set.
check_fences() {
    taken=" "
    for pair in "$@"; do
        id=${pair%:*}
        list=$(effective_of "$id")
        [ "$(size "$list")" = "${pair##*:}" ] || fail "$id has $list, expected ${pair##*:} CPUs"
        for cpu in $(expand "$list"); do
            case "$taken" in *" $cpu "*) fail "CPU $cpu of $id belongs to another container too" ;; esac
            taken="$taken$cpu "
        done
        check_threads "$id"
    done
}
# A file for the runner to save (its --record directory), from stdin.
emit() {
    echo "-----FILE $1-----"
    gzip -c | base64
    echo "-----END FILE-----"
}
