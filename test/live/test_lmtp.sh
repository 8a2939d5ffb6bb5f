#!/bin/sh
# test_lmtp.sh - Postern delivers to Dovecot by LMTP, over a unix socket and over TCP. Results are those
# of each recipient: one of several is refused, and only that one bounces. At most 2 minutes; needs root.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
# shellcheck source=test/live/peers.sh
. test/live/peers.sh
live_begin lmtp
[ "$(id -u)" = 0 ] || live_skip "only root can start Dovecot for any user"
peers_fetch dovecot >"$DIR/fetch.out" 2>&1 || live_skip "Dovecot cannot be installed"

live_undo() {
    peers_stop "${DOVECOT:-}"
}

live_ca edge.example localhost
live_mail_folder
# shellcheck disable=SC2046
set -- $(live_ports 2)
# nobody whose name begins with "refused" is a user there
dovecot_users() {
    sed -i 's/^auth_username_format.*/&\nauth_username_chars = abcdefghijklmnopqrstuvwxyz0123456789-@./' "$1"
    sed -i '/^passdb/,$d' "$1"
    for user in one two three four; do
        echo "$user:{PLAIN}x:8:8::$DIR/dovecot/mail/$user::"
    done >"$DIR/users"
    chmod 644 "$DIR/users"
    cat >>"$1" <<END
ssl_cert = <$DIR/ca/localhost-ec.pem
ssl_key = <$DIR/ca/localhost-ec.key
passdb {
  driver = passwd-file
  args = $DIR/users
}
userdb {
  driver = passwd-file
  args = $DIR/users
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
  inet_listener lmtp {
    address = 127.0.0.1
    port = $2
  }
}
END
}
{
    live_certificate edge
    cat <<END
workers = 2
retry { first = 1s, max = 2s, give_up = 6s, warn = 0s }
sessions { dead_first = 1s, dead_max = 1s }
domain "unix.example" { lmtp = "unix:$DIR/dovecot/run/lmtp" }
domain "tcp.example" { lmtp = "127.0.0.1:$2" }
domain "tls.example" { lmtp = "127.0.0.1:$2", tls = encrypt }
domain "gone.example" { lmtp = "unix:$DIR/nothing-there" }
domain "example.net" { maildir = "$DIR/mail/bounces" }
END
} | live_config edge "$1"
# peers.sh writes the configuration and starts; a second start has users that can be refused
if dovecot_start "$DIR/dovecot" 127.0.0.1 "$2" "$DIR/ca/localhost-ec.pem" "$DIR/ca/localhost-ec.key"; then
    peers_stop "$PEER_PID"
    dovecot_users "$DIR/dovecot/dovecot.conf" "$2"
    peers_spawn "$DIR/dovecot/log" /usr/sbin/dovecot -F -c "$DIR/dovecot/dovecot.conf"
    DOVECOT=$PEER_PID
fi
if peers_wait_port 127.0.0.1 "$2" 10 "$DIR/dovecot/log" && live_start edge; then
    live_run "$LIVE_PYTHON" test/live/lmtp.py "$DIR" "$1"
else
    fail "Dovecot and the gateway start"
fi
live_end
