# A fenced CPU goes offline and comes back: fences follow, nothing offline is
# ever named, and restore brings back what was there. 4 threads.
. /data/lib.sh

mkdir -p /etc/cpufence
parent batch "cpuset cpu memory"
printf '[solve]\nbudget = "20s"\n[[containers]]\nmatch = "batch/*"\nkind = "static"\n' >/etc/cpufence/config.toml
for pair in a:2 b:1; do
    make_dir batch/${pair%:*}
    quota batch/${pair%:*} ${pair##*:}000
    start batch/${pair%:*} partly 50
done
before_a=$(cat $top/batch/a/cpuset.cpus)
expect 0 apply
check_fences batch/a:2 batch/b:1

# The last CPU of a: never CPU 0, which cannot go offline.
gone=$(expand "$(effective_of batch/a)" | sed 's/.* //')
note "CPU $gone goes offline"
echo 0 >/sys/devices/system/cpu/cpu$gone/online
# v1: the kernel takes it out of every list, of the parent's too, for good.
usleep 500000
expect 0 apply
check_fences batch/a:2 batch/b:1
expect 0 topology --json
grep -q '"threads":3' /tmp/out || fail "topology: $(cat /tmp/out)"

note "CPU $gone comes back"
echo 1 >/sys/devices/system/cpu/cpu$gone/online
usleep 500000
# On v1 the parent is the administrator's to widen again.
[ $version = v2 ] || cat $top/cpuset.cpus >$top/batch/cpuset.cpus
expect 0 apply
check_fences batch/a:2 batch/b:1

note "restore"
expect 0 restore
for id in batch/a batch/b; do
    same "$(effective_of $id)" 0-3 || fail "$id may run on $(effective_of $id), expected 0-3"
    check_threads $id
done
[ $version = v2 ] || same "$(cat $top/batch/a/cpuset.cpus)" "$before_a" || fail "a: $(cat $top/batch/a/cpuset.cpus), was $before_a"
finish
