#!/bin/sh
# test_enrol.sh - a partner is enrolled while the daemon runs: its certificate is signed, its connectors go
# from test to enforce by `connector set`, and Postfix as the partner exchanges mail with it and without
# it (P10, P16, P22, R9, R12, R21). At most 1 minute; needs root.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
# shellcheck source=test/live/hop.sh
. test/live/hop.sh
# shellcheck source=test/live/peers.sh
. test/live/peers.sh
# shellcheck source=test/live/mta.sh
. test/live/mta.sh
mta_begin enrol
peers_fetch postfix >"$DIR/fetch.out" 2>&1 || live_skip "Postfix cannot be fetched"
# shellcheck disable=SC2046
set -- $(live_ports 4)
PORT=$1 RECEIVER=$2 WITH=$3 WITHOUT=$4
hop_issue ca mx.lab.example DNS:mx.lab.example 30 && hop_issue ca edge.example DNS:edge.example 30 ||
    { fail "the certificates are made"; live_end; }
chmod 644 "$HOPS"/ca/*.key

# --- the gateway

mkdir -p "$DIR/conf.d"
cat >"$DIR/conf.d/hospital.conf" <<END
# Ward 7 depends on this. { not a block
organisation "hospital" {
    owner = "postmaster@hospital.example <b>&</b>"	# a tab before this
    domain "hospital.example" { maildir = "$DIR/mail/{local}" } ; # last
}
END
cat <<END | live_config edge "$PORT"
certificate { chain = "$HOPS/ca/edge.example.pem", key = "$HOPS/ca/edge.example.key" }
tls { ca = "$HOPS/ca/ca.pem" }
networks = ["127.0.0.1/32"]
out { port = $RECEIVER }
dns { unbound_config = "$DIR/unbound.conf" }
retry { first = 1s, max = 2s, warn = 0s, give_up = 60s, bounce_give_up = 60s }
sessions { dead_first = 1s, dead_max = 1s }
include "conf.d/*.conf"
END
cat >"$DIR/unbound.conf" <<END
server:
  local-zone: "example." static
  local-data: "lab.example. 60 IN MX 10 mx.lab.example."
  local-data: "mx.lab.example. 60 IN A 127.0.0.1"
END
cp "$DIR/conf.d/hospital.conf" "$DIR/before"
live_start edge || { fail "the gateway starts"; live_end; }

tool() {
    timeout 30 "$BIN/postern" "$@" --config "$DIR/edge.conf"
}

# refused CODE PATTERN ARG...: ends with the code, says the pattern, and no file of the configuration changes
refused() {
    refused_code=$1 refused_pattern=$2
    shift 2
    cp "$DIR/conf.d/hospital.conf" "$DIR/unchanged"
    tool "$@" >"$DIR/said" 2>&1
    refused_got=$?
    if [ "$refused_got" -eq "$refused_code" ] && grep -q -E -- "$refused_pattern" "$DIR/said" &&
        cmp -s "$DIR/unchanged" "$DIR/conf.d/hospital.conf"; then
        ok "$*: $refused_code, $refused_pattern"
    else
        fail "$*: $refused_code, $refused_pattern" "$refused_got: $(tr '\n' ' ' <"$DIR/said")"
    fi
}

# --- what is refused first

openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$DIR/lab.key" -subj /CN=mx.lab.example \
    -addext subjectAltName=DNS:mx.lab.example,DNS:bank.example -out "$DIR/lab.csr" 2>/dev/null
openssl req -new -newkey rsa:1024 -nodes -keyout "$DIR/weak.key" -subj /CN=mx.lab.example -out "$DIR/weak.csr" 2>/dev/null
refused 78 'restricts nothing; add one of: .require_tls = yes.; .restrict_to_certificate' \
    connector add hospital/open inbound kind=partner from=lab.example # P22
refused 78 'mode. wants|mode' connector add hospital/open inbound kind=partner require_tls=yes mode=on
refused 1 'no organisation' connector add nobody/open inbound kind=partner require_tls=yes
refused 2 'the direction' connector add hospital/open kind=partner
refused 2 'one of: --csr' partner enrol lab --org hospital --domain lab.example
refused 1 'outside of the domains' partner enrol lab --org hospital --domain lab.example --csr "$DIR/lab.csr"
refused 1 'not one to be certified' partner enrol lab --org hospital --domain lab.example --csr "$DIR/weak.csr"
check "what is refused leaves no authority behind" test ! -e "$DIR/partners/hospital-lab"
exec 9<"$DIR"
flock 9
refused 1 'somebody else' connector add hospital/x inbound kind=partner require_tls=yes
exec 9<&-

# --- the enrolment

check "the partner is enrolled" tool partner enrol lab --org hospital --domain lab.example --host mx.lab.example \
    --csr "$DIR/lab.csr" --reload
FOLDER=$DIR/partners/hospital-lab
ISSUED=$(ls "$FOLDER"/lab-*.pem)
check "its certificate is its authority's" openssl verify -CAfile "$FOLDER/ca.pem" -purpose sslclient "$ISSUED"
check "the authority's key is for nobody else" test "$(stat -c %a "$FOLDER/ca.key")" = 600
check "of the request it has the key" test "$(openssl x509 -in "$ISSUED" -noout -pubkey)" = \
    "$(openssl pkey -in "$DIR/lab.key" -pubout)"
check "and not the names" sh -c "! openssl x509 -in '$ISSUED' -noout -ext subjectAltName | grep bank"
check "the sheet has our certificate" grep -q "$(openssl x509 -in "$HOPS/ca/edge.example.pem" -outform DER |
    openssl dgst -sha256 -r | cut -d' ' -f1)" "$FOLDER/sheet.txt"
check "the sheet is escaped" grep -q 'hospital.example &lt;b&gt;&amp;&lt;/b&gt;' "$FOLDER/sheet.html"
check "the sheet is read by programs" "$LIVE_PYTHON" -m json.tool "$FOLDER/sheet.json"
in_order() { # every line of before stands in the file, in the same order
    "$LIVE_PYTHON" -c '
import sys
lines = iter(open(sys.argv[2], newline="").read().split("\n"))
sys.exit(not all(line in lines for line in open(sys.argv[1], newline="").read().split("\n")))' "$@"
}
check "every line of the operator's file is there" in_order "$DIR/before" "$DIR/conf.d/hospital.conf"
in_test() {
    tool connector list --run "$DIR/edge/run" >"$DIR/list" && [ "$(grep -c 'hospital/lab .* partner  *test ' "$DIR/list")" = 2 ]
}
check "both connectors are in mode test" in_test

# --- the partner

postfix_start() { # NAME PORT SETTING...
    start_name=$1 start_port=$2
    shift 2
    postfix_relay_start "$DIR/pf-$start_name" 127.0.0.1 "$start_port" 127.0.0.1 "$PORT" "" "" \
        "smtp_tls_security_level = encrypt" "smtp_tls_CAfile = $HOPS/ca/ca.pem" "minimal_backoff_time = 1s" \
        "maillog_file = $DIR/pf-$start_name/maillog" "maillog_file_prefixes = $DIR" "$@" 2>/dev/null &&
        mta_started postfix_stop
}
cp "$DIR/lab.key" "$DIR/partner.key" && cp "$ISSUED" "$DIR/partner.pem" && chmod 644 "$DIR/partner.key"
postfix_start with "$WITH" "smtp_tls_chain_files = $DIR/partner.key, $DIR/partner.pem" &&
    postfix_start without "$WITHOUT" &&
    postfix_maildir_start "$DIR/pf-lab" 127.0.0.1 "$RECEIVER" lab.example "$HOPS/ca/mx.lab.example.pem" \
        "$HOPS/ca/mx.lab.example.key" "virtual_mailbox_maps = static:all/" "maillog_file = $DIR/pf-lab/maillog" \
        "maillog_file_prefixes = $DIR" "smtpd_tls_ask_ccert = yes" && mta_started postfix_stop || { fail "Postfix starts"; live_end; }

give() { # PORT FROM TO
    "$LIVE_PYTHON" -c '
import sys
from smtp import Peer, message
port, sender, to = int(sys.argv[1]), sys.argv[2], sys.argv[3]
peer = Peer(port)
peer.ehlo()
good = peer.envelope(sender, to) == 250 and peer.data(message("to-" + to.split("@")[0], to=to))[0] == 250
peer.quit()
sys.exit(not good)' "$@"
}
came() { # FOLDER N
    [ "$(live_count_mail "$1")" -ge "$2" ]
}

check "mode test: mail without the certificate is taken" give "$WITHOUT" doc@lab.example open@hospital.example
check "mode test: and comes" live_wait 20 came "$DIR/mail/open" 1
check "connector set: enforce, inbound" tool connector set hospital/lab inbound mode=enforce --reload
check "connector set: enforce, outbound" tool connector set hospital/lab outbound mode=enforce --reload
check "the date of the change is written" grep -q 'changed = 20..-..-..$' "$DIR/conf.d/hospital.conf"
check "enforce: Postfix with the certificate" give "$WITH" doc@lab.example with@hospital.example
check "enforce: its mail comes" live_wait 20 came "$DIR/mail/with" 1
check "enforce: Postfix without it" give "$WITHOUT" doc@lab.example without@hospital.example
check "enforce: it is told why" live_wait 20 grep -q '550 5.7.51' "$DIR/pf-without/maillog"
check "enforce: its mail does not come" sh -c "! find '$DIR/mail/without' -type f 2>/dev/null | grep ."
check "enforce: mail to the partner" give "$PORT" nurse@hospital.example doc@lab.example
check "enforce: comes to it" live_wait 20 came "$DIR/pf-lab/mail/all" 1

# --- the outbound connector is tried, and what came of it is kept

# said CODE PATTERN ARG...
said() {
    said_code=$1 said_pattern=$2
    shift 2
    tool "$@" >"$DIR/said" 2>&1
    said_got=$?
    if [ "$said_got" -eq "$said_code" ] && grep -q -E -- "$said_pattern" "$DIR/said"; then
        ok "$*: $said_code, $said_pattern"
    else
        fail "$*: $said_code, $said_pattern" "$said_got: $(tr '\n' ' ' <"$DIR/said")"
    fi
}

said 0 'contract +fulfilled' connector validate hospital/lab
check "validate: the chain as it came" grep -q -E '^  received +1: CN=mx.lab.example; by CN=Test root; 20' "$DIR/said"
check "validate: our certificate" grep -q -E '^  our own +asked for; none is configured' "$DIR/said"
said 0 'validated .*: ok, 1 address, to lab.example$' connector show hospital/lab
said 0 'fulfilled' connector validate hospital/lab --recipient probe@lab.example
check "validate --recipient: TLS and the peer's words" grep -q -E 'delivered <probe@lab.example> at mx.lab.example .*TLSv1.3.*250 2' "$DIR/said"
check "validate --recipient: it came" live_wait 20 came "$DIR/pf-lab/mail/all" 2
json_says() {
    tool connector validate hospital/lab --recipient probe@lab.example --json >"$DIR/said" 2>&1 &&
        "$LIVE_PYTHON" -c 'import json, sys; a = json.load(open(sys.argv[1])); sys.exit(not (a["fulfilled"] and a["test"]["delivered"] and a["test"]["by_connector"]))' "$DIR/said"
}
check "validate --recipient --json is one object" json_says
said 0 'delivered by this connector' connector test hospital/lab outbound --recipient probe@lab.example
said 1 'does not leave by hospital/lab' connector test hospital/lab outbound --recipient probe@bank.example
said 0 'admitted by this connector' connector test hospital/lab --client-addr 127.0.0.9 --client-names mx.lab.example \
    --client-ca "$(openssl x509 -in "$FOLDER/ca.pem" -outform DER | openssl dgst -sha256 -r | cut -d' ' -f1)" # P10
said 1 'NOT ADMITTED by this connector' connector test hospital/lab --client-addr 127.0.0.9 --client-names mx.lab.example
said 1 'NOT ADMITTED by this connector' connector test hospital/lab --client-addr 127.0.0.9 --client-plaintext

# --- without the right certificate nothing leaves

said 0 'names +.*-> mx.elsewhere.example' connector set hospital/lab outbound names=mx.elsewhere.example --reload
said 0 'validated .*; the connector was changed since' connector show hospital/lab
said 1 'NOT FULFILLED' connector validate hospital/lab
said 0 'validated .*: FAILED at handshake of mx.lab.example' connector show hospital/lab
said 1 'warning: outbound connector hospital/lab: validated .*FAILED.*.validation-failed' lint
said 1 'NOT DELIVERED' connector test hospital/lab outbound --recipient never@lab.example
said 0 'VALIDATED' connector list
check "the partner's server has not got it" sh -c "! grep -q never@lab.example '$DIR/pf-lab/maillog'"

# --- enrolled again, removed

check "enrolled again" tool partner enrol lab --org hospital --domain lab.example --host mx.lab.example --make-key
check "both certificates are good" openssl verify -CAfile "$FOLDER/ca.pem" "$FOLDER"/lab-*.pem
check "there are two" test "$(find "$FOLDER" -name 'lab-*.pem' | wc -l)" = 2
check "the new key is for nobody else" test "$(stat -c %a "$FOLDER"/lab-*.key)" = 600
check "in another folder it gets another authority" tool partner enrol lab --org hospital --domain lab.example \
    --host mx.lab.example --make-key --out "$DIR/second"
check "which the connector knows" grep -q "ca = \"$DIR/second/ca.pem\"" "$DIR/conf.d/hospital.conf"
refused 1 'for other domains' partner enrol lab --org hospital --domain bank.example --host mx.bank.example --make-key
refused 2 'no longer secured' connector remove hospital/lab inbound
check "removed, inbound" tool connector remove hospital/lab inbound --yes
check "removed, outbound" tool connector remove hospital/lab outbound --yes --reload
check "what is left is the operator's file, byte for byte" cmp "$DIR/before" "$DIR/conf.d/hospital.conf"
live_end
