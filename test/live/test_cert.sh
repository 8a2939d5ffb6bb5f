#!/bin/sh
# test_cert.sh - the commands about certificates against a real PKI: `cert endpoints` (R35-R38), `trust`
# (R39, R40), `cert list|show` (P7, P20) and `cert sheet` (R31-R34). At most 1 minute.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
# shellcheck source=test/live/cert_pki.sh
. test/live/cert_pki.sh
live_begin cert
# shellcheck disable=SC2046
set -- $(live_ports 8)
hub_port=$8
edge_port=$7
closed_port=$6
pki_begin "$1" "$2" "$3" "$4" "$5" "$6" || { fail "the PKI is made"; live_end; }

"$LIVE_PYTHON" "$PYTHONPATH/cert_web.py" "$DIR" "$1" "$2" "$3" "$4" 2>"$DIR/web.err" &
echo $! >"$DIR/web.pid"
(cd "$DIR/pki" && exec openssl ocsp -index inter.index -port "$5" -rsigner ocsp.pem -rkey ocsp.key \
    -CA inter.pem -nmin 60) >"$DIR/responder.out" 2>&1 &
echo $! >"$DIR/responder.pid"
responds() {
    openssl ocsp -issuer "$DIR/pki/inter.pem" -cert "$DIR/pki/good.leaf" -url "http://127.0.0.1:$ocsp_port/" -noverify
}
ocsp_port=$5
live_wait 20 test -f "$DIR/web.ready" || { fail "the web server runs" "$(cat "$DIR/web.err")"; live_end; }
live_wait 20 responds || { fail "the responder runs" "$(cat "$DIR/responder.out")"; live_end; }

# says NAME CODE PATTERN COMMAND...: what it prints, with its complaints, and what it ends with
says() {
    says_name=$1 says_code=$2 says_pattern=$3
    shift 3
    timeout 60 "$BIN/postern" "$@" >"$DIR/said" 2>&1
    says_got=$?
    if [ "$says_got" -eq "$says_code" ] && grep -q -E -- "$says_pattern" "$DIR/said"; then
        ok "$says_name"
    else
        fail "$says_name: $says_code, $says_pattern" "$says_got: $(head -c 1500 "$DIR/said" | tr '\n' ' ')"
    fi
}
endpoints() { # NAME CODE PATTERN LEAF [OPTION...]
    endpoints_name=$1 endpoints_code=$2 endpoints_pattern=$3 endpoints_leaf=$4
    shift 4
    says "endpoints: $endpoints_name" "$endpoints_code" "$endpoints_pattern" cert endpoints \
        --cert "$DIR/pki/$endpoints_leaf.pem" --store "$DIR/pki/root.pem" --allow-private "$@"
}
saw() {
    grep -q -E -- "$1" "$DIR/said"
}
lacks() {
    ! grep -q -E -- "$1" "$DIR/said"
}

# --- endpoints
endpoints "R37: all is well" 0 '^5 of 5 well$' good
check "R38: what a firewall must allow" saw "127.0.0.1 port $1, 127.0.0.1 port $ocsp_port"
check "endpoints: OCSP, by POST, is signed, fresh and good" saw '^ocsp +ok +ok +- +ok +ok +ok +ok +ok '
check "endpoints: issuers have no status" saw '^issuer +ok +ok +- +ok +ok +ok +- +- '
endpoints "JSON" 0 '"signature": "ok"' good --json
endpoints "T-21: revoked is 2, by both ways" 2 '^ocsp .*REVOKED' revoked
check "endpoints: the list says so, too" saw '^crl .*REVOKED'
check "endpoints: and why" saw 'revoked: keyCompromise'
endpoints "JSON of revoked" 2 '"revoked": 2' revoked --json
endpoints "R35: refused is told from revoked" 1 'tcp: connection refused' closed
endpoints "R37: a dropped connection: firewall" 1 'tcp: no answer .*firewall' hole --timeout 2
endpoints "R37: no answer is HTTP's" 1 'http: connected, but' slow --timeout 2
endpoints "a status that is not 200" 1 'http: status 404' missing
endpoints "T-21: redirects are not followed" 1 'http: status 302: a redirect' redirect
endpoints "a page instead of a list" 1 'content: it is no revocation list' page
endpoints "a page instead of OCSP" 1 'content: it is no OCSP answer' badocsp
endpoints "T-21: an answer that never ends" 1 'http: the answer is larger' endless
endpoints "T-21: an old list" 1 'freshness: it has expired.*ended 2025-02-01' stale
endpoints "T-21: another authority's list" 1 "signature: the list is another authority's" foreign
endpoints "another authority's certificate" 1 'signature: no certificate there signed' stranger
endpoints "TLS that nobody trusts" 1 'tls: ' secure
endpoints "not HTTP" 1 'url: this is no URL' ldap
endpoints "no such name" 1 'dns: ' nowhere --timeout 5
endpoints "OCSP does not know it" 1 'status: the responder does not know' unknown
says "T-45: addresses of this host are not asked" 1 'tcp: not asked: ' cert endpoints --cert "$DIR/pki/good.pem" \
    --store "$DIR/pki/root.pem"
says "T-45: nor by a name that leads there" 1 'tcp: not asked: ' cert endpoints --url "http://localhost:$1/inter.crl"
quiet() {
    before=$(wc -l <"$DIR/web.log")
    "$BIN/postern" cert endpoints --cert "$DIR/pki/good.pem" >/dev/null 2>&1
    [ "$(wc -l <"$DIR/web.log")" -eq "$before" ]
}
check "T-45: and nothing is sent to them" quiet
says "endpoints: only one address, a list" 0 '^url +ok .* ok +- +ok +- ' cert endpoints --url "$PKI_URL/inter.crl" --allow-private
says "endpoints: only one address, a page" 1 'content: neither a revocation list nor' cert endpoints \
    --url "$PKI_URL/page.html" --allow-private
says "endpoints: a leaf alone, the issuer is fetched" 0 '^3 of 3 well$' cert endpoints --cert "$DIR/pki/good.leaf" \
    --store "$DIR/pki/root2.pem" --allow-private
says "endpoints: by a proxy that is not there" 1 'tcp: connection refused' cert endpoints --cert "$DIR/pki/good.pem" \
    --proxy "http://127.0.0.1:$closed_port" --allow-private
says "endpoints: nothing to check" 2 'wants --host' cert endpoints
says "endpoints: no such file" 1 'cannot read' cert endpoints --cert "$DIR/none"

# --- trust
says "R40: the root is there, by name" 0 '1 of 2' trust has --name 'root one' --store "$DIR/pki/roots.pem"
says "R40: it is not there" 1 '0 of 2' trust has --name 'Root Three' --store "$DIR/pki/roots.pem"
digest=$(openssl x509 -in "$DIR/pki/root2.pem" -noout -fingerprint -sha256 | sed 's/.*=//')
says "R40: by SHA-256" 0 'Root Two' trust has --sha256 "$digest" --store "$DIR/pki/roots.pem"
says "R40: by SHA-256, not there" 1 '0 of 1' trust has --sha256 "$digest" --store "$DIR/pki/root.pem"
says "trust: what ends soon" 0 '^1 of 2$' trust list --expiring 90d --store "$DIR/pki/roots.pem"
check "trust: how soon" saw 'within 30 .*Root Two'
says "trust: show" 0 'SHA-256 ' trust show 'Root One' --store "$DIR/pki/roots.pem"
says "trust: a chain that is good" 0 'anchor .*Root One' trust verify "$DIR/pki/good.pem" --store "$DIR/pki/root.pem"
says "P20: an intermediate is missing" 1 'incomplete' trust verify "$DIR/pki/good.leaf" --store "$DIR/pki/root.pem"
check "P20: which, and where it is to be had" saw "to be had at +$PKI_URL/inter.der"
check "P20: by name" saw 'has the issuer .CN=Issuing One'
cat "$DIR/pki/good.pem" "$DIR/pki/root.pem" >"$DIR/pki/whole.pem"
says "P28: a root that we lack" 1 'untrusted root' trust verify "$DIR/pki/whole.pem" --store "$DIR/pki/root2.pem"
check "P28: its name" saw 'the root .CN=Root One.* is not in the trust store'
cat "$DIR/pki/inter.pem" "$DIR/pki/good.leaf" >"$DIR/pki/order.pem"
says "trust: the state is kept" 0 '2 of 2' trust list --save "$DIR/state" --store "$DIR/pki/roots.pem"
says "trust: nothing changed" 0 '^0 differences' trust diff "$DIR/state" --store "$DIR/pki/roots.pem"
says "trust: one is gone" 1 '^removed .*Root Two' trust diff "$DIR/state" --store "$DIR/pki/root.pem"
says "trust: no state" 2 'is no state' trust diff "$DIR/pki/root.pem" --store "$DIR/pki/root.pem"

# --- inventory and sheet
write_edge() { # KEY
    cat <<END | live_config edge "$edge_port"
certificate { chain = "$DIR/pki/good.pem", key = "$1", from = "2026-01-01" }
certificate { chain = "$DIR/pki/next.pem", key = "/nonexistent/next.key", state = next, from = "2027-01-15" }
certificate { chain = "$DIR/pki/old.pem", state = deprecated, until = "2026-01-01" }
tls { ca = "$DIR/pki/roots.pem" }
domain "example.org" { maildir = "$DIR/mail/{domain}/{local}" }
organisation "clinic" {
    domain "clinic.example" { maildir = "$DIR/mail/{domain}/{local}" }
    certificate "ours" { chain = "$DIR/pki/closed.pem", key = "${2:-$DIR/pki/closed.key}" }
    certificate "ours" { chain = "$DIR/pki/next.pem", state = next }
    outbound "lab" { kind = partner, mode = enforce, to = "lab.example", smtp = "lab.example:25", tls = certificate,
                     certificate = "ours" }
    inbound "lab" { kind = partner, mode = enforce, from = "lab.example", restrict_to_certificate = yes,
                    ca = "$DIR/pki/root2.pem" }
}
END
}
write_edge "$DIR/pki/good.key"
live_start edge || { fail "edge starts"; live_end; }
ok "a certificate that comes, and one that is over, do not have to be served"
served() {
    openssl s_client -connect "127.0.0.1:$edge_port" -starttls smtp </dev/null 2>/dev/null | grep -q 'CN = good.example'
}
check "and are not" served
says "endpoints: of a server, by STARTTLS" 0 '^5 of 5 well$' cert endpoints --host "127.0.0.1:$edge_port" \
    --store "$DIR/pki/root.pem" --allow-private
says "trust: of a server" 0 'anchor .*Root One' trust verify --host "localhost:$edge_port" --store "$DIR/pki/root.pem"
says "P28: of a server whose root we lack" 1 'chain +incomplete' trust verify --host "localhost:$edge_port" \
    --store "$DIR/pki/root2.pem"
says "trust: a server that is not there" 1 'connection refused' trust verify --host "127.0.0.1:$closed_port"
# --- what others showed, from the trace
live_mail_folder
write_hub() { # CA
    cat <<END | live_config hub "$hub_port"
tls { ca = "$DIR/pki/$1.pem" }
networks = ["127.0.0.0/8"]
route "example.org" { smtp = ["127.0.0.1:$edge_port"] }
END
}
mail_through() { # COUNT: that have arrived then
    printf 'Subject: x\r\n\r\nx\r\n' >"$DIR/mail.eml"
    curl -sS -m 20 "smtp://127.0.0.1:$hub_port" --mail-from a@far.example --mail-rcpt b@example.org -T "$DIR/mail.eml" || return 1
    live_wait 20 traced "$1"
}
traced() {
    [ "$("$BIN/postern" trace --to b@example.org --run "$DIR/hub/run" | grep -c delivered)" -eq "$1" ]
}
partners() { # CODE PATTERN NAME [OPTION...]
    partners_code=$1 partners_pattern=$2 partners_name=$3
    shift 3
    says "partners: $partners_name" "$partners_code" "$partners_pattern" cert partners --run "$DIR/hub/run" "$@"
}
write_hub root
live_start hub || { fail "hub starts"; live_end; }
partners 1 'no certificates of that time' "nobody yet" --store "$DIR/pki/root.pem"
check "mail to a server of ours" mail_through 1
partners 0 '^server +127.0.0.1 .* good.example.* trusted +Root One, ' "names, chain and root" --store "$DIR/pki/root.pem"
partners 0 '"root_in_store": true' "JSON" --json --store "$DIR/pki/root.pem"
partners 1 'trusted +NOT IN THE STORE' "P28: a root that is gone" --store "$DIR/pki/root2.pem"
live_stop hub
write_hub root2
live_start hub || { fail "hub starts again"; live_end; }
check "mail to a server whose root is lacking" mail_through 2
partners 1 'LACKING +.*Issuing One' "P28: a root that was lacking" --store "$DIR/pki/root2.pem"
live_stop hub
live_stop edge
write_edge /nonexistent/good.key /nonexistent/closed.key
config="--config $DIR/edge.conf --store $DIR/pki/root.pem"
# shellcheck disable=SC2086 # words
{
    says "list: no key is opened" 0 '^default +served +current +good.example and 1 more +EC P-256 ' cert list $config
    check "list: the next one" saw '^default +served +next '
    check "list: the old one" saw '^default +served +deprecated .*within 7'
    check "list: what connectors show" saw '^clinic/ours +shown +current '
    check "list: partners' anchors" saw '^clinic/lab ca +anchors +- +Root Two '
    check "list: anchors of next hops, the first to end" saw '^tls ca +anchors +- +2 anchors .*within 30'
    says "list: of an organisation" 0 '^clinic/ours' cert list --org clinic $config
    check "list: and of no other" lacks '^default'
    check "P27: what connectors show is not for clients" saw 'usage +is not for clients'
    says "list: JSON" 0 '"used_by": "outbound lab"' cert list --json $config
    says "P7: what fits several is refused" 1 'several certificates fit' cert show default $config
    check "P7: with the candidates" saw "$DIR/pki/next.pem"
    says "show: by file" 0 'names +good.example' cert show "$DIR/pki/good.pem" $config
    spki=$(openssl x509 -in "$DIR/pki/good.leaf" -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -c 1-20)
    says "P7: show, by SPKI" 0 "SPKI SHA-256 +$spki" cert show "$spki" $config
    says "list: own anchors count" 0 '^default +served +current .* trusted ' cert list --config "$DIR/edge.conf"
    cat "$DIR/pki/good.pem" "$DIR/pki/good.key" >"$DIR/pki/both.pem"
    says "show: a key beside it is not looked at" 0 'holds a private key, too' cert show "$DIR/pki/both.pem" $config
    check "show: and not shown" lacks 'PRIVATE KEY'
    says "show: not there" 1 'no certificate of the configuration' cert show 'CN=good.example' $config
    says "R31: the sheet" 0 '^Certificate authority root issuer +Root One$' cert sheet $config
    check "R31: key strength" saw '^Key strength +EC P-256$'
    check "R31: organisation, unit" saw '^Organisational unit +Mail$'
    check "R38: hosts from the chain" saw "^Hosts that a firewall has to allow +127.0.0.1:$ocsp_port, 127.0.0.1:$1$"
    check "R33: next, with its date" saw '^In use +2027-01-15 to -$'
    check "R33: deprecated" saw '^State +deprecated$'
    says "R32: the sheet as a page" 0 '^<!DOCTYPE html>' cert sheet --format html --org clinic $config
    check "T-15: escaped" saw 'Clinic &lt;Lab&gt; &amp; Co'
    check "T-15: no markup of others, no script" lacks '<Lab>|<script|src=|href='
    check "R33: side by side" saw 'class="current".*class="next".*class="deprecated"'
    says "R32: the sheet as JSON" 0 '"sheet_version": 1' cert sheet --format json $config
    says "sheet: no such format" 2 'text, html or json' cert sheet --format pdf $config
    cp "$DIR/pki/client.pem" "$DIR/pki/good.pem"
    says "P27: what is served is not for servers" 1 'usage +is not for servers' cert list $config
    cp "$DIR/pki/order.pem" "$DIR/pki/good.pem"
    says "P20: own chain in the wrong order" 1 'order +WRONG' cert list $config
    cp "$DIR/pki/good.leaf" "$DIR/pki/good.pem"
    says "P20: own chain without its intermediate" 1 'chain +incomplete' cert list $config
    echo nonsense >"$DIR/pki/good.pem"
    says "list: what cannot be read" 1 'there is no certificate in it' cert list $config
    says "sheet: what cannot be read is no sheet" 1 'there is no certificate in it' cert sheet $config
}
echo '}' >>"$DIR/edge.conf"
says "list: a configuration that cannot be read" 78 'edge.conf:' cert list --config "$DIR/edge.conf"
live_end
