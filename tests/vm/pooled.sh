# Containers without a request share a pool beside one that has a fence of its
# own, and use every free thread. 4 threads.
. /data/lib.sh

mkdir -p /etc/cpufence
parent batch "cpuset cpu memory"
printf '[solve]\nbudget = "20s"\n[[containers]]\nmatch = "batch/*"\n' >/etc/cpufence/config.toml
for id in p q s; do
    make_dir batch/$id
    start batch/$id partly 30
done
quota batch/s 2000

note "plan"
expect 0 plan --json
[ "$(field status)" = optimal ] || fail "status $(field status), expected optimal"
grep -q '"@pool":\[' /tmp/out || fail "no pool: $(cat /tmp/out)"

note "apply"
# Twice: the second round predicts from a sample. Base and free threads are 2 in all.
for round in 1 2; do
    expect 0 apply
    check_fences batch/s:2 batch/p:2
    same "$(effective_of batch/p)" "$(effective_of batch/q)" || fail "p has $(effective_of batch/p), q $(effective_of batch/q)"
    check_threads batch/q
done

expect 0 status
[ "$(grep -c '^batch/.* fenced$' /tmp/out)" = 3 ] || fail "status: $(cat /tmp/out)"
grep -q 'not fenced' /tmp/out && fail "status: $(cat /tmp/out)"

note "the fence is gone: the pool may use the whole host"
remove batch/s
expect 0 apply
for id in p q; do
    same "$(effective_of batch/$id)" 0-3 || fail "$id may run on $(effective_of batch/$id), expected 0-3"
done

note "restore"
expect 0 restore
for id in p q; do
    same "$(effective_of batch/$id)" 0-3 || fail "$id may run on $(effective_of batch/$id), expected 0-3"
    check_threads batch/$id
done
finish
