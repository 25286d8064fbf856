# More threads are requested than there are: every container still gets as many
# as it asks for, as few as possible share theirs, and once the host fits again
# nobody does. 4 threads.
. /data/lib.sh

mkdir -p /etc/cpufence
parent batch "cpuset cpu memory"
printf '[solve]\nbudget = "20s"\n[[containers]]\nmatch = "batch/*"\nkind = "static"\n' >/etc/cpufence/config.toml
# 6 threads on 4. The first round predicts each to use its request, so the
# smallest ids give way; a alone would leave 0 threads to share, a and b leave 2.
for id in a b c; do
    make_dir batch/$id
    quota batch/$id 2000
    start batch/$id partly 50
done

note "plan"
expect 0 plan --json
[ "$(field status)" = fallback ] || fail "status $(field status), expected fallback"
grep -q 'batch/a' /tmp/out || fail "plan does not name who shares: $(cat /tmp/out)"

note "apply"
expect 0 apply
check_fences batch/c:2
for id in a b; do
    list=$(effective_of batch/$id)
    [ "$(size "$list")" = 2 ] || fail "$id has $list, expected 2 CPUs"
    for cpu in $(expand "$list"); do
        subset "$cpu" "$(effective_of batch/c)" && fail "CPU $cpu of $id belongs to c too"
    done
    check_threads batch/$id
done
same "$(effective_of batch/a)" "$(effective_of batch/b)" || fail "a and b do not share the two threads that c leaves"
expect 0 status --json
grep -q '"left_alone":"' /tmp/out && fail "somebody is left alone: $(cat /tmp/out)"

note "one ends: the others no longer share"
remove batch/a
expect 0 apply
check_fences batch/b:2 batch/c:2

note "restore"
expect 0 restore
for id in b c; do
    same "$(effective_of batch/$id)" 0-3 || fail "$id may run on $(effective_of batch/$id), expected 0-3"
    check_threads batch/$id
done
finish
