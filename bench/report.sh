# report.sh - what the runs of run.sh say together. POSIX sh, sourced.

# report FILE: all runs, their medians and ratios to the first target, as JSON.
report() {
    jq -s --arg hardware "$(measure_hardware)" --arg targets "$TARGETS" \
        --arg when "$(date -u +%FT%TZ)" --slurpfile floor "$WORK/floor.json" '
        def median: map(select(. != null)) | sort |
            if length == 0 then null
            elif length % 2 == 1 then .[length / 2 | floor]
            else (.[length / 2 - 1] + .[length / 2]) / 2 end;
        def med(f): [.[] | f] | median;
        ($targets | split(" ")[0]) as $base |
        . as $runs |
        ([$runs[] | .scenario] | reduce .[] as $s ([]; if index($s) then . else . + [$s] end)) as $order |
        { hardware: $hardware, when: $when, floor: $floor[0], runs: $runs, medians: [
            $order[] as $s | ($targets | split(" "))[] as $t |
            [$runs[] | select(.scenario == $s and .target == $t)] | select(length > 0) |
            { scenario: $s, target: $t, rounds: length,
              accepted_per_s: med(.accepted_per_s), delivered_per_s: med(.delivered_per_s),
              cpu_ms: med(.cpu_ms), cpu_ms_min: ([.[] | .cpu_ms] | min),
              cpu_ms_max: ([.[] | .cpu_ms] | max), pss_mb: med(.pss_mb), flushes: med(.flushes),
              first_p50_ms: med(.first_ms.p50), arrival_p50_ms: med(.arrival_ms.p50),
              arrival_p95_ms: med(.arrival_ms.p95), arrival_p99_ms: med(.arrival_ms.p99),
              held: med(.held), kb_each: med(.kb_each), sockets_kb_each: med(.sockets_kb_each),
              slab_kb_each: med(.slab_kb_each), others: ([.[] | .others] | max),
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
              arrival_p50_ms: (if .scenario == "latency" then over(.arrival_p50_ms) else null end),
              kb_each: over(.kb_each) } ] |
        .backlog = [ ($targets | split(" "))[] as $t |
            [$m[] | select(.target == $t and (.scenario | startswith("backlog-"))) |
             { n: (.scenario | ltrimstr("backlog-") | tonumber), cpu_ms }] |
            select(length > 1) | sort_by(.n) |
            { target: $t, from: first.n, to: last.n, cpu_ms: (last.cpu_ms / first.cpu_ms) } ]
    ' "$RESULTS" >"$1"
}

# table FILE: the same as markdown.
table() {
    jq -r '
        def n(d): if . == null then "-" else (. * pow(10; d) | round) / pow(10; d) | tostring end;
        def row: "| " + join(" | ") + " |";
        def rule: "|" + ("---|" * .);
        def has(s): any(.medians[]; .scenario == s);
        .hardware, "",
        (["scenario", "target", "accepted/s", "delivered/s", "CPU ms/msg", "least - most", "PSS MB",
          "flushes/msg", "connect to 250, p50 ms", "others %", "faults"] | row), (11 | rule),
        (.medians[] | select(.scenario != "idle" and .scenario != "latency") |
            [.scenario, .target, (.accepted_per_s | n(0)), (.delivered_per_s | n(0)),
             (.cpu_ms | n(2)), (.cpu_ms_min | n(2)) + " - " + (.cpu_ms_max | n(2)),
             (.pss_mb | n(1)), (.flushes | n(2)), (.first_p50_ms | n(1)),
             (.others * 100 | n(0)), (.faults | n(0))] | row),
        (if has("latency") then
            "", (["latency", "250 to arrival p50 ms", "p95", "p99", "CPU ms/msg", "faults"] | row),
            (6 | rule),
            (.medians[] | select(.scenario == "latency") |
                [.target, (.arrival_p50_ms | n(1)), (.arrival_p95_ms | n(1)),
                 (.arrival_p99_ms | n(1)), (.cpu_ms | n(2)), (.faults | n(0))] | row) else empty end),
        (if has("idle") then
            "", (["idle", "held", "PSS MB", "KiB a connection: PSS", "socket buffers",
                  "kernel objects, both ends", "faults"] | row), (7 | rule),
            (.medians[] | select(.scenario == "idle") |
                [.target, (.held | n(0)), (.pss_mb | n(1)), (.kb_each | n(1)),
                 (.sockets_kb_each | n(2)), (.slab_kb_each | n(1)), (.faults | n(0))] | row)
         else empty end),
        (if (.backlog | length) > 0 then
            "", (["backlog", "CPU ms/msg, long queue / short"] | row), (2 | rule),
            (.backlog[] | ["\(.target), \(.to) / \(.from)", (.cpu_ms | n(2))] | row) else empty end),
        (if (.ratios | length) > 0 then
            "", (["ratio", "target / first", "delivered/s", "CPU", "PSS", "250 to arrival p50",
                  "PSS a connection"] | row), (7 | rule),
            (.ratios[] | [.scenario, .target + " / " + .to, (.delivered_per_s | n(2)),
                          (.cpu_ms | n(2)), (.pss_mb | n(2)), (.arrival_p50_ms | n(2)),
                          (.kb_each | n(3))] | row)
         else empty end),
        "", (.floor | "The floor: \(.floor_ms | n(3)) ms of CPU for 10 KiB: \(.handshakes_ms | n(3)) two handshakes, " +
            "\(.records_ms | n(3)) records, \(.durable_ms | n(3)) the disk; TCP alone: \(.tcp_ms | n(3)).")
    ' "$1"
}
