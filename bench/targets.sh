# targets.sh - the programs that are measured. POSIX sh, sourced by run.sh.
#
# A target NAME is five functions:
#
#   target_NAME_prepare                          once; fails when it cannot be run here
#   target_NAME_idle_max                         prints how many idle connections it is asked to hold
#   target_NAME_start DIR PORT NEXT_PORT tls|plain IDLE
#       takes mail on 127.0.0.1:PORT, gives all of it to 127.0.0.1:NEXT_PORT, over TLS or in clear
#       on both sides; sets TARGET_PID; returns when PORT listens. DIR is empty. IDLE: how many
#       idle connections it must be able to hold, 0 in all other scenarios.
#   target_NAME_stop PID
#   target_NAME_queued DIR                       prints how many messages it still holds
#
# and, for the scenario `backlog`, a sixth:
#
#   target_NAME_backlog COUNT DIR
#       a queue of so many deferred messages in DIR, made once; `start` works on it while
#       TARGET_QUEUE is DIR
#
# The certificate is $BENCH_CERT with $BENCH_KEY for all of them; PEERS_WRAP goes in front of the
# command, so that its time is counted.

# shellcheck disable=SC2034 # TARGET_PID is for run.sh

. test/live/peers.sh
TARGET_PID='' TARGET_QUEUE=''

# --- Postfix: `postfix` as Debian ships it, `postfixreuse` with TLS connections kept by tlsproxy(8)

target_postfix_prepare() {
    peers_fetch postfix
}

# An idle connection is a process of 1.7 MB here.
target_postfix_idle_max() {
    echo 500
}

target_postfix_start() {
    target_postfix_start_with "$@" no
}

# target_postfix_start_with DIR PORT NEXT_PORT tls|plain IDLE REUSE
# The process limit is raised for idle connections only: each of them is a process.
target_postfix_start_with() {
    postfix_limit=100
    [ "$5" -eq 0 ] || postfix_limit=$(($5 + 100))
    set -- "$1" 127.0.0.1 "$2" 127.0.0.1 "$3" "$4" "$6"
    if [ "$6" = tls ]; then
        postfix_relay_start "$1" "$2" "$3" "$4" "$5" "$BENCH_CERT" "$BENCH_KEY" \
            "smtp_tls_connection_reuse = $7" "default_process_limit = $postfix_limit"
    else
        postfix_relay_start "$1" "$2" "$3" "$4" "$5" "" ""
    fi || return 1
    TARGET_PID=$PEER_PID
}

target_postfix_stop() {
    postfix_stop "$1"
}

target_postfix_queued() {
    postfix_queued "$1"
}

target_postfixreuse_prepare() {
    target_postfix_prepare
}

target_postfixreuse_idle_max() {
    target_postfix_idle_max
}

target_postfixreuse_start() {
    target_postfix_start_with "$@" yes
}

target_postfixreuse_stop() {
    target_postfix_stop "$@"
}

target_postfixreuse_queued() {
    target_postfix_queued "$@"
}

# --- Postern
#
#   BENCH_POSTERN  the folder with posternd and postern   (that of BENCH_TOOLS)

: "${BENCH_POSTERN:=$BENCH_TOOLS}"
POSTERN_USER=61217 # the workers of a supervisor that is root run as this number
POSTERN_WORKERS=2
BACKLOG_DAYS=7 # a queue is filled with mail that is due in ten days, and used for so long

target_postern_prepare() {
    [ -x "$BENCH_POSTERN/posternd" ] && return 0
    peers_say "no $BENCH_POSTERN/posternd: make V=release"
    return 1
}

target_postern_idle_max() {
    echo 10000
}

# target_postern_config DIR PORT NEXT_PORT tls|plain IDLE: the defaults, but for what the scenario
# asks for. The sink's certificate is taken as it is, as in the other targets.
target_postern_config() {
    cat <<EOF
hostname = "postern.bench.example"
data = "${TARGET_QUEUE:-$1/data}"
run = "$1/run"
user = "$POSTERN_USER"
workers = $POSTERN_WORKERS
EOF
    [ "$5" -eq 0 ] || echo "limits { connections = $(($5 + 100)) }"
    if [ "$4" = tls ]; then
        cat <<EOF
listen "127.0.0.1:$2" { }
certificate { chain = "$BENCH_CERT", key = "$BENCH_KEY" }
route "*" { smtp = "127.0.0.1:$3", tls = encrypt }
EOF
    else
        cat <<EOF
listen "127.0.0.1:$2" { tls = off }
route "*" { smtp = "127.0.0.1:$3" }
EOF
    fi
}

# postern_ready DIR: all workers answer. The port listens before they do, and what comes earlier
# would wait for the worker that the kernel chose for it.
postern_ready() {
    postern_end=$(($(date +%s) + 20))
    until "$BENCH_POSTERN/postern" -c "$1/postern.conf" status >/dev/null 2>&1; do
        if [ "$(date +%s)" -ge $postern_end ]; then
            peers_say "the workers do not answer"
            tail -n 20 "$1/log" >&2
            return 1
        fi
        sleep 0.1
    done
}

target_postern_start() {
    target_postern_config "$@" >"$1/postern.conf"
    peers_spawn "$1/log" "$BENCH_POSTERN/posternd" -c "$1/postern.conf"
    TARGET_PID=$PEER_PID
    peers_wait_port 127.0.0.1 "$2" 10 "$1/log" && postern_ready "$1"
}

target_postern_stop() {
    peers_stop "$1" 30
}

target_postern_queued() {
    "$BENCH_POSTERN/postern" -c "$1/postern.conf" status --json | jq .queue.recipients
}

target_postern_backlog() {
    if [ -e "$2/.filled" ] && [ -z "$(find "$2/.filled" -mtime +$BACKLOG_DAYS)" ]; then
        return 0
    fi
    rm -rf "$2"
    mkdir -p "$2/queue"
    postern_shard=0
    while [ $postern_shard -lt $POSTERN_WORKERS ]; do
        "$BENCH_TOOLS/bench-fill" "$2/queue/shard-000$postern_shard.db" $postern_shard \
            $(($1 / POSTERN_WORKERS)) >&2 || return 1
        postern_shard=$((postern_shard + 1))
    done
    chown -R $POSTERN_USER:$POSTERN_USER "$2" && touch "$2/.filled"
}
