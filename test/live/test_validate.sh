#!/bin/sh
# test_validate.sh - `postern connector validate` against next hops good and bad: what it says of each, where
# it says that it failed, what it ends with, and that no mail is sent (R21, R22). At most 1 minute.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
# shellcheck source=test/live/hop.sh
. test/live/hop.sh
live_begin validate
hop_begin
hop_certs DNS:mx.good.example || { fail "the certificates are made"; live_end; }
# shellcheck disable=SC2046
set -- $(live_ports 9)
echo "closed.hop.example 127.0.0.1" >>"$HOPS/names"

connector() { # NAME PORT SETTINGS
    cat <<END
    outbound "$1" { kind = partner, mode = enforce, to = "$1.example", smtp = "${HOST:-$1.hop.example}:$2", $3 }
END
}

hop_add good.hop.example 127.0.0.1 "$1" honest good
hop_add other-host.hop.example 127.0.0.1 "$2" honest other-host
hop_add plain.hop.example 127.0.0.1 "$3" honest -
hop_add unknown.hop.example 127.0.0.1 "$4" honest unknown
hop_add expired.hop.example 127.0.0.1 "$5" honest expired
hop_add refused.hop.example 127.0.0.1 "$6" starttls-454 good
hop_add silent.hop.example 127.0.0.1 "$7" greet-silent good
hop_add inject.hop.example 127.0.0.1 "$9" starttls-inject good
named='tls = domain, names = "mx.good.example"'
{
    cat <<END
tls { ca = "$HOPS/ca/ca.pem" }
out { port = $1 }
dns { unbound_config = "$DIR/unbound.conf" }
networks = ["127.0.0.1/32"]
organisation "clinic" {
    domain "clinic.example" { maildir = "$DIR/mail/{domain}/{local}" }
$(connector good "$1" "$named")
$(HOST=127.0.0.1 connector address "$1" "$named")
$(connector other-host "$2" "$named")
$(connector plain "$3" "tls = encrypt")
$(HOST=plain.hop.example connector either "$3" "tls = opportunistic")
$(connector unknown "$4" "tls = certificate")
$(connector expired "$5" "tls = certificate")
$(connector refused "$6" "tls = encrypt")
$(connector silent "$7" "tls = encrypt")
$(connector closed "$8" "tls = encrypt")
$(HOST=nowhere.hop.example connector nowhere "$8" "tls = encrypt")
$(connector inject "$9" "tls = encrypt")
    outbound "mx" { kind = partner, mode = enforce, to = "*.far.example", mx = yes, tls = encrypt }
    outbound "exact" { kind = partner, mode = enforce, to = "near.example", mx = yes, $named }
}
END
} | live_config edge "$8"
hop_unbound
cat >>"$DIR/unbound.conf" <<'END'
  local-data: "near.example. 60 IN MX 10 good.hop.example."
  local-data: "two.far.example. 60 IN MX 10 two.hop.example."
  local-data: "two.hop.example. 60 IN A 127.0.0.1"
  local-data: "two.hop.example. 60 IN AAAA ::1"
END
hop_start || { fail "the next hops start"; live_end; }

validate() { # NAME [OPTION...]
    validate_name=$1
    shift
    timeout 60 "$BIN/postern" connector validate "clinic/$validate_name" --config "$DIR/edge.conf" "$@"
}

# expect NAME CODE PATTERN [OPTION...]
expect() {
    expect_name=$1 expect_code=$2 expect_pattern=$3
    shift 3
    validate "$expect_name" "$@" >"$DIR/said" 2>&1
    expect_got=$?
    if [ "$expect_got" -eq "$expect_code" ] && grep -q -E -- "$expect_pattern" "$DIR/said"; then
        ok "validate $expect_name${1:+ $1}: $expect_code, $expect_pattern"
    else
        fail "validate $expect_name${1:+ $1}: $expect_code, $expect_pattern" "$expect_got: $(tr '\n' ' ' <"$DIR/said")"
    fi
}

expect good 0 'contract +fulfilled: '
for word in 'resolve +ok' 'connect +ok' 'greeting +ok: good.hop.example' 'starttls +ok' 'handshake +ok' 'ehlo-again +ok' \
    'quit +ok' 'TLS +TLSv1.3 .*forward-secret' 'names +mx.good.example' 'issuer .*Test root' 'chain +ok'; do
    check "validate good: $word" grep -q -E "^  $word" "$DIR/said"
done
expect good 0 '"fulfilled": true' --json
expect address 0 'contract +fulfilled: '
expect other-host 1 'NOT FULFILLED, handshake: .*name'
expect plain 1 'NOT FULFILLED, starttls: TLS is demanded and not offered'
expect either 0 'contract +fulfilled: plaintext'
expect unknown 1 'NOT FULFILLED, handshake: '
expect expired 1 'NOT FULFILLED, handshake: '
expect refused 1 'starttls +failed: 454 4.7.0 TLS not available'
expect inject 1 'NOT FULFILLED, starttls: '
expect silent 1 'NOT FULFILLED, greeting: no answer in time' --timeout 1
expect closed 1 'NOT FULFILLED, connect: '
expect closed 1 '"failed": "connect"' --json
expect nowhere 1 'NOT FULFILLED, resolve: '
expect nobody 2 'there is no such outbound connector'
expect mx 2 'say which with --to DOMAIN'
expect mx 1 'NOT FULFILLED, resolve: the domain does not exist' --to a.far.example
expect exact 0 '^good.hop.example 127.0.0.1:'
expect mx 1 '^two.hop.example \[::1\]:' --to postmaster@two.far.example
check "validate mx: one address fails" grep -q 'NOT FULFILLED, connect: ' "$DIR/said"
check "validate mx: and the other does not" grep -q 'contract  *fulfilled: ' "$DIR/said"
expect mx 2 'wants a domain' --to 'a b'
expect mx 2 'wants a domain' --to 'a@'
expect good 2 'leave --to out' --to a.example
echo "nonsense" >>"$DIR/edge.conf"
expect good 78 'edge.conf:'

no_mail() {
    grep -q '"line": "QUIT' "$HOPS/hops.log" && ! grep -a -E '"line": "(MAIL|RCPT|DATA|BDAT)|"event": "message"' "$HOPS/hops.log"
}
check "no mail was sent" no_mail
live_end
