#!/bin/sh
# test_splice.sh - somebody on the path says the words of one kind of channel and splices a client of it
# into a listener of the other kind (T-52, "Opossum"): STARTTLS into implicit TLS, implicit TLS into
# STARTTLS. Certificates are good and TLS is unbroken; still nobody's command may count as another's, and
# no message is taken of which its client believes something else. Tickets belong to one kind of channel.
# At most 1 minute.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
# shellcheck source=test/live/hop.sh
. test/live/hop.sh
live_begin splice
hop_begin
hop_add edge.example 127.0.0.1 0
hop_unbound

live_ca edge.example
live_mail_folder
# shellcheck disable=SC2046
set -- $(live_ports 7)
starttls=$1 implicit=$2 sender=$3 through=$4 early=$5 to_implicit=$6 to_starttls=$7

{
    cat <<-CONFIG
	workers = 1
	listen "127.0.0.1:$implicit" { tls = implicit }
	limits { first_command = "3s", connection_rate = 60000, message_rate = 60000 }
	CONFIG
    live_certificate edge
    for domain in may enc dom example; do
        echo "domain \"$domain.example\" { maildir = \"$DIR/mail/{domain}/{local}\" }"
    done
} | live_config edge "$starttls"
{
    cat <<-CONFIG
	workers = 1
	tls { ca = "$DIR/ca/ca.pem" }
	dns { unbound_config = "$DIR/unbound.conf" }
	retry { first = 1s, max = 2s, warn = 0s }
	sessions { dead_first = 1s, dead_max = 1s }
	limits { out_greeting = 5s, out_helo = 5s, out_idle = 1s }
	route "may.example" { smtp = ["edge.example:$through"], tls = opportunistic }
	route "enc.example" { smtp = ["edge.example:$through"], tls = encrypt }
	route "dom.example" { smtp = ["edge.example:$through"], tls = domain }
	CONFIG
} | live_config sender "$sender"

for hop in edge sender; do
    live_start "$hop" || { fail "$hop starts"; live_end; }
done
live_run "$LIVE_PYTHON" test/live/splice.py "$DIR" "$starttls" "$implicit" "$sender" "$through" "$early" \
    "$to_implicit" "$to_starttls"

# --- tickets

visit() { # starttls|implicit VERSION in|out
    case $1 in
    starttls) set -- "$@" "$starttls" -starttls smtp ;;
    implicit) set -- "$@" "$implicit" ;;
    esac
    version=$2 way=$3 port=$4
    shift 4
    printf 'QUIT\r\n' | timeout 10 openssl s_client "$@" -connect "127.0.0.1:$port" "-$version" "-sess_$way" \
        "$DIR/session" -CAfile "$DIR/ca/ca.pem" -servername edge.example -ign_eof 2>&1
}
handshake_is() { # New|Reused CHANNEL VERSION
    visit "$2" "$3" in >"$DIR/visit.out"
    grep '^Reused\|^New' "$DIR/visit.out"
    grep -q "^$1" "$DIR/visit.out" && grep -q '^Verify return code: 0\|Verification: OK' "$DIR/visit.out"
}
for version in tls1_2 tls1_3; do
    for made in starttls implicit; do
        [ "$made" = starttls ] && other=implicit || other=starttls
        visit "$made" "$version" out >/dev/null
        check "T-52: $version: a ticket of $made resumes there" handshake_is Reused "$made" "$version"
        rm -f "$DIR/session"
        visit "$made" "$version" out >/dev/null
        check "T-52: $version: a ticket of $made does not resume by $other" handshake_is New "$other" "$version"
    done
done
live_end
