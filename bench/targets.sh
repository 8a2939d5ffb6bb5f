# targets.sh - the programs that are measured. POSIX sh, sourced by run.sh.
#
# A target NAME is four functions:
#
#   target_NAME_prepare                          once; fails when it cannot be run here
#   target_NAME_start DIR PORT NEXT_PORT tls|plain IDLE
#       takes mail on 127.0.0.1:PORT, gives all of it to 127.0.0.1:NEXT_PORT, over TLS or in clear
#       on both sides; sets TARGET_PID; returns when PORT listens. DIR is empty. IDLE: how many
#       idle connections it must be able to hold, 0 in all other scenarios.
#   target_NAME_stop PID
#   target_NAME_queued DIR                       prints how many messages it still holds
#
# The certificate is $BENCH_CERT with $BENCH_KEY for all of them; PEERS_WRAP goes in front of the
# command, so that its time is counted.

# shellcheck disable=SC2034 # TARGET_PID is for run.sh

. test/live/peers.sh
TARGET_PID=

# --- Postfix: `postfix` as Debian ships it, `postfixreuse` with TLS connections kept by tlsproxy(8)

target_postfix_prepare() {
    peers_fetch postfix
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
#   BENCH_POSTERN  the folder with posternd and postern   (build/release-gcc)

: "${BENCH_POSTERN:=$PWD/build/release-gcc}"

target_postern_prepare() {
    [ -x "$BENCH_POSTERN/posternd" ] && return 0
    peers_say "no $BENCH_POSTERN/posternd: make V=release"
    return 1
}

# target_postern_config DIR PORT NEXT_PORT tls|plain
target_postern_config() {
    cat <<EOF
hostname = "postern.bench.example"
data = "$1/data"
run = "$1/run"
networks = ["127.0.0.0/8"]
EOF
    if [ "$4" = tls ]; then
        cat <<EOF
listen "127.0.0.1:$2" { }
tls { certificate = "$BENCH_CERT" key = "$BENCH_KEY" }
route "*" { smtp = ["127.0.0.1:$3"] tls = "encrypt" }
EOF
    else
        cat <<EOF
listen "127.0.0.1:$2" { tls = "off" }
route "*" { smtp = ["127.0.0.1:$3"] tls = "off" }
EOF
    fi
}

target_postern_start() {
    mkdir -p "$1/data" "$1/run"
    target_postern_config "$1" "$2" "$3" "$4" >"$1/postern.conf"
    peers_spawn "$1/log" "$BENCH_POSTERN/posternd" -c "$1/postern.conf"
    TARGET_PID=$PEER_PID
    peers_wait_port 127.0.0.1 "$2" 10 "$1/log"
}

target_postern_stop() {
    peers_stop "$1"
}

target_postern_queued() {
    "$BENCH_POSTERN/postern" -c "$1/postern.conf" queue --count
}
