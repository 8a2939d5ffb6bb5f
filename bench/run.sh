#!/bin/sh
# run.sh - measures mail relays side by side: the same load, the same sink, turn by turn.
#
#     bench/run.sh [-t TARGETS] [-s SCENARIOS] [-r ROUNDS]
#     bench/run.sh -t "postfix postern" -s "tls-10k-1 latency" -r 3
#
# A scenario is tls|plain (in and out) - size (10k, 1m) - messages a connection (1, 20), or
# `latency`, or `idle`; any other NAME calls a function run_NAME TARGET, see README.md.
# Root, from anywhere in the tree; needs jq. Writes build/bench/NAME.json, a table on stdout.
#
#   BENCH_TOOLS   folder of bench-load and bench-sink (build/release-gcc); made if need be
#   BENCH_IDLE    idle connections (500)    BENCH_SESSIONS  parallel sessions (20)
#   BENCH_SCALE   percent of the usual number of messages (100)
#   BENCH_RETRIES how often a run is repeated that was disturbed by other programs (1)
# shellcheck source-path=SCRIPTDIR/..
set -u
cd "$(dirname "$0")/.." || exit 2

TARGETS=postfix
SCENARIOS="tls-10k-1 tls-10k-20 tls-1m-1 tls-1m-20 plain-10k-1 plain-10k-20 plain-1m-1 plain-1m-20 \
latency idle"
ROUNDS=3
: "${BENCH_TOOLS:=$PWD/build/release-gcc}"
: "${BENCH_IDLE:=500}" "${BENCH_SESSIONS:=20}" "${BENCH_SCALE:=100}" "${BENCH_RETRIES:=1}"
PORT=4725 NEXT_PORT=4726
RUN_SECONDS=50 # from its start a run has so long, whatever is missing then

while getopts t:s:r: option; do
    case $option in
    t) TARGETS=$OPTARG ;;
    s) SCENARIOS=$OPTARG ;;
    r) ROUNDS=$OPTARG ;;
    *) sed -n '4,15p' "$0" >&2; exit 2 ;;
    esac
done

. bench/targets.sh
. bench/measure.sh

WORK=$PWD/build/bench/work
RESULTS=$WORK/runs.jsonl
SINK_PID='' TARGET='' TARGET_PID='' LOAD_PID=''

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
    [ -z "$LOAD_PID" ] || kill "$LOAD_PID" 2>/dev/null
    [ -z "$TARGET_PID" ] || "target_${TARGET}_stop" "$TARGET_PID"
    measure_end
    peers_stop "$SINK_PID"
    LOAD_PID='' TARGET_PID='' SINK_PID=''
}
trap both_stop EXIT
trap 'exit 2' INT TERM

load() {
    "$BENCH_TOOLS/bench-load" --to 127.0.0.1:$PORT --sessions "$BENCH_SESSIONS" "$@"
}

# queue_empty SECONDS: an answer that is no number is not "empty".
queue_empty() {
    queue_tries=$(($1 * 10))
    until [ "$("target_${TARGET}_queued" "$WORK/$TARGET")" = 0 ]; do
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
    both_stop
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
    run_load "$1" latency "$3" tls $((300 * BENCH_SCALE / 100)) --size 10k --rate 20
}

# Connections that are silent after TLS and EHLO: what memory each of them holds.
run_idle() {
    both_start "$1" tls "$BENCH_IDLE" || { both_stop; return 1; }
    if ! warm_up 20 --tls; then
        both_stop
        return 1
    fi
    sleep 1
    idle_before=$(measure_pss_kb "$TARGET_PID")
    load --tls --idle "$BENCH_IDLE" --hold 8 --deadline 45 >"$WORK/load" &
    LOAD_PID=$!
    idle_tries=500
    until grep -q opened "$WORK/load" || [ $idle_tries -le 0 ]; do
        idle_tries=$((idle_tries - 1))
        sleep 0.1
    done
    sleep 1
    idle_after=$(measure_pss_kb "$TARGET_PID")
    wait "$LOAD_PID" || peers_say "$1 idle: not all were held"
    LOAD_PID=
    jq -nc --arg target "$1" --argjson round "$3" --argjson a "$idle_before" \
        --argjson b "$idle_after" --slurpfile load "$WORK/load" '
        { $target, scenario: "idle", $round, held: $load[-1].held,
          pss_before_mb: ($a / 1024), pss_mb: ($b / 1024),
          kb_each: (($b - $a) / ([$load[-1].held, 1] | max)), others: null }' >"$WORK/run"
    cat "$WORK/run" >>"$RESULTS"
    both_stop
}

# run_once TARGET SCENARIO ROUND
run_once() {
    case $2 in
    tls-*-* | plain-*-*) run_steady "$@" ;;
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
        calm_left=$((calm_left - 1))
        peers_say "$1 $2: others used $(jq '.others * 100 | round' "$WORK/run") %, once more"
    done
    jq -sc 'min_by(.others) + { tries: length }' "$WORK/tries" | cat "$WORK/kept" - >"$RESULTS"
}

# --- the report

# report NAME: all runs, their medians and ratios to the first target, into one file of JSON.
report() {
    jq -s --arg hardware "$(measure_hardware)" --arg targets "$TARGETS" --arg when "$(date -u +%FT%TZ)" '
        def median: map(select(. != null)) | sort |
            if length == 0 then null
            elif length % 2 == 1 then .[length / 2 | floor]
            else (.[length / 2 - 1] + .[length / 2]) / 2 end;
        def med(f): [.[] | f] | median;
        ($targets | split(" ")[0]) as $base |
        . as $runs |
        ([$runs[] | .scenario] | reduce .[] as $s ([]; if index($s) then . else . + [$s] end)) as $order |
        { hardware: $hardware, when: $when, runs: $runs, medians: [
            $order[] as $s | ($targets | split(" "))[] as $t |
            [$runs[] | select(.scenario == $s and .target == $t)] | select(length > 0) |
            { scenario: $s, target: $t, rounds: length,
              accepted_per_s: med(.accepted_per_s), delivered_per_s: med(.delivered_per_s),
              cpu_ms: med(.cpu_ms), cpu_ms_min: ([.[] | .cpu_ms] | min),
              cpu_ms_max: ([.[] | .cpu_ms] | max), pss_mb: med(.pss_mb), flushes: med(.flushes),
              first_p50_ms: med(.first_ms.p50), arrival_p50_ms: med(.arrival_ms.p50),
              arrival_p95_ms: med(.arrival_ms.p95), arrival_p99_ms: med(.arrival_ms.p99),
              held: med(.held), kb_each: med(.kb_each), others: ([.[] | .others] | max),
              faults: ([.[] | (.failed // 0) + (.lost // 0) +
                        (if .queue_empty == false then 1 else 0 end)] | add) }
          ] } |
        .medians as $m |
        .ratios = [ $m[] | select(.target != $base) | . as $x |
            ($m[] | select(.target == $base and .scenario == $x.scenario)) as $y |
            def over(f): if ($x | f) != null and ($y | f) != null and ($y | f) != 0
                         then ($x | f) / ($y | f) else null end;
            { scenario: $x.scenario, target: $x.target, to: $base,
              delivered_per_s: over(.delivered_per_s), cpu_ms: over(.cpu_ms), pss_mb: over(.pss_mb),
              arrival_p50_ms: over(.arrival_p50_ms), kb_each: over(.kb_each) } ]
    ' "$RESULTS" >"$1"
}

# table FILE: the same as markdown.
table() {
    jq -r '
        def n(d): if . == null then "-" else (. * pow(10; d) | round) / pow(10; d) | tostring end;
        def row: "| " + join(" | ") + " |";
        .hardware, "",
        (["scenario", "target", "accepted/s", "delivered/s", "CPU ms/msg", "least - most", "PSS MB", "flushes/msg",
          "connect to 250, p50 ms", "others %", "faults"] | row), "|" + ("---|" * 11),
        (.medians[] | select(.scenario != "idle" and .scenario != "latency") |
            [.scenario, .target, (.accepted_per_s | n(0)), (.delivered_per_s | n(0)), (.cpu_ms | n(2)),
             (.cpu_ms_min | n(2)) + " - " + (.cpu_ms_max | n(2)), (.pss_mb | n(1)), (.flushes | n(2)), (.first_p50_ms | n(1)), (.others * 100 | n(0)),
             (.faults | n(0))] | row),
        (if any(.medians[]; .scenario == "latency") then
            "", (["latency", "250 to arrival p50 ms", "p95", "p99", "CPU ms/msg", "faults"] | row),
            "|" + ("---|" * 6),
            (.medians[] | select(.scenario == "latency") |
                [.target, (.arrival_p50_ms | n(1)), (.arrival_p95_ms | n(1)), (.arrival_p99_ms | n(1)),
                 (.cpu_ms | n(2)), (.faults | n(0))] | row) else empty end),
        (if any(.medians[]; .scenario == "idle") then
            "", (["idle", "held", "PSS MB", "PSS KB a connection"] | row), "|" + ("---|" * 4),
            (.medians[] | select(.scenario == "idle") |
                [.target, (.held | n(0)), (.pss_mb | n(1)), (.kb_each | n(0))] | row) else empty end),
        (if (.ratios | length) > 0 then
            "", (["ratio", "target / first", "delivered/s", "CPU", "PSS", "250 to arrival p50",
                  "PSS a connection"] | row), "|" + ("---|" * 7),
            (.ratios[] | [.scenario, .target + " / " + .to, (.delivered_per_s | n(2)), (.cpu_ms | n(2)),
                          (.pss_mb | n(2)), (.arrival_p50_ms | n(2)), (.kb_each | n(2))] | row)
         else empty end)' "$1"
}

main() {
    command -v jq >/dev/null || { peers_say "jq is needed"; exit 2; }
    make -s V=release O="${BENCH_TOOLS#"$PWD/"}" bench-tools >&2 || exit 2
    rm -rf "$WORK"
    mkdir -p "$WORK"
    : >"$RESULTS"
    peers_ca "$PWD/build/bench/ca" || exit 2
    peers_cert "$PWD/build/bench/ca" bench ec IP:127.0.0.1 || exit 2
    BENCH_CERT=$PWD/build/bench/ca/bench.pem BENCH_KEY=$PWD/build/bench/ca/bench.key
    for target in $TARGETS; do "target_${target}_prepare" || exit 2; done

    for scenario in $SCENARIOS; do
        round=1
        while [ $round -le "$ROUNDS" ]; do
            for target in $TARGETS; do
                run_calm "$target" "$scenario" $round || peers_say "$target $scenario: failed"
            done
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
