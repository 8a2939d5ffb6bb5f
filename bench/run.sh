#!/bin/sh
# run.sh - measures mail relays side by side: the same load, the same sink, turn by turn.
#
#     bench/run.sh --targets postfix,postern             all scenarios, 3 rounds: 12 minutes
#     bench/run.sh --targets postfix,postern --quick     one round, half the messages: 3 minutes
#     bench/run.sh --targets postern --scenarios tls-10k-1,latency --rounds 5
#     bench/run.sh --targets postern --scenarios tls-10k-20 --profile
#
# A scenario is tls|plain (in and out) - size (10k, 1m) - messages a connection (1, 20), or
# `latency`, `idle` or `backlog`; any other NAME calls a function run_NAME TARGET, see README.md.
# Root, from anywhere in the tree; needs jq. Writes build/bench/NAME.json, a table on stdout.
#
#   BENCH_TOOLS   folder of the tools and of posternd (build/release-gcc); made if need be
#   BENCH_IDLE    idle connections at most (10000)   BENCH_SESSIONS  parallel sessions (20)
#   BENCH_SCALE   percent of the usual number of messages (100)
#   BENCH_RETRIES how often a run is repeated that was disturbed by other programs (1)
#   BENCH_BACKLOG lengths of queues, for `backlog` (1000,1000000)
# shellcheck source-path=SCRIPTDIR/..
set -u
cd "$(dirname "$0")/.." || exit 2

TARGETS=postfix
SCENARIOS="tls-10k-1 tls-10k-20 tls-1m-1 tls-1m-20 plain-10k-1 plain-10k-20 plain-1m-20 \
latency idle backlog"
ROUNDS=3 PROFILE=
: "${BENCH_TOOLS:=$PWD/build/release-gcc}"
: "${BENCH_IDLE:=10000}" "${BENCH_SESSIONS:=20}" "${BENCH_SCALE:=100}" "${BENCH_RETRIES:=1}"
: "${BENCH_BACKLOG:=1000,1000000}"
PORT=4725 NEXT_PORT=4726
RUN_SECONDS=50    # from its start a run has so long, whatever is missing then
RETRY_SECONDS=420 # so long after the beginning nothing is repeated any more

usage() {
    sed -n '4,17p' "$0" >&2
    exit 2
}

# words A,B,C or "A B C"
words() {
    echo "$1" | tr ',' ' '
}

while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || case $1 in --quick | --profile) ;; *) usage ;; esac
    case $1 in
    -t | --targets) TARGETS=$(words "$2") && shift ;;
    -s | --scenarios) SCENARIOS=$(words "$2") && shift ;;
    -r | --rounds) ROUNDS=$2 && shift ;;
    --quick) ROUNDS=1 BENCH_SCALE=$((BENCH_SCALE / 2)) BENCH_RETRIES=0 ;;
    --profile) PROFILE=1 ROUNDS=1 BENCH_RETRIES=0 BENCH_SCALE=$((BENCH_SCALE * 4)) ;;
    *) usage ;;
    esac
    shift
done

. bench/targets.sh
. bench/measure.sh
. bench/report.sh

WORK=$PWD/build/bench/work
RESULTS=$WORK/runs.jsonl
SINK_PID='' TARGET='' TARGET_PID='' LOAD_PID='' IDLE_PID='' PERF_PID=''
QUEUE_REST=0 # what the target's queue holds when all of ours has left it

# --- one target and one sink

sink_start() {
    set -- "--$1"
    [ "$1" = --plain ] || set -- --tls --cert "$BENCH_CERT" --key "$BENCH_KEY"
    "$BENCH_TOOLS/bench-sink" --listen 127.0.0.1:$NEXT_PORT --log "$WORK/arrived" "$@" \
        >"$WORK/sink" 2>&1 &
    SINK_PID=$!
    peers_wait_port 127.0.0.1 $NEXT_PORT 5 "$WORK/sink"
}

# sink_count FIELD: asks the sink and waits for its answer.
sink_count() {
    sink_lines=$(wc -l <"$WORK/sink")
    kill -USR1 "$SINK_PID"
    sink_tries=100
    while [ "$(wc -l <"$WORK/sink")" -eq "$sink_lines" ] && [ $sink_tries -gt 0 ]; do
        sink_tries=$((sink_tries - 1))
        sleep 0.01
    done
    tail -n 1 "$WORK/sink" | jq ".$1"
}

# sink_wait COUNT SECONDS: until so many messages have arrived.
sink_wait() {
    sink_end=$(($(date +%s) + $2))
    while [ "$(sink_count messages)" -lt "$1" ]; do
        [ "$(date +%s)" -lt "$sink_end" ] || return 1
        sleep 0.1
    done
}

# both_start TARGET tls|plain IDLE: a fresh target and a fresh sink.
both_start() {
    TARGET=$1
    for both_port in $PORT $NEXT_PORT; do
        if peers_listens 127.0.0.1 "$both_port"; then
            peers_say "somebody else listens on port $both_port"
            return 1
        fi
    done
    rm -rf "${WORK:?}/$TARGET"
    mkdir -p "$WORK/$TARGET"
    sink_start "$2" || return 1
    measure_begin "$TARGET"
    PEERS_WRAP=$(measure_wrap)
    "target_${TARGET}_start" "$WORK/$TARGET" $PORT $NEXT_PORT "$2" "$3"
    both_status=$?
    PEERS_WRAP=
    return $both_status
}

both_stop() {
    for both_pid in $LOAD_PID $IDLE_PID $PERF_PID; do kill "$both_pid" 2>/dev/null; done
    [ -z "$TARGET_PID" ] || "target_${TARGET}_stop" "$TARGET_PID"
    measure_end
    peers_stop "$SINK_PID"
    LOAD_PID='' IDLE_PID='' PERF_PID='' TARGET_PID='' SINK_PID=''
}
trap both_stop EXIT
trap 'exit 2' HUP INT PIPE TERM

load() {
    "$BENCH_TOOLS/bench-load" --to 127.0.0.1:$PORT --sessions "$BENCH_SESSIONS" "$@"
}

# queue_empty SECONDS: of all but the backlog; an answer that is no number is not "empty".
queue_empty() {
    queue_tries=$(($1 * 10))
    until [ "$("target_${TARGET}_queued" "$WORK/$TARGET")" = "$QUEUE_REST" ]; do
        queue_tries=$((queue_tries - 1))
        [ $queue_tries -gt 0 ] || return 1
        sleep 0.1
    done
}

# warm_up COUNT LOAD-OPTION...: so many messages that do not count.
warm_up() {
    warm_count=$1
    shift
    load "$@" --messages "$warm_count" --tag warm --deadline 12 >/dev/null &&
        sink_wait "$warm_count" 5 && queue_empty 5 && return 0
    peers_say "$TARGET: the warm-up failed"
    return 1
}

# pss_while PID: the largest memory of the target while the process runs. A sample costs time that
# the target lacks: the first after 0.6 s, then one every three seconds, or one at the end.
pss_while() {
    pss_most=0 pss_turn=0
    while :; do
        pss_turn=$((pss_turn + 1))
        sleep 0.2
        peers_alive "$1" || break
        [ $((pss_turn % 15)) -eq 3 ] || continue
        pss_now=$(measure_pss_kb "$TARGET_PID")
        [ "$pss_now" -gt "$pss_most" ] && pss_most=$pss_now
    done
    [ "$pss_most" -gt 0 ] || pss_most=$(measure_pss_kb "$TARGET_PID")
    echo "$pss_most"
}

# snapshot FILE: what was used until now, in microseconds and flushes.
snapshot() {
    printf '{"cpu":%s,"busy":%s,"flushes":%s,"sink":%s,"at":%s}\n' \
        "$(measure_cpu_us "$TARGET_PID")" "$(measure_busy_us)" "$(measure_flushes "$WORK")" \
        "$(sink_count cpu_s)" "$(awk '{ printf "%.0f", $1 * 1000000 }' /proc/uptime)" >"$1"
}

# arrivals: from the two logs, how many of the accepted arrived, how long they took, how fast.
arrivals() {
    awk '
        NR == FNR { if ($1 ~ /^run-/ && !($1 in at)) at[$1] = $2; next }
        {
            if (!n++ || $3 < first) first = $3
            if (!($1 in at)) { lost++; next }
            if (at[$1] > last) last = at[$1]
            printf "%.3f\n", (at[$1] - $3) / 1e6
        }
        END { printf "%d %d %.6f\n", n, lost, (last - first) / 1e9 > "/dev/stderr" }
    ' "$WORK/arrived" "$WORK/accepted" 2>"$WORK/arrivals" | sort -n >"$WORK/latencies"
    read -r n lost seconds <"$WORK/arrivals"
    jq -n --argjson n "${n:-0}" --argjson lost "${lost:-0}" --argjson seconds "${seconds:-0}" \
        --slurpfile ms "$WORK/latencies" '
        def at(p): if length == 0 then null else .[length * p / 100 | floor] end;
        { arrived: ($n - $lost), lost: $lost,
          delivered_per_s: (if $seconds > 0 then ($n - $lost) / $seconds else null end),
          arrival_ms: ($ms | { p50: at(50), p95: at(95), p99: at(99) }) }'
}

# --- the scenarios

# run_load TARGET NAME ROUND tls|plain MESSAGES LOAD-OPTION...: appends one line to RESULTS.
run_load() {
    run_target=$1 run_name=$2 run_round=$3 run_tls=$4 run_messages=$5
    shift 5
    run_end=$(($(date +%s) + RUN_SECONDS))
    both_start "$run_target" "$run_tls" 0 || { both_stop; return 1; }
    if ! warm_up 100 "--$run_tls" "$@" --rate 0; then
        both_stop
        return 1
    fi

    [ -z "$PROFILE" ] || profile_begin
    snapshot "$WORK/before"
    load "--$run_tls" "$@" --messages "$run_messages" --tag run --stamp "$WORK/accepted" \
        --deadline $((run_end - $(date +%s) - 5)) >"$WORK/load" &
    LOAD_PID=$!
    run_pss=$(pss_while $LOAD_PID)
    wait "$LOAD_PID" || peers_say "$run_target $run_name: not all was accepted"
    LOAD_PID=
    run_left=$((run_end - $(date +%s)))
    sink_wait $((100 + $(jq .accepted "$WORK/load"))) $((run_left > 5 ? run_left : 5)) ||
        peers_say "$run_target $run_name: not all has arrived"
    run_empty=true
    queue_empty 5 || run_empty=false
    snapshot "$WORK/after"

    arrivals >"$WORK/arrival"
    jq -nc --arg target "$run_target" --arg scenario "$run_name" --argjson round "$run_round" \
        --argjson pss "$run_pss" --argjson empty $run_empty --argjson cores "$(nproc)" \
        --slurpfile load "$WORK/load" --slurpfile arrival "$WORK/arrival" \
        --slurpfile a "$WORK/before" --slurpfile b "$WORK/after" '
        ($b[0].cpu - $a[0].cpu) as $cpu |
        ($b[0].busy - $a[0].busy - $cpu - 1000000 * ($load[0].cpu_s + $b[0].sink - $a[0].sink))
            as $others |
        { $target, $scenario, $round,
          accepted: $load[0].accepted, failed: ($load[0].failed + $load[0].unfinished),
          accepted_per_s: $load[0].accepted_per_s,
          cpu_ms: ($cpu / 1000 / ([$load[0].accepted, 1] | max)),
          pss_mb: ($pss / 1024),
          flushes: (($b[0].flushes - $a[0].flushes) / ([$load[0].accepted, 1] | max)),
          first_ms: $load[0].connect_to_250_ms, next_ms: $load[0].mail_to_250_ms,
          others: ($others / (($b[0].at - $a[0].at) * $cores)),
          queue_empty: $empty } + $arrival[0]' >"$WORK/run"
    cat "$WORK/run" >>"$RESULTS"
    [ -z "$PROFILE" ] || profile_end "$run_target" "$run_name"
    both_stop
}

# profile_begin: samples of the stacks of all that the target runs on, 500 a second.
profile_begin() {
    # shellcheck disable=SC2046 # a list of numbers
    perf record -q -F 499 --call-graph dwarf,8192 -o "$WORK/perf.data" \
        -p "$(measure_pids "$TARGET_PID" | paste -sd,)" >&2 &
    PERF_PID=$!
    sleep 0.3
}

# profile_end TARGET NAME: where the time went, by area.
profile_end() {
    kill -INT "$PERF_PID"
    wait "$PERF_PID"
    PERF_PID=
    echo "$1 $2"
    perf script -i "$WORK/perf.data" -F comm,ip,sym,dso 2>/dev/null | awk -f bench/areas.awk
    echo
}

# run_steady TARGET NAME ROUND: names like tls-10k-20.
run_steady() {
    steady_size=${2#*-} steady_per=${2##*-}
    steady_size=${steady_size%-*}
    steady_n=$((3000 * BENCH_SCALE / 100))
    [ "$steady_size" = 1m ] && steady_n=$((400 * BENCH_SCALE / 100))
    run_load "$1" "$2" "$3" "${2%%-*}" "$steady_n" --size "$steady_size" \
        --per-connection "$steady_per"
}

# Few messages, each alone in the house: what one of them waits for and costs.
run_latency() {
    latency_n=$((300 * BENCH_SCALE / 100))
    [ $latency_n -le 600 ] || latency_n=600 # half a minute
    run_load "$1" latency "$3" tls $latency_n --size 10k --rate 20
}

# run_backlog TARGET NAME ROUND: names like backlog-1000; tls-10k-20 on a queue in which so many
# messages wait for another day. It is filled once, and left as it was.
run_backlog() {
    QUEUE_REST=${2#*-}
    TARGET_QUEUE=$PWD/build/bench/$1-$2
    backlog_status=0
    "target_${1}_backlog" "$QUEUE_REST" "$TARGET_QUEUE" &&
        run_load "$1" "$2" "$3" tls $((3000 * BENCH_SCALE / 100)) --size 10k --per-connection 20 ||
        backlog_status=1
    QUEUE_REST=0 TARGET_QUEUE=
    return $backlog_status
}

# idle_look NAME: the memory of the target and of the kernel while mail flows, 20 messages a second
# for 4 s, into NAME.json; fails when one of them was not accepted.
idle_look() {
    load --tls --rate 20 --messages 80 --tag run --stamp "$WORK/accepted" --deadline 10 \
        >"$WORK/flow" &
    LOAD_PID=$!
    look_pss=$(pss_while $LOAD_PID)
    wait "$LOAD_PID"
    look_status=$?
    LOAD_PID=
    printf '{"pss":%s,"sockets":%s,"slab":%s}\n' "$look_pss" "$(measure_sockets_kb)" \
        "$(measure_slab_kb)" >"$WORK/$1.json"
    return $look_status
}

# run_idle TARGET NAME ROUND: connections that are silent after TLS and EHLO, while others send: what
# memory each of them holds. The client and the sink are no part of it, but of the kernel's figures.
run_idle() {
    idle_n=$("target_${1}_idle_max")
    [ "$idle_n" -le "$BENCH_IDLE" ] || idle_n=$BENCH_IDLE
    both_start "$1" tls "$idle_n" || { both_stop; return 1; }
    if ! warm_up 500 --tls; then
        both_stop
        return 1
    fi
    idle_failed=0
    idle_look before || idle_failed=1
    load --tls --idle "$idle_n" --hold 12 --deadline 45 >"$WORK/load" &
    IDLE_PID=$!
    idle_tries=450
    until grep -q opened "$WORK/load" || [ $idle_tries -le 0 ]; do
        idle_tries=$((idle_tries - 1))
        sleep 0.1
    done
    sleep 1
    idle_look after || idle_failed=1
    wait "$IDLE_PID" || peers_say "$1 idle: not all were held"
    IDLE_PID=
    jq -nc --arg target "$1" --argjson round "$3" --argjson failed $idle_failed \
        --slurpfile a "$WORK/before.json" --slurpfile b "$WORK/after.json" \
        --slurpfile load "$WORK/load" '
        ([$load[-1].held, 1] | max) as $n |
        { $target, scenario: "idle", $round, held: $load[-1].held,
          failed: ($failed + $load[-1].failed),
          pss_before_mb: ($a[0].pss / 1024), pss_mb: ($b[0].pss / 1024),
          kb_each: (($b[0].pss - $a[0].pss) / $n),
          sockets_kb_each: (($b[0].sockets - $a[0].sockets) / $n),
          slab_kb_each: (($b[0].slab - $a[0].slab) / $n), others: null }' >"$WORK/run"
    cat "$WORK/run" >>"$RESULTS"
    both_stop
}

# run_once TARGET SCENARIO ROUND
run_once() {
    case $2 in
    tls-*-* | plain-*-*) run_steady "$@" ;;
    backlog-*) run_backlog "$@" ;;
    *) "run_$2" "$@" ;;
    esac
}

# run_calm TARGET SCENARIO ROUND: again when others used more than a tenth of the machine; of
# several runs the one that was disturbed least is kept, whatever it measured.
run_calm() {
    calm_left=$BENCH_RETRIES
    cp "$RESULTS" "$WORK/kept"
    : >"$WORK/tries"
    while :; do
        run_once "$@" || return 1
        cat "$WORK/run" >>"$WORK/tries"
        jq -e '.others <= 0.1' "$WORK/run" >/dev/null && break
        [ "$calm_left" -gt 0 ] || break
        [ "$(date +%s)" -lt $RETRY_UNTIL ] || break
        calm_left=$((calm_left - 1))
        peers_say "$1 $2: others used $(jq '.others * 100 | round' "$WORK/run") %, once more"
    done
    jq -sc 'min_by(.others) + { tries: length }' "$WORK/tries" | cat "$WORK/kept" - >"$RESULTS"
}

# can TARGET SCENARIO: a target without a backlog of ours is left out there.
can() {
    case $2 in
    backlog-*) command -v "target_${1}_backlog" >/dev/null ;;
    esac
}

# members SCENARIO: what is run turn by turn within it.
members() {
    case $1 in
    backlog) for members_n in $(words "$BENCH_BACKLOG"); do echo "backlog-$members_n"; done ;;
    *) echo "$1" ;;
    esac
}

# run_round SCENARIO ROUND: all targets, one after the other.
run_round() {
    for member in $(members "$1"); do
        for target in $TARGETS; do
            can "$target" "$member" || continue
            run_calm "$target" "$member" "$2" || peers_say "$target $member: failed"
        done
    done
}

main() {
    command -v jq >/dev/null || { peers_say "jq is needed"; exit 2; }
    make -s V=release O="${BENCH_TOOLS#"$PWD/"}" all bench-tools >&2 || exit 2
    rm -rf "$WORK"
    mkdir -p "$WORK"
    : >"$RESULTS"
    peers_ca "$PWD/build/bench/ca" || exit 2
    peers_cert "$PWD/build/bench/ca" bench ec IP:127.0.0.1 || exit 2
    BENCH_CERT=$PWD/build/bench/ca/bench.pem BENCH_KEY=$PWD/build/bench/ca/bench.key
    for target in $TARGETS; do "target_${target}_prepare" || exit 2; done
    "$BENCH_TOOLS/bench-floor" --cert "$BENCH_CERT" --key "$BENCH_KEY" --file "$WORK/floor" \
        >"$WORK/floor.json" || exit 2

    RETRY_UNTIL=$(($(date +%s) + RETRY_SECONDS))
    for scenario in $SCENARIOS; do
        round=1
        while [ $round -le "$ROUNDS" ]; do
            run_round "$scenario" $round
            round=$((round + 1))
        done
    done
    result=build/bench/$(date -u +%Y%m%d-%H%M%S).json
    report "$result" && table "$result"
    echo
    echo "$result"
    jq -e '[.medians[].faults] | add == 0' "$result" >/dev/null
}
main
