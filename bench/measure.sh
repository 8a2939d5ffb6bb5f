# measure.sh - what a group of processes costs: time, memory, disk flushes. POSIX sh, sourced.
#
# With a writable cgroup v2 hierarchy every process of the target, however short its life, is in a
# group of its own (measure_wrap) and the kernel adds up. Without one the process tree under the
# target's first process is read; time of children is counted once they were waited for.

CGROUP=

# measure_begin NAME: makes an empty group, if that can be done.
measure_begin() {
    CGROUP=
    measure_mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
    [ -n "$measure_mount" ] || return 0
    measure_dir=$measure_mount/postern-bench-$$-$1
    mkdir "$measure_dir" 2>/dev/null || return 0
    if grep -q usage_usec "$measure_dir/cpu.stat" 2>/dev/null; then
        CGROUP=$measure_dir
    else
        rmdir "$measure_dir"
    fi
}

# measure_wrap: the command to be put in front of the target.
measure_wrap() {
    [ -z "$CGROUP" ] || echo "sh $PWD/bench/join.sh $CGROUP"
}

# measure_end: after the target was stopped.
measure_end() {
    [ -n "$CGROUP" ] || return 0
    measure_tries=50
    while ! rmdir "$CGROUP" 2>/dev/null; do
        measure_tries=$((measure_tries - 1))
        [ $measure_tries -gt 0 ] || break
        sleep 0.1
    done
    CGROUP=
}

# measure_tree PID: it and its descendants.
measure_tree() {
    ps -e -o pid= -o ppid= | awk -v root="$1" '
        { parent[$1] = $2 }
        END {
            for (pid in parent) {
                for (up = pid; up != root && up in parent; up = parent[up]) ;
                if (up == root) print pid
            }
        }'
}

# measure_pids PID: the processes of the target whose first one is PID.
measure_pids() {
    if [ -n "$CGROUP" ]; then cat "$CGROUP/cgroup.procs"; else measure_tree "$1"; fi
}

# measure_cpu_us PID: user and system time so far, in microseconds.
measure_cpu_us() {
    if [ -n "$CGROUP" ]; then
        awk '$1 == "usage_usec" { print $2 }' "$CGROUP/cpu.stat"
        return
    fi
    for measure_pid in $(measure_tree "$1"); do
        sed 's/.*) //' "/proc/$measure_pid/stat" 2>/dev/null
    done | awk -v hz="$(getconf CLK_TCK)" \
        '{ t += $12 + $13 + $14 + $15 } END { printf "%.0f\n", t * 1000000 / hz }'
}

# measure_pss_kb PID
measure_pss_kb() {
    for measure_pid in $(measure_pids "$1"); do
        cat "/proc/$measure_pid/smaps_rollup" 2>/dev/null
    done | awk '$1 == "Pss:" { kb += $2 } END { print kb + 0 }'
}

# measure_sockets_kb: what waits in the buffers of all TCP sockets of the machine, in pages of 4 KiB.
measure_sockets_kb() {
    awk '$1 == "TCP:" { print $NF * 4 }' /proc/net/sockstat
}

# measure_slab_kb: what the kernel itself has allocated; the sockets are in it, both ends.
measure_slab_kb() {
    awk '$1 == "SUnreclaim:" { print $2 }' /proc/meminfo
}

# measure_flushes DIR: flushes that the whole disk under DIR has done; 0 when unknown.
measure_flushes() {
    measure_disk=$(df --output=source "$1" | tail -n 1)
    awk -v disk="${measure_disk##*/}" '$3 == disk { print $19 + 0; found = 1 }
        END { if (!found) print 0 }' /proc/diskstats
}

# measure_busy_us: what all processes of the machine have used, and what was stolen from it.
measure_busy_us() {
    awk -v hz="$(getconf CLK_TCK)" '$1 == "cpu" {
        printf "%.0f\n", ($2 + $3 + $4 + $7 + $8 + $9) * 1000000 / hz }' /proc/stat
}

# measure_hardware: one line.
measure_hardware() {
    printf '%s, %s cores, %s MB, Linux %s, %s, %s on %s, %s\n' \
        "$(awk -F': *' '/^model name/ { print $2; exit }' /proc/cpuinfo)" "$(nproc)" \
        "$(awk '$1 == "MemTotal:" { printf "%d", $2 / 1024 }' /proc/meminfo)" "$(uname -r)" \
        "$(. /etc/os-release && echo "$PRETTY_NAME")" \
        "$(df --output=fstype . | tail -n 1)" "$(df --output=source . | tail -n 1)" \
        "$(openssl version | cut -d' ' -f1,2)"
}
