# Rounds under way when the power is cut; the state is on the disk that stays.
. /data/lib.sh

mkdir -p /etc/cpufence
parent batch "cpuset cpu memory"
printf '[[containers]]\nmatch = "batch/*"\nkind = "static"\n' >/etc/cpufence/config.toml
for id in a b c; do
    make_dir batch/$id
    quota batch/$id 1000
    start batch/$id partly 50
done
round=0
while :; do
    round=$((round + 1))
    if [ $((round % 3)) = 0 ]; then remove batch/c; fi
    if [ $((round % 3)) = 1 ] && [ ! -d $top/batch/c ]; then
        make_dir batch/c
        quota batch/c 1000
        start batch/c partly 50
    fi
    expect 0 --state /state/cpufence apply
    [ $failures = 0 ] || finish
    echo "round $round"
done
