#!/bin/sh
# test_admins.sh - administrators of organisations: what they are shown and may do of their own, that they see
# nothing of another organisation in any answer, that strangers are turned away unread, and that a reload gives
# and takes these rights (R9, T-24). At most 1 minute; needs root, for it asks as several users.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
live_begin admins
[ "$(id -u)" = 0 ] || live_skip "only root can ask as other users"
# Users that every Debian has: alice administers alpha, bob beta, eve nothing.
ALICE=games BOB=man EVE=news
cp "$BIN/postern" "$DIR/postern"
# shellcheck disable=SC2046
set -- $(live_ports 4)

org() { # NAME PORT ADDRESS ADMINISTRATORS
    cat <<END
organisation "$1" {
    owner = "owner@$1.example"
    $4
    domain "$1.example" { smtp = "127.0.0.1:$2" }
    inbound "$1-strict" { kind = partner, mode = enforce, from = "partner.example", addresses = "192.0.2.0/24",
                          restrict_to_addresses = yes }
    inbound "$1-server" { kind = on-premises, mode = enforce, addresses = "$3" }
    outbound "$1-hop" { kind = partner, mode = enforce, to = "hop.$1-partner.example", smtp = "127.0.0.1:$2" }
}
END
}

config() { # ADMINISTRATORS of alpha, of beta
    {
        cat <<END
networks = ["198.51.100.0/24"]
workers = 2
limits { connections_per_address = 1000, connection_rate = 60000, message_rate = 60000 }
route "*" { smtp = "127.0.0.1:$closed" }
END
        org alpha "$alpha" 127.0.0.31 "$1"
        org beta "$beta" 127.0.0.32 "$2"
    } | live_config edge "$edge"
}

as() { # USER WORDS...: postern as that user
    who=$1
    shift
    timeout 60 setpriv --reuid "$who" --regid nogroup --clear-groups "$DIR/postern" --run "$DIR/edge/run" "$@"
}

edge=$1 alpha=$2 beta=$3 closed=$4
config "" ""
live_start edge || { fail "the gateway starts"; live_end; }
chmod 711 "$DIR/edge" # the way to `run`, which these tests have below `data`
check "without administrators the sockets are root's alone" test "$(stat -c %a "$DIR/edge/run/gate-0.sock")" = 600
as "$ALICE" status >"$DIR/none.out" 2>&1
check "and nobody else reaches them" grep -q 'no daemon is reachable' "$DIR/none.out"

# --- who administers what is said at load

sed 's/owner = "owner@alpha.example"/administrators = ["no-such-user"]/' "$DIR/edge.conf" >"$DIR/wrong.conf"
"$BIN/postern" config check "$DIR/wrong.conf" >"$DIR/wrong.out" 2>&1
check "an unknown user is an error with line and remedy" \
    grep -q 'wrong.conf:[0-9]*:[0-9]*: there is no user .no-such-user. .*adduser no-such-user' "$DIR/wrong.out"
config "administrators = [\"$ALICE\"]" "administrators = [\"$BOB\"]"
kill -HUP "$(live_pid edge)"
check "a reload lets them in" live_wait 20 as "$ALICE" status
check "R9: strangers reach the sockets" test "$(stat -c %a "$DIR/edge/run/gate-0.sock")" = 666

export ALICE BOB EVE POSTERN="$DIR/postern"
live_run "$LIVE_PYTHON" test/live/admins.py "$DIR" "$edge"

# --- and away again

config "" "administrators = [\"$BOB\"]"
kill -HUP "$(live_pid edge)"
denied() {
    as "$ALICE" status 2>&1 | grep -q 'may not ask'
}
check "a reload takes the right away" live_wait 20 denied
check "from nobody else" as "$BOB" status
live_end
