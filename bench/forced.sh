#!/bin/sh
# forced.sh - the CPU of a delivery by forced TLS beside that of an opportunistic one: two configurations
# of Postern, the same sink, turn by turn.
#
#     bench/forced.sh [ROUNDS [MESSAGES]]        7 rounds of 1000 messages
#
#   may    opportunistic: TLS, nothing is verified
#   forced connector with tls = domain and names: chain and name are verified
#
# each with a full handshake for every message (one message a session, the sink gives no tickets) and with
# sessions kept open. Mail comes in in clear, in sessions of 20, so that the difference is all outgoing. What verifying
# the chain costs is measured by itself by bench-verify. Prints medians and the spread, microseconds a
# message. Root; needs jq. BENCH_TOOLS as for run.sh.
# shellcheck source-path=SCRIPTDIR/..
set -u
cd "$(dirname "$0")/.." || exit 2
: "${BENCH_TOOLS:=$PWD/build/release-gcc}"
ROUNDS=${1:-7} MESSAGES=${2:-1000}
WORK=$PWD/build/bench/forced
PORT=4728 SINK_PORT=4729
USER_ID=61217

. test/live/peers.sh
. bench/measure.sh

PID='' SINK_PID=''
stop() {
    [ -z "$PID" ] || peers_stop "$PID" 30
    [ -z "$SINK_PID" ] || peers_stop "$SINK_PID" 5
    PID='' SINK_PID=''
}
# shellcheck disable=SC2317 # the trap calls it
finish() {
    stop
    [ -n "${KEEP:-}" ] || rm -rf "$WORK"
}
trap finish EXIT
trap 'exit 2' HUP INT PIPE TERM

# chain: a root, an intermediate, a leaf for the sink; chain.pem has the last two
chain() {
    chain_ca=$(printf '%s\n' basicConstraints=critical,CA:TRUE keyUsage=critical,keyCertSign)
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$WORK/root.key" \
        -out "$WORK/root.pem" -days 30 -subj "/CN=Bench root" -addext keyUsage=critical,keyCertSign &&
        chain_sign root middle "$chain_ca" && chain_sign middle leaf 'subjectAltName=DNS:sink.bench.example' &&
        cat "$WORK/leaf.pem" "$WORK/middle.pem" >"$WORK/chain.pem"
}

chain_sign() { # CA NAME EXTENSION
    echo "$3" >"$WORK/ext"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$WORK/$2.key" -subj "/CN=$2" \
        -out "$WORK/req" && openssl x509 -req -in "$WORK/req" -CA "$WORK/$1.pem" -CAkey "$WORK/$1.key" \
        -CAcreateserial -days 30 -extfile "$WORK/ext" -out "$WORK/$2.pem"
}

# configuration may|forced 1|100: how many messages a session carries
configuration() {
    cat <<EOF2
hostname = "postern.bench.example"
data = "$WORK/data"
run = "$WORK/run"
user = "$USER_ID"
workers = 1
listen "127.0.0.1:$PORT" { tls = off }
tls { ca = "$WORK/root.pem", tickets = no }
limits { out_messages = $2, out_recipients = 1 }
organisation "firm" {
  inbound "own" { kind = on-premises, mode = enforce, addresses = "127.0.0.1" }
  domain "bench.example" { smtp = "127.0.0.1:$SINK_PORT" }
EOF2
    case $1 in
    may) forced_tls='tls = opportunistic' ;;
    forced) forced_tls='tls = domain, names = "sink.bench.example"' ;;
    esac
    echo "  outbound \"sink\" { kind = partner, mode = enforce, to = \"*\", smtp = \"127.0.0.1:$SINK_PORT\", $forced_tls }"
    echo "}"
}

sink_says() { # FIELD
    kill -USR1 "$SINK_PID"
    sleep 0.05
    tail -n 1 "$WORK/sink" | jq ".$1"
}

sent() {
    sent_n=$1 sent_tries=300
    shift
    "$BENCH_TOOLS/bench-load" --to 127.0.0.1:$PORT --plain --sessions 4 --per-connection 20 --size 4k \
        --from a@bench.example --rcpt u%d@sink.example --deadline 60 --messages "$sent_n" "$@" >"$WORK/load" || return 1
    until [ "$(sink_says messages)" -ge "$sent_all" ]; do
        sent_tries=$((sent_tries - 1))
        [ $sent_tries -gt 0 ] || return 1
        sleep 0.1
    done
}

# round may|forced 1|100: one line of JSON
round() {
    rm -rf "$WORK/data" "$WORK/run"
    configuration "$1" "$2" >"$WORK/postern.conf"
    "$BENCH_TOOLS/bench-sink" --listen 127.0.0.1:$SINK_PORT --tls --no-tickets --cert "$WORK/chain.pem" --key "$WORK/leaf.key" \
        >"$WORK/sink" 2>&1 &
    SINK_PID=$!
    peers_spawn "$WORK/log" "$BENCH_TOOLS/posternd" -c "$WORK/postern.conf"
    PID=$PEER_PID
    peers_wait_port 127.0.0.1 $SINK_PORT 5 "$WORK/sink" && peers_wait_port 127.0.0.1 $PORT 10 "$WORK/log" || return 1
    CGROUP=''
    sent_all=100
    sent 100 --tag warm || { peers_say "$1 $2: the warm-up failed"; tail -n 3 "$WORK/log"; return 1; }
    round_before=$(measure_cpu_us "$PID") round_shaken=$(sink_says handshakes)
    sent_all=$((100 + MESSAGES))
    sent "$MESSAGES" --tag run || { peers_say "$1 $2: not all has arrived"; return 1; }
    round_after=$(measure_cpu_us "$PID")
    jq -nc --arg tls "$1" --argjson per "$2" --argjson n "$MESSAGES" --argjson us $((round_after - round_before)) \
        --argjson handshakes "$(($(sink_says handshakes) - round_shaken))" --argjson resumed "$(sink_says resumed)" \
        '{ $tls, $per, us: ($us / $n), handshakes: ($handshakes / $n), $resumed }' >>"$WORK/rounds"
    stop
}

command -v jq >/dev/null || { peers_say "jq is needed"; exit 2; }
make -s V=release O="${BENCH_TOOLS#"$PWD/"}" all bench-tools >&2 || exit 2
rm -rf "$WORK"
mkdir -p "$WORK"
chain 2>"$WORK/chain.err" || { cat "$WORK/chain.err"; exit 2; }
: >"$WORK/rounds"
i=0
while [ $i -lt "$ROUNDS" ]; do
    i=$((i + 1))
    for per in 1 100; do
        for tls in may forced; do round $tls $per || exit 1; done
    done
done
jq -s 'def median: sort | .[length / 2 | floor];
    [group_by([.per, .tls])[] | { messages_a_session: .[0].per, tls: .[0].tls, us: ([.[].us] | median),
        least: ([.[].us] | min), most: ([.[].us] | max), handshakes: ([.[].handshakes] | median),
        resumed: ([.[].resumed] | max) }]' "$WORK/rounds"
"$BENCH_TOOLS/bench-verify" --chain "$WORK/chain.pem" --ca "$WORK/root.pem" --name sink.bench.example
uptime
