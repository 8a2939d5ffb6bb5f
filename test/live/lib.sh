# shellcheck shell=sh
# lib.sh - what the live tests share: a folder, a CA, daemons that end with the test, counters.
#
#     . test/live/lib.sh
#     live_begin relay                       # $DIR, the trap; the name stands in the last line
#     live_ca edge.example
#     set -- $(live_ports 2)
#     live_config edge "$1" <<END ... END     # $DIR/edge.conf; the rest of it from stdin
#     live_start edge                        # returns when it greets; log in $DIR/edge.log
#     check "T-00: it runs" live_alive edge
#     live_end                               # stops all, counts, "relay: N passed, N failed"
#
# POSIX sh, sourced from the top of the source tree. A check's line begins with "ok ", "FAIL " or
# "skip "; helpers in Python print such lines, and live_run counts them. Needs python3, openssl.
#
#   BIN        where posternd and postern are         (build/dev-gcc)
#   LIVE_ROOT  where the folders of the tests are made (build/live)

: "${BIN:=build/dev-gcc}"
: "${LIVE_ROOT:=$PWD/build/live}"
LIVE_USER=61217
LIVE_PYTHON=$(command -v /usr/bin/python3 || command -v python3)
export PYTHONPATH="$PWD/test/live" PYTHONDONTWRITEBYTECODE=1
passed=0
failed=0

# --- counting

ok() {
    passed=$((passed + 1))
    printf 'ok %s\n' "$1"
}

# fail NAME [DETAIL]
fail() {
    failed=$((failed + 1))
    printf 'FAIL %s%s\n' "$1" "${2:+: ${2:-}}"
}

skip() {
    printf 'skip %s: %s\n' "$1" "$2"
}

# check NAME COMMAND...: ok when the command succeeds
check() {
    live_check=$1
    shift
    if "$@" >"$DIR/check.out" 2>&1; then
        ok "$live_check"
    else
        fail "$live_check" "$(tail -c 600 "$DIR/check.out" | tr '\n' ' ')"
    fi
}

# live_run COMMAND...: shows what it prints and counts its lines; dying without a line is a failure.
# LIVE_SECONDS bounds it.
live_run() {
    timeout "${LIVE_SECONDS:-400}" "$@" >"$DIR/run.out" 2>&1
    live_status=$?
    cat "$DIR/run.out"
    passed=$((passed + $(grep -c '^ok ' "$DIR/run.out")))
    live_bad=$(grep -c '^FAIL ' "$DIR/run.out")
    failed=$((failed + live_bad))
    if [ "$live_status" -ne 0 ] && [ "$live_bad" -eq 0 ]; then
        fail "$* ended with $live_status"
    fi
}

# --- beginning and end

live_traversable() {
    [ "$(id -u)" != 0 ] && return 0
    setpriv --reuid "$LIVE_USER" --regid "$LIVE_USER" --clear-groups test -x "$1"
}

live_begin() {
    NAME=$1
    DIR=$LIVE_ROOT/$NAME
    rm -rf "$DIR"
    mkdir -p "$DIR"
    chmod 755 "$DIR"
    if ! live_traversable "$DIR"; then # a source tree in a private folder: the workers' user is locked out
        rmdir "$DIR"
        DIR=$(mktemp -d "/tmp/postern-$NAME.XXXXXX")
        chmod 755 "$DIR"
    fi
    [ -x "$BIN/posternd" ] || { echo "$NAME: no $BIN/posternd: make V=dev all" >&2; exit 1; }
    case $BIN in /*) ;; *) BIN=$PWD/$BIN ;; esac
    trap live_cleanup EXIT
    trap 'exit 130' INT TERM
}

live_cleanup() {
    for live_pid in "$DIR"/*.pid; do
        [ -f "$live_pid" ] && live_stop "$(basename "$live_pid" .pid)"
    done
    if command -v live_undo >/dev/null; then
        live_undo
    fi
    return 0
}

# What no log may hold, whatever the test did.
live_check_logs() {
    for live_log in "$DIR"/*.log; do
        [ -f "$live_log" ] || continue
        live_what=$(basename "$live_log" .log)
        live_found=$(grep -a -m 3 -E 'Sanitizer|runtime error:|assertion failed|signal=(4|6|7|8|11|31)( |$)' \
            "$live_log")
        if [ -z "$live_found" ]; then
            ok "$live_what: nothing broke inside"
        else
            fail "$live_what: nothing broke inside" "$live_found"
        fi
    done
}

live_end() {
    live_cleanup
    trap - EXIT
    live_check_logs
    case $DIR in /tmp/*) [ "$failed" -eq 0 ] && rm -rf "$DIR" ;; esac
    echo "$NAME: $passed passed, $failed failed"
    [ "$failed" -eq 0 ] || exit 1
    exit 0
}

# live_skip WHY: the whole test cannot run here
live_skip() {
    skip "$NAME" "$1"
    live_end
}

# --- setting up

# live_ports N: so many free ports, below those that the kernel gives to clients
live_ports() {
    "$LIVE_PYTHON" -c '
import random, socket, sys
kept = []
while len(kept) < int(sys.argv[1]):
    port = random.randint(20000, 32000)
    s = socket.socket()
    try:
        s.bind(("0.0.0.0", port))
    except OSError:
        continue
    print(port)
    kept.append(s)' "$1"
}

live_ca() {
    tools/test-ca.sh "$DIR/ca" "$@"
}

# live_config NAME PORT: hostname, folders, one listener; the rest from stdin. NAME.example is the host.
live_config() {
    {
        cat <<-CONFIG
		hostname = "$1.example"
		data = "$DIR/$1"
		run = "$DIR/$1/run"
		user = "$LIVE_USER"
		listen "${LIVE_HOST:-127.0.0.1}:$2" { ${LIVE_LISTEN:-} }
		CONFIG
        cat
    } >"$DIR/$1.conf"
    echo "$2" >"$DIR/$1.port"
}

# live_certificate NAME: the block for NAME.example, ECDSA and RSA
live_certificate() {
    cat <<-CONFIG
	certificate { chain = ["$DIR/ca/$1.example-ec.pem", "$DIR/ca/$1.example-rsa.pem"]
	              key = ["$DIR/ca/$1.example-ec.key", "$DIR/ca/$1.example-rsa.key"] }
	tls { ca = "$DIR/ca/ca.pem" }
	CONFIG
}

# live_mail_folder: a folder that the workers may write below
live_mail_folder() {
    mkdir -p "$DIR/mail"
    [ "$(id -u)" != 0 ] || chown "$LIVE_USER:$LIVE_USER" "$DIR/mail"
}

# --- daemons

live_port() {
    cat "$DIR/$1.port"
}

live_pid() {
    cat "$DIR/$1.pid"
}

# live_spawn NAME: starts it and does not wait
live_spawn() {
    "$BIN/posternd" -c "$DIR/$1.conf" 2>>"$DIR/$1.log" &
    echo $! >"$DIR/$1.pid"
}

live_start() {
    live_spawn "$1"
    live_wait_port "$(live_port "$1")" && return 0
    tail -n 20 "$DIR/$1.log"
    return 1
}

# live_wait_port PORT [SECONDS]: until something on loopback greets
live_wait_port() {
    "$LIVE_PYTHON" "$PYTHONPATH/smtp.py" wait "$1" "${2:-20}"
}

live_alive() {
    kill -0 "$(live_pid "$1")"
}

# The workers of a supervisor.
live_workers() {
    for live_child in $(cat "/proc/$(live_pid "$1")/task/$(live_pid "$1")/children"); do
        tr '\0' ' ' <"/proc/$live_child/cmdline" | grep -q -- --worker && printf '%s ' "$live_child"
    done
}

# live_wait SECONDS COMMAND...: until it succeeds
live_wait() {
    live_tries=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        live_tries=$((live_tries - 1))
        [ "$live_tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

live_gone() {
    ! kill -0 "$1" 2>/dev/null
}

# live_stop NAME: SIGTERM; what is still there after 20 seconds is killed
live_stop() {
    [ -f "$DIR/$1.pid" ] || return 0
    live_victim=$(live_pid "$1")
    live_children=$(cat "/proc/$live_victim/task/$live_victim/children" 2>/dev/null)
    rm -f "$DIR/$1.pid"
    kill -TERM "$live_victim" 2>/dev/null || true
    if ! live_wait 20 live_gone "$live_victim"; then
        # shellcheck disable=SC2086 # a list
        kill -KILL "$live_victim" $live_children 2>/dev/null || true
    fi
    wait "$live_victim" 2>/dev/null || true
}

# live_log_has NAME PATTERN
live_log_has() {
    grep -a -q -E -- "$2" "$DIR/$1.log"
}

# live_count_mail FOLDER: messages in all Maildirs below
live_count_mail() {
    find "$1" -type f -path '*/new/*' 2>/dev/null | wc -l
}
