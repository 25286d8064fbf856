# After the power cut: another boot, other containers behind the same paths.
# What the journal says of the last boot must neither stop a round nor be
# written to this boot's containers.
. /data/lib.sh

mkdir -p /etc/cpufence
parent batch "cpuset cpu memory"
printf '[[containers]]\nmatch = "batch/*"\nkind = "static"\n' >/etc/cpufence/config.toml
for id in a b; do
    make_dir batch/$id
    quota batch/$id 1000
    start batch/$id sleep 100000
done
echo 0-1 >$top/batch/b/cpuset.cpus
all=$(effective_of batch)
ls -l /state/cpufence /state/cpufence/journal

note "restore before the first round of this boot: nothing of it is ours"
expect 0 --state /state/cpufence restore
same "$(effective_of batch/a)" "$all" || fail "a has $(effective_of batch/a)"
same "$(effective_of batch/b)" 0-1 || fail "b has $(effective_of batch/b)"

note "a round, and back"
expect 0 --state /state/cpufence status
expect 0 --state /state/cpufence apply
check_fences batch/a:1 batch/b:1
expect 0 --state /state/cpufence restore
same "$(effective_of batch/a)" "$all" || fail "a has $(effective_of batch/a)"
same "$(effective_of batch/b)" 0-1 || fail "b has $(effective_of batch/b)"
finish
