# Rules on a real kernel with two nodes: a pin, containers apart by node and by
# core, whole cores; a contradiction. 16 threads.
. /data/lib.sh

mkdir -p /etc/cpufence
parent batch "cpuset cpu memory"
cat >/etc/cpufence/config.toml <<END
[solve]
budget = "20s"

[[containers]]
match = "batch/*"
kind = "static"

[[constraints]]
kind = "numa_pin"
containers = "batch/pinned"
node = 1

[[constraints]]
kind = "anti_affinity"
containers = "batch/a*"
level = "numa"

[[constraints]]
kind = "anti_affinity"
containers = "batch/pinned"
others = "batch/a*"
level = "core"

[[constraints]]
kind = "whole_cores"
containers = "batch/whole"
END
for pair in pinned:3 a1:2 a2:2 whole:2; do
    id=batch/${pair%:*}
    make_dir "$id"
    start "$id" partly 40
    quota "$id" "${pair##*:}000"
done

sysfs=/sys/devices/system
# The nodes (cores) that the container $1 has CPUs of, each once.
nodes_of() { for c in $(expand "$(effective_of "batch/$1")"); do basename "$(ls -d $sysfs/cpu/cpu"$c"/node*)"; done | sort -u; }
cores_of() { for c in $(expand "$(effective_of "batch/$1")"); do cat "$sysfs/cpu/cpu$c/topology/thread_siblings_list"; done | sort -u; }
# No line of $1 is one of $2; neither is empty.
disjoint() {
    [ -n "$1" ] && [ -n "$2" ] || return 1
    for line in $1; do
        if echo "$2" | grep -qx "$line"; then return 1; fi
    done
}

check_rules() {
    check_fences batch/pinned:3 batch/a1:2 batch/a2:2 batch/whole:2
    [ "$(nodes_of pinned)" = node1 ] || fail "pinned is on $(nodes_of pinned)"
    disjoint "$(nodes_of a1)" "$(nodes_of a2)" || fail "a1 is on $(nodes_of a1), a2 on $(nodes_of a2)"
    for other in a1 a2; do
        disjoint "$(cores_of pinned)" "$(cores_of $other)" ||
            fail "pinned is on cores $(cores_of pinned), $other on $(cores_of $other)"
    done
    same "$(cores_of whole)" "$(effective_of batch/whole)" || fail "whole has $(effective_of batch/whole) of cores $(cores_of whole)"
}

note "apply, twice"
[ "$(ls -d $sysfs/node/node[0-9]* | wc -l)" = 2 ] || fail "not two nodes"
for round in 1 2; do
    expect 0 apply --json
    [ "$(field status)" = optimal ] || fail "status $(field status), expected optimal"
    check_rules
done

note "a contradiction is named, the rest holds"
cat >>/etc/cpufence/config.toml <<END

[[constraints]]
kind = "numa_pin"
containers = "batch/a*"
node = 0
priority = -1
END
expect 5 apply --json
[ "$(field status)" = relaxed ] || fail "status $(field status), expected relaxed"
check_rules

note "restore"
expect 0 restore
for id in pinned a1 a2 whole; do
    same "$(effective_of batch/$id)" 0-15 || fail "$id may run on $(effective_of batch/$id), expected 0-15"
done
finish
