# The only CPU of a container goes offline. v2: it runs on its parent's set
# until the next round fences it again. v1: the kernel empties its list and
# moves its processes to the parent for good; a round gives the directory CPUs
# again, moves nothing, and names the processes. 4 threads.
. /data/lib.sh

mkdir -p /etc/cpufence
parent batch "cpuset cpu memory"
printf '[solve]\nbudget = "20s"\n[[containers]]\nmatch = "batch/*"\nkind = "static"\n' >/etc/cpufence/config.toml
for id in a b; do
    make_dir batch/$id
    quota batch/$id 1000
    start batch/$id sleep 100000
done
expect 0 apply
check_fences batch/a:1 batch/b:1
# CPU 0 cannot go offline.
victim=batch/b other=batch/a
[ "$(expand "$(effective_of batch/b)")" != 0 ] || { victim=batch/a other=batch/b; }
gone=$(effective_of $victim)
process=$(cat $top/$victim/cgroup.procs)

note "CPU $gone, the only one of $victim, goes offline"
echo 0 >/sys/devices/system/cpu/cpu$gone/online
tries=0
while [ "$version" = v1 ] && [ -n "$(cat $top/$victim/cgroup.procs)" ] && [ $tries -lt 50 ]; do
    tries=$((tries + 1))
    usleep 100000
done
cat $top/$victim/cpuset.cpus $top/$victim/cgroup.procs
expect 0 apply
cat /tmp/err
if [ "$version" = v2 ]; then
    check_fences $victim:1 $other:1
else
    [ "$(cat $top/$victim/cgroup.procs)" = "" ] || fail "the processes of $victim: $(cat $top/$victim/cgroup.procs), expected none"
    [ "$(size "$(effective_of $victim)")" = 1 ] || fail "$victim has $(effective_of $victim), expected one CPU"
    check_fences $other:1
    grep -q "$process are there" /tmp/err || fail "apply does not name process $process, which the kernel moved: $(cat /tmp/err)"
    # The operator moves it back.
    join $victim "$process"
    check_fences $victim:1 $other:1
    expect 0 apply
    [ ! -s /tmp/err ] || fail "apply says again: $(cat /tmp/err)"
    check_fences $victim:1 $other:1
fi
expect 0 status
cat /tmp/out /tmp/err

note "restore"
echo 1 >/sys/devices/system/cpu/cpu$gone/online
usleep 500000
[ $version = v2 ] || cat $top/cpuset.cpus >$top/batch/cpuset.cpus
expect 0 restore
for id in batch/a batch/b; do
    same "$(effective_of $id)" 0-3 || fail "$id may run on $(effective_of $id), expected 0-3"
done
finish
