#!/bin/sh
# test_replay.sh - `postern apply --dry-run` foretells from the trace how mail would fare under another
# configuration: traffic runs, the forecast is read, the new file is taken over, the same traffic runs again,
# and fares as foretold (R21, R22). Then explain with a certificate and with what is supposed (R24), and lint
# with the DNS (P18). At most 1 minute; needs root.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
# shellcheck source=test/live/hop.sh
. test/live/hop.sh
# shellcheck source=test/live/connectors.sh
. test/live/connectors.sh
live_begin replay
hop_begin
hop_certs DNS:good.hop.example || { fail "the certificates are made"; live_end; }
live_ca edge.example || { fail "the gateway's certificate is made"; live_end; }
pki_begin && pki_leaf partner lab DNS:mx.lab.example serverAuth &&
    pki_leaf partner lab-expired DNS:mx.lab.example "" -1 &&
    pki_leaf public soon DNS:soon.example serverAuth 5 || { fail "the PKI is made"; live_end; }
# shellcheck disable=SC2046
set -- $(live_ports 4)
hop_add good.hop.example 127.0.0.1 "$1" honest good
hop_add plain.hop.example 127.0.0.1 "$2" honest -
hop_add self.hop.example 127.0.0.1 "$3" honest self-signed
hop_unbound
cat >>"$DIR/unbound.conf" <<'END'
  local-data: "clinic.example. 60 IN MX 10 filter.elsewhere.example."
  local-data: "filter.elsewhere.example. 60 IN A 203.0.113.77"
  local-data: "here.example. 60 IN MX 10 edge.example."
  local-data: "edge.example. 60 IN A 127.0.0.1"
END
live_mail_folder
edge=$4

out() { # NAME PORT TLS
    echo "outbound \"$1\" { kind = partner, mode = enforce, to = \"$1.example\", smtp = \"$1.hop.example:$2\", tls = $3 }"
}

# config NAME TLS-OF-good TLS-OF-plain TLS-OF-self [ROOTS], more of the organisation from stdin
config() {
    config_more=$(cat)
    {
        cat <<END
certificate { chain = "$DIR/ca/edge.example-ec.pem", key = "$DIR/ca/edge.example-ec.key" }
tls { ca = "${5:-$HOPS/ca/ca.pem}" }
dns { unbound_config = "$DIR/unbound.conf" }
networks = ["198.51.100.0/24"]
workers = 2
organisation "clinic" {
    domain "clinic.example" { maildir = "$DIR/mail/{domain}/{local}" }
    domain "here.example" { maildir = "$DIR/mail/{domain}/{local}" }
    inbound "server" { kind = on-premises, mode = enforce, addresses = "127.0.0.10/32" }
    $(out good "$p_good" "$2")
    $(out plain "$p_plain" "$3")
    $(out self "$p_self" "$4")
$config_more
}
END
    } | live_config edge "$edge"
    mv "$DIR/edge.conf" "$DIR/$1.conf"
}
p_good=$1 p_plain=$2 p_self=$3
config new certificate encrypt encrypt <<'END'
    inbound "lab" { kind = partner, mode = enforce, from = "lab.example", require_tls = yes }
END
config roots certificate opportunistic certificate "$HOPS/ca/root2.pem" </dev/null
config with-ca opportunistic opportunistic certificate <<END
    inbound "lab" { kind = partner, mode = enforce, from = "lab.example", certificate_names = "mx.lab.example",
                    ca = "$PKI/partner.pem", require_tls = yes, restrict_to_certificate = yes }
    certificate "card" { chain = "$PKI/soon.pem", key = "$PKI/soon.key" }
END
config locked opportunistic opportunistic certificate <<END
    inbound "filter" { kind = partner, mode = enforce, from = "*", addresses = "203.0.113.77", restrict_to_addresses = yes }
END
config old opportunistic opportunistic certificate <<'END'
    inbound "bank" { kind = partner, mode = enforce, from = "bank.example", require_tls = yes }
END
cp "$DIR/old.conf" "$DIR/edge.conf"
export POSTERN="$BIN/postern"
hop_start || { fail "the next hops start"; live_end; }
live_start edge || { fail "the gateway starts"; live_end; }
replay() {
    live_run "$LIVE_PYTHON" "$PYTHONPATH/replay.py" "$1" "$DIR" "$edge"
}

replay first
replay cut
said() { # NAME PATTERN COMMAND...
    said_name=$1 said_pattern=$2
    shift 2
    timeout 60 "$BIN/postern" "$@" >"$DIR/said.txt" 2>&1
    check "$said_name" grep -q -E -- "$said_pattern" "$DIR/said.txt"
}
said "apply says the numbers first" '^of 8 recorded messages since .*, 4 would fare differently, of 0 it cannot' \
    apply "$DIR/new.conf" --dry-run --config "$DIR/edge.conf"
check "apply names connector, partner, before and after" \
    grep -q -E '^  inbound +clinic/lab +lab.example +1 +[0-9A-Z]+ +taken +454 4.7.0 ' "$DIR/said.txt"
said "--since leaves out what is older" '^of 0 recorded messages' \
    apply "$DIR/new.conf" --dry-run --config "$DIR/edge.conf" --since 2099-01-01
said "--limit reads fewer" 'there are older ones within that time' \
    apply "$DIR/new.conf" --dry-run --config "$DIR/edge.conf" --limit 2

# --- explain

explain() { # NAME PATTERN OPTION...
    explain_name=$1 explain_pattern=$2
    shift 2
    said "explain: $explain_name" "$explain_pattern" explain --from a@lab.example "$@"
}
partner() {
    explain_more=$1
    shift
    explain "$explain_more" "$1" --to g@clinic.example --client-addr 127.0.0.20 --config "$DIR/with-ca.conf" \
        --client-cert "$2" ${3:+--at} ${3:+"$3"}
}
partner "R24: a certificate of the partner's own CA" 'verdict +admitted' "$PKI/lab.pem"
check "explain: its root is the partner's own" grep -q "up to a partner's own root" "$DIR/said.txt"
check "explain: T-23: it may be one for servers" grep -q 'it is for servers only' "$DIR/said.txt"
partner "R24: one of nobody's" 'verdict +refused: 454 4.7.0' "$HOPS/ca/self-signed.pem"
partner "R24: an expired one" 'verdict +refused: 454 4.7.0 .*out of|verdict +refused: 454 4.7.0 .*expired' "$PKI/lab-expired.pem"
partner "R24: it will have expired" 'verdict +refused: 454 4.7.0' "$PKI/lab.pem" 2099-01-01
cat "$PKI/lab.pem" "$PKI/lab.key" >"$DIR/both.pem"
partner "a private key is not needed" 'holds a private key: it is not needed' "$DIR/both.pem"
explain "what is found has source and age" 'addresses +127.0.0.1 \(.*DNS|preference .*configuration' \
    --org clinic --to g@plain.example --run "$DIR/edge/run"
explain "T-04: --if: no STARTTLS under a contract" 'STARTTLS +not offered \(assumed\): nothing is sent to it \(450 4.4.317\)' \
    --org clinic --to g@self.example --run "$DIR/edge/run" --if starttls=no
explain "--if of one host: an untrusted chain" 'the mail waits.*450 4.7.320' \
    --org clinic --to g@self.example --run "$DIR/edge/run" --if self.hop.example/chain=no
explain "--if with a fact that is none" 'is no fact here; there are: ' \
    --org clinic --to g@self.example --run "$DIR/edge/run" --if colour=red
explain "--if with a host that is none" 'there are: self.hop.example' \
    --org clinic --to g@self.example --run "$DIR/edge/run" --if mx/starttls=no

# --- lint

said "P18: lint --dns: MX elsewhere and no lock-down" 'the MX of clinic.example is not this .*\[mx-elsewhere\]' \
    lint --dns --config "$DIR/old.conf"
check "P18: nothing is said of a domain whose MX is here" sh -c "! grep -q 'MX of here.example' '$DIR/said.txt'"
timeout 60 "$BIN/postern" lint --dns --config "$DIR/locked.conf" >"$DIR/said.txt" 2>&1
check "P18: nor of one that is locked down" sh -c "! grep -q mx-elsewhere '$DIR/said.txt'"
said "lint: a certificate that ends in 5 days is an error" 'error: the certificate .*soon.pem.* ends on' \
    lint --config "$DIR/with-ca.conf"
check "P27: lint: it is shown to servers and for servers only" grep -q '\[certificate-usage\]' "$DIR/said.txt"

# --- and now it is done

cp "$DIR/new.conf" "$DIR/edge.conf"
check "the new configuration is taken over" "$BIN/postern" reload --config "$DIR/edge.conf"
replay second
live_end
