# Drives rounds with real containers that come, go and change their load, and
# hands the journal out as the replay fixture. Wants 16 threads.
. /data/lib.sh

rounds=${ROUNDS:-210}
mkdir -p /etc/cpufence
parent batch "cpuset cpu memory"
parent pool "cpuset cpu memory"
cat >/etc/cpufence/config.toml <<END
[solve]
budget = "5s"

[[containers]]
match = "batch/*"
kind = "static"

# Without a quota, hence pooled.
[[containers]]
match = "pool/*"
END

# A small linear congruential generator: the same story in every recording.
seed=20260101
draw() { seed=$(((seed * 1103515245 + 12345) % 2147483648)); drawn=$((seed / 65536 % $1)); }

live=""
next=0
used=0
adds=0 removes=0 rests=0
round=0
while [ $round -lt $rounds ]; do
    round=$((round + 1))
    draw 100
    dice=$drawn
    draw 5
    cpus=$((drawn + 1))
    held=$(echo $live | wc -w)
    # Over-full now and then: up to two threads more than the host has.
    room=16
    [ $dice -lt 37 ] || room=18
    if [ $dice -lt 6 ]; then
        id=pool/job-$next
        next=$((next + 1))
        make_dir $id
        start $id partly 20
        cpus=0
        live="$live $id:0"
        adds=$((adds + 1))
    elif [ $dice -lt 40 ] && [ $((used + cpus)) -le $room ]; then
        id=batch/job-$next
        next=$((next + 1))
        where=$id
        if [ $((next % 4)) = 0 ]; then
            parent $id cpuset
            where=$id/inner
            make_dir $where
        else
            make_dir $id
        fi
        quota $id ${cpus}000
        draw 90
        start $where partly $((drawn + 5))
        [ $cpus -lt 3 ] || start $where partly 50
        live="$live $id:$cpus"
        used=$((used + cpus))
        adds=$((adds + 1))
    elif [ $dice -lt 65 ] && [ "$held" -gt 2 ]; then
        draw "$held"
        victim=$(echo $live | cut -d' ' -f$((drawn + 1)))
        remove "${victim%:*}"
        live=$(echo " $live " | sed "s# $victim # #")
        used=$((used - ${victim##*:}))
        removes=$((removes + 1))
    else
        rests=$((rests + 1))
        usleep 300000
    fi
    expect 0 apply
    [ $failures -lt 5 ] || finish
done
note "$adds adds, $removes removes, $rests rounds without either"
# Pooled ones share; the others do not while they fit.
fenced=$(echo "$live" | tr ' ' '\n' | grep '^batch/')
[ $used -gt 15 ] || check_fences $fenced

expect 0 status
cat /tmp/out
ls -lR /var/lib/cpufence
for segment in /var/lib/cpufence/journal/*.seg; do emit "${segment##*/}" <"$segment"; done
finish
