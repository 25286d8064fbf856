# Containers with quotas are fenced by a proved plan, followed through an add
# and a remove, and restored. 4 threads or more.
. /data/lib.sh

mkdir -p /etc/cpufence
parent batch "cpuset cpu memory"
parent other "cpuset cpu memory"
# id:request. `nest` holds its processes in two children; the second may use
# the lower half of the host. A narrower child is mapped by rank: CPU i of 16
# becomes CPU floor(3 i / 16) of nest's 3, so 0-7 leave the first 2; CPU i of 4
# becomes floor(2 i / 4) of 2, so 0-1 leave the first.
half=0-$((threads / 2 - 1))
if [ "$threads" -ge 16 ]; then
    first="batch/a:4 batch/b:3 batch/nest:3 batch/d:4"
    third=batch/e:5
    narrowed=2
else
    first="batch/a:1 batch/nest:2"
    third=batch/e:1
    narrowed=1
fi
cat >/etc/cpufence/config.toml <<END
[solve]
budget = "20s"

[[containers]]
match = "batch/d"
cpus = 4

[[containers]]
match = "batch/*"
kind = "static"
END

for pair in $first; do
    id=${pair%:*}
    case $id in
    */nest)
        parent "$id" cpuset
        make_dir "$id/inner"
        make_dir "$id/narrow"
        echo $half >"$top/$id/narrow/cpuset.cpus"
        start "$id/inner" partly 30
        hold "$id/inner"
        start "$id/narrow" sleep 100000
        ;;
    *)
        make_dir "$id"
        start "$id" partly 60
        hold "$id"
        ;;
    esac
    # b asks for 2.5 CPUs, which is three threads; d's request is configured.
    case $id in
    */b) quota "$id" 2500 ;;
    */d) ;;
    *) quota "$id" "${pair##*:}000" ;;
    esac
done
make_dir other/x
echo 1 >"$top/other/x/cpuset.cpus"
start other/x sleep 100000

# What must be there again in the end: "directory list", the written value.
before() { for dir in $(find "$top/batch" "$top/other" -mindepth 1 -type d | sort); do echo "${dir#"$top"/} $(cat "$dir/cpuset.cpus")"; done; }
before >/tmp/before
all=$(effective_of batch)

# The nested directories of nest follow it.
check_nest() {
    whole=$(effective_of batch/nest)
    same "$(effective_of batch/nest/inner)" "$whole" || fail "inner has $(effective_of batch/nest/inner), nest $whole"
    expected=$(expand "$whole" | cut -d' ' -f1-$narrowed | tr ' ' ,)
    same "$(effective_of batch/nest/narrow)" "$expected" ||
        fail "narrow has $(effective_of batch/nest/narrow), expected $expected of $whole"
}

note "plan"
expect 0 plan --json
[ "$(field schema)" = plan/1 ] || fail "schema $(field schema)"
[ "$(field status)" = optimal ] || fail "status $(field status), expected optimal"
sets_of cpuset >/tmp/planned
[ "$(wc -l </tmp/planned)" = "$(echo $first | wc -w)" ] || fail "planned: $(cat /tmp/planned)"
before | cmp -s - /tmp/before || fail "plan changed a cpuset"
expect 0 apply --dry-run
before | cmp -s - /tmp/before || fail "apply --dry-run changed a cpuset"

note "apply"
expect 0 apply
[ ! -s /tmp/out ] || fail "apply printed: $(cat /tmp/out)"
check_fences $first
while read -r id list; do
    same "$list" "$(effective_of "$id")" || fail "$id: planned $list, in force $(effective_of "$id")"
    note "$id $list"
done </tmp/planned
check_nest

note "status"
expect 0 status
expect 0 status --json
[ "$(wc -l </tmp/out)" = 1 ] || fail "status --json is not one line"
grep -qE 'share CPUs|in force is|are offline' /tmp/out && fail "violations: $(cat /tmp/out)"
for pair in $first; do grep -q "\"${pair%:*}\"" /tmp/out || fail "status does not know ${pair%:*}"; done

note "add and remove"
remove batch/a
id=${third%:*}
make_dir "$id"
quota "$id" "${third##*:}000"
start "$id" partly 80
expect 0 apply
check_nest
second="$(echo $first | sed 's/batch\/a:[0-9]* //') $third"
check_fences $second
expect 0 apply
check_fences $second

note "restore"
expect 0 restore
before >/tmp/after
for dir in $(cut -d' ' -f1 /tmp/after); do
    was=$(sed -n "s|^$dir ||p" /tmp/before)
    now=$(sed -n "s|^$dir ||p" /tmp/after)
    [ "$was" = "$now" ] && continue
    # Kernels that cannot empty a populated v2 cpuset get the parent's set, which allows the same.
    if [ "$version" = v2 ] && [ -z "$was" ] && same "$now" "$(effective_of "$dir/..")"; then
        note "$dir: was empty, is the parent's $now"
        continue
    fi
    case $dir in
    "$id") [ "$version" = v1 ] && same "$now" "$all" && continue ;;
    esac
    fail "$dir: was '$was', is '$now'"
done
for pair in $second; do
    same "$(effective_of "${pair%:*}")" "$all" || fail "${pair%:*} may run on $(effective_of "${pair%:*}"), expected $all"
    check_threads "${pair%:*}"
done
check_threads other/x
expect 0 restore
finish
