#!/bin/sh
# peers_selftest.sh - proves that each peer of peers.sh starts, takes a message, delivers it, and
# stops. Root; about a minute. Usage: test/live/peers_selftest.sh [ec|rsa]
# shellcheck source-path=SCRIPTDIR
set -u
cd "$(dirname "$0")/../.." || exit 2
. test/live/peers.sh

algorithm=${1:-ec}
dir=$PWD/build/peers/selftest
failed=0
running=

stop_all() {
    for entry in $running; do "${entry%%:*}" "${entry#*:}"; done
    running=
}
trap stop_all EXIT
trap 'exit 2' INT TERM

# started STOP_FUNCTION: remembers what runs.
started() {
    running="$1:$PEER_PID $running"
}

result() {
    echo "$1  $2"
    [ "$1" = "ok  " ] || failed=$((failed + 1))
}

# send WHAT PORT ARG...: one message by swaks.
send() {
    what=$1 port=$2
    shift 2
    swaks --server 127.0.0.1 --port "$port" --helo client.example --from sender@client.example \
        --header "X-Self-Test: $what" "$@" >"$dir/swaks.$port" 2>&1 ||
        { result FAIL "$what: not accepted"; return 1; }
}

# arrives WHAT FOLDER [LINE]: within 15 s a file under FOLDER holds the message (and the line).
# What is still in a Maildir's tmp has not arrived and is about to move.
arrives() {
    tries=75
    while ! grep -rl --exclude-dir=tmp "X-Self-Test: $1\$" "$2" >"$dir/found" 2>/dev/null; do
        tries=$((tries - 1))
        [ $tries -le 0 ] && { result FAIL "$1: did not arrive"; return; }
        sleep 0.2
    done
    if [ -n "${3:-}" ] && ! xargs grep -qE "$3" <"$dir/found"; then
        result FAIL "$1: arrived, but without $3"
        return
    fi
    result "ok  " "$1"
}

rm -rf "$dir"
mkdir -p "$dir"
peers_need swaks swaks || exit 2
perl -MNet::SSLeay -e 1 2>/dev/null || peers_need /none libnet-ssleay-perl || exit 2
peers_fetch postfix exim opensmtpd dovecot nsd || exit 2
peers_ca "$dir/ca" "$algorithm"
peers_cert "$dir/ca" localhost "$algorithm" DNS:localhost,IP:127.0.0.1 || exit 2
ca=$dir/ca/ca.pem cert=$dir/ca/localhost.pem key=$dir/ca/localhost.key
tls="--tls --tls-verify --tls-ca-path $ca"
received='using TLSv1\.[23]|\(TLS1\.[23]|X=TLS1\.[23]'

# The last hop of the relays below.
postfix_maildir_start "$dir/store" 127.0.0.1 4601 store.example "$cert" "$key" \
    "smtpd_tls_received_header = yes" && started postfix_stop
postfix_relay_start "$dir/relay" 127.0.0.1 4602 127.0.0.1 4601 "$cert" "$key" \
    "maillog_file = $dir/relay/maillog" "maillog_file_prefixes = $dir" && started postfix_stop
exim_start "$dir/exim" 127.0.0.1 4603 127.0.0.1 4601 "$cert" "$key" && started peers_stop
exim_start "$dir/exim-store" 127.0.0.1 4604 - 0 "$cert" "$key" && started peers_stop
opensmtpd_start "$dir/opensmtpd" 127.0.0.1 4605 127.0.0.1 4601 && started peers_stop
opensmtpd_start "$dir/opensmtpd-store" 127.0.0.1 4606 - 0 && started peers_stop
dovecot_start "$dir/dovecot" 127.0.0.1 4607 "$cert" "$key" && started peers_stop

# shellcheck disable=SC2086 # $tls is a list of options
{
    to="--to user@store.example"
    send postfix-maildir 4601 $to $tls && arrives postfix-maildir "$dir/store/mail" "$received"
    send postfix-relay 4602 $to $tls && arrives postfix-relay "$dir/store/mail" "$received"
    printf 'To: user@store.example\nX-Self-Test: postfix-sendmail\n\nbody\n' |
        postfix_run "$dir/relay" sendmail -f sender@client.example user@store.example
    arrives postfix-sendmail "$dir/store/mail" "$received"
    send exim-relay 4603 $to $tls && arrives exim-relay "$dir/store/mail" "$received"
    send exim-maildir 4604 $to $tls && arrives exim-maildir "$dir/exim-store/root/mail" "$received"
    send opensmtpd-relay 4605 $to && arrives opensmtpd-relay "$dir/store/mail"
    send opensmtpd-maildir 4606 $to && arrives opensmtpd-maildir "$dir/opensmtpd-store/root/mail"
    send dovecot-tcp 4607 $to --protocol LMTP $tls && arrives dovecot-tcp "$dir/dovecot/mail/user"
    swaks --socket "$dir/dovecot/run/lmtp" --protocol LMTP --helo client.example --hide-all \
        --from sender@client.example $to --header "X-Self-Test: dovecot-unix" >/dev/null
    arrives dovecot-unix "$dir/dovecot/mail/user"
}
[ "$(postfix_queued "$dir/relay")" = 0 ] && result "ok  " "postfix-queue-empty"

printf '%s\n' "\$ORIGIN zone.example." "\$TTL 60" "@ SOA ns hostmaster 1 60 60 60 60" "@ NS ns" \
    "ns A 127.0.0.1" "@ MX 10 mx" "mx A 127.0.0.1" >"$dir/zone.example"
zone_sign "$dir/dnssec" zone.example "$dir/zone.example" >/dev/null
nsd_start "$dir/nsd" 127.0.0.1 4653 zone.example "$dir/zone.example.signed" && started peers_stop
if drill -D -p 4653 @127.0.0.1 zone.example MX | grep -q 'RRSIG.*MX'; then
    result "ok  " nsd-signed
else
    result FAIL nsd-signed
fi

pids=$running
stop_all
for entry in $pids; do
    peers_alive "${entry#*:}" && result FAIL "process ${entry#*:} still runs"
done
for port in 4601 4602 4603 4604 4605 4606 4607 4653; do
    peers_listens 127.0.0.1 $port && result FAIL "port $port still listens"
done
echo "peers_selftest: $failed failed"
[ "$failed" = 0 ]
