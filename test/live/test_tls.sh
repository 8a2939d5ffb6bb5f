#!/bin/sh
# test_tls.sh - TLS as clients and attackers see it, on real sockets: versions, suites, certificates, tickets,
# what crosses the STARTTLS boundary, framing, wrong protocols, PROXY (R1, R3, R10, R13, R19, T-01, T-05 to
# T-07, T-10, T-24, T-25, T-50, T-51, T-53, T-55), and what sslscan and testssl.sh say. At most 6 minutes.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
live_begin tls

live_ca edge.example other.example inside.example
live_mail_folder
# shellcheck disable=SC2046
set -- $(live_ports 7)
starttls=$1 second=$2 implicit=$3 proxy=$4 implicit_proxy=$5 slow=$6 inside=$7

# The tests play their clients from 127.0.0.1 (nobody), 127.0.0.2 (the proxy) and 127.0.0.3 (one who would
# like to be the proxy); only 198.51.100.0/24 may relay.
settings() {
    echo 'networks = ["198.51.100.0/24"]'
    echo 'workers = 1'
    live_certificate edge
    echo "certificate { name = \"other.example\", chain = \"$DIR/ca/other.example-ec.pem\", \
key = \"$DIR/ca/other.example-ec.key\" }"
    echo "domain \"example.org\" { maildir = \"$DIR/mail/{domain}/{local}\" }"
    echo "domain \"inside.example\" { smtp = [\"127.0.0.1:$inside\"] }"
    echo "route \"*\" { smtp = [\"127.0.0.1:$inside\"] }"
}
{
    settings
    cat <<-CONFIG
	listen "127.0.0.1:$second" { }
	listen "127.0.0.1:$implicit" { tls = implicit }
	listen "127.0.0.1:$proxy" { proxy = ["127.0.0.2/32"] }
	listen "127.0.0.1:$implicit_proxy" { tls = implicit, proxy = ["127.0.0.2/32"] }
	limits { connection_rate = 60000, connections_per_address = 1000, message_rate = 60000 }
	CONFIG
} | live_config edge "$starttls"
{
    settings
    cat <<-CONFIG
	limits { handshake = "1500ms", data = "2s", body = "4s", command = "3s", first_command = "3s",
	         connection_rate = 60000 }
	CONFIG
} | live_config slow "$slow"
{
    live_certificate inside
    echo "domain \"inside.example\" { maildir = \"$DIR/mail/{domain}/{local}\" }"
} | live_config inside "$inside"

for hop in inside edge slow; do
    live_start "$hop" || { fail "$hop starts"; live_end; }
done
live_run "$LIVE_PYTHON" test/live/tls.py "$DIR" "$starttls" "$second" "$implicit" "$proxy" "$implicit_proxy" "$slow"

if [ -x "$BIN/postern" ]; then
    "$BIN/postern" -c "$DIR/edge.conf" trace --since 1h -n 1000 >"$DIR/trace.txt" 2>&1
    for version in 1.0 1.1; do
        check "R13: postern trace names TLS $version as refused" grep -q "offered.*$version" "$DIR/trace.txt"
    done
else
    skip "R13: postern trace" "there is no $BIN/postern"
fi

# --- tickets after a restart and after a new configuration (T-24)

session() { # FILE PORT in|out
    printf 'QUIT\r\n' | timeout 10 openssl s_client -starttls smtp -connect "127.0.0.1:$2" "-sess_$3" "$1" \
        "-$4" -servername edge.example -ign_eof 2>&1
}
for version in tls1_2 tls1_3; do
    session "$DIR/$version.session" "$starttls" out $version >"$DIR/session.out"
    check "T-24: $version: a ticket is good where it was given" \
        sh -c "printf 'QUIT\r\n' | timeout 10 openssl s_client -starttls smtp -connect 127.0.0.1:$starttls \
        -sess_in '$DIR/$version.session' -$version -servername edge.example -ign_eof 2>&1 | grep -q '^Reused'"
    session "$DIR/$version.session" "$starttls" out $version >"$DIR/session.out"
done
echo '# another configuration' >>"$DIR/edge.conf"
kill -HUP "$(live_pid edge)"
live_wait 10 live_log_has edge 'config.reloaded'
for version in tls1_2 tls1_3; do
    check "T-24: $version: after a new configuration the handshake is full" \
        sh -c "printf 'QUIT\r\n' | timeout 10 openssl s_client -starttls smtp -connect 127.0.0.1:$starttls \
        -sess_in '$DIR/$version.session' -$version -servername edge.example -ign_eof 2>&1 | grep -q '^New'"
    session "$DIR/$version.session" "$starttls" out $version >"$DIR/session.out"
done
live_stop edge
live_start edge || fail "edge starts again"
for version in tls1_2 tls1_3; do
    check "T-24: $version: after a restart the handshake is full" \
        sh -c "printf 'QUIT\r\n' | timeout 10 openssl s_client -starttls smtp -connect 127.0.0.1:$starttls \
        -sess_in '$DIR/$version.session' -$version -servername edge.example -ign_eof 2>&1 | grep -q '^New'"
done

# --- what the judges say

# The suites that the default profile is documented to have, as OpenSSL names them.
documented='TLS_AES_256_GCM_SHA384 TLS_AES_128_GCM_SHA256 TLS_CHACHA20_POLY1305_SHA256'
for cipher in AES256-GCM-SHA384 AES128-GCM-SHA256 CHACHA20-POLY1305; do
    documented="$documented ECDHE-ECDSA-$cipher ECDHE-RSA-$cipher"
done

sslscan_suites() { # PORT OPTION...
    port=$1
    shift
    sslscan --no-colour "$@" --sni-name=edge.example --show-certificate "127.0.0.1:$port" >"$DIR/sslscan.txt" 2>&1
    offered=$(awk '$1 == "Preferred" || $1 == "Accepted" { print $5 }' "$DIR/sslscan.txt" | sort -u)
    [ -n "$offered" ] || { cat "$DIR/sslscan.txt"; return 1; }
    for suite in $offered; do
        case " $documented " in *" $suite "*) ;; *) echo "offers $suite"; return 1 ;; esac
    done
    [ "$(echo "$offered" | wc -l)" -eq 9 ] || { echo "offers only: $offered"; return 1; }
    ! grep -E '^(SSLv[23]|TLSv1\.[01]) +enabled' "$DIR/sslscan.txt" &&
        grep -q -E 'Compression disabled|does not support compression' "$DIR/sslscan.txt" &&
        grep -q 'Session renegotiation not supported' "$DIR/sslscan.txt"
}
if command -v sslscan >/dev/null; then
    check "R13, R19: sslscan: STARTTLS offers the nine documented suites and nothing else" \
        sslscan_suites "$starttls" --starttls-smtp
    check "R13, R19: sslscan: implicit TLS offers the nine documented suites and nothing else" \
        sslscan_suites "$implicit"
else
    skip "sslscan" "it is not installed (apt-get install sslscan)"
fi

# Findings of testssl.sh that only a public site can cure: a CA that browsers know, its revocation and
# transparency, names in the public DNS.
testssl_findings() {
    timeout 240 "$testssl" -t smtp --quiet --color 0 --warnings batch --add-ca "$DIR/ca/ca.pem" \
        --jsonfile "$DIR/testssl.json" "127.0.0.1:$starttls" >"$DIR/testssl.txt" 2>&1
    [ -s "$DIR/testssl.json" ] || { tail -n 5 "$DIR/testssl.txt"; return 1; }
    "$LIVE_PYTHON" test/live/tls.py judge "$DIR/testssl.json"
}
testssl=$(command -v testssl || command -v testssl.sh)
if [ -n "$testssl" ] && command -v hexdump >/dev/null; then
    check "R13, R19: testssl.sh finds nothing of medium, high or critical severity" testssl_findings
else
    skip "testssl.sh" "it is not installed (apt-get install testssl.sh bsdextrautils)"
fi
live_end
