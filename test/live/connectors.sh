# connectors.sh - what the tests of organisations and connectors share: certificates of every kind, pieces
# of configuration, and the settings that docs/cookbook/ tells other servers' administrators to make.
# Sourced after lib.sh.
#
# $PKI holds the certificates. Three roots: public (it plays those that everybody trusts), partner (the
# partner's own), nobody (trusted by no one). NAME.pem is what is shown, with the intermediates; NAME.key.

PKI=
TOMORROW=$(date -u -d '+1 day' +%Y-%m-%d)
YESTERDAY=$(date -u -d '-1 day' +%Y-%m-%d)

pki_key() {
    openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/$1.key" && chmod 644 "$PKI/$1.key"
}

pki_sign() { # CA NAME DAYS, extensions from stdin
    {
        printf '%s\n' 'subjectKeyIdentifier=hash' 'authorityKeyIdentifier=keyid'
        cat
    } >"$PKI/$2.ext"
    pki_key "$2" && openssl req -new -key "$PKI/$2.key" -subj "/CN=$2" |
        openssl x509 -req -CA "$PKI/$1.pem" -CAkey "$PKI/$1.key" -CAcreateserial -days "$3" \
            -extfile "$PKI/$2.ext" -out "$PKI/$2.pem" 2>/dev/null
}

pki_root() { # NAME
    pki_key "$1" && openssl req -x509 -new -key "$PKI/$1.key" -days 30 -subj "/CN=Root $1" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
        -out "$PKI/$1.pem"
}

pki_between() { # CA NAME: an intermediate
    printf '%s\n' basicConstraints=critical,CA:TRUE,pathlen:0 keyUsage=critical,keyCertSign,cRLSign |
        pki_sign "$1" "$2" 30
}

# pki_leaf CA NAME SAN [USAGES [DAYS]]
pki_leaf() {
    printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature \
        "subjectAltName=$3" "extendedKeyUsage=${4:-serverAuth,clientAuth}" | pki_sign "$1" "$2" "${5:-30}"
}

pki_self() { # NAME SAN
    pki_key "$1" && openssl req -x509 -new -key "$PKI/$1.key" -days 30 -subj "/CN=$1" \
        -addext "subjectAltName=$2" -out "$PKI/$1.pem"
}

# pki_lie FOLDER NAME OF: the certificate OF, with a key whose public half is that of the certificate and whose
# private half is not: libraries that compare public halves take it, and what it signs is wrong
pki_lie() {
    cp "$1/$3.pem" "$1/$2.pem" && "$LIVE_PYTHON" -c '
import base64, sys
lines = open(sys.argv[1]).read().split("\n")
der = base64.b64decode("".join(x for x in lines if x and not x.startswith("-----")))
assert der[5:7] == b"\x04\x20"  # ECPrivateKey (RFC 5915), 32 bytes
body = base64.b64encode(der[:7] + b"\x11" * 32 + der[39:]).decode()
with open(sys.argv[2], "w") as f:
    f.write("%s\n%s\n%s\n" % (lines[0], body, lines[0].replace("BEGIN", "END")))' "$1/$3.key" "$1/$2.key" &&
        chmod 644 "$1/$2.key"
}

# pki_pin NAME: the SHA-256 of its public key, hex
pki_pin() {
    openssl x509 -in "$PKI/$1.pem" -noout -pubkey | openssl pkey -pubin -outform DER 2>/dev/null |
        openssl dgst -sha256 -r | cut -d' ' -f1
}

pki_begin() {
    PKI=$DIR/pki
    mkdir -p "$PKI"
    pki_root public && pki_root partner && pki_root nobody && pki_between public public-2
}

# pki_clients: certificates that clients show, most of them as mx.lab.example
pki_clients() {
    lab=DNS:mx.lab.example
    pki_leaf public lab "$lab" &&
        pki_leaf public lab-again "$lab" &&
        pki_leaf public lab-server "$lab" serverAuth &&
        pki_leaf public lab-client "$lab" clientAuth &&
        pki_leaf public lab-expired "$lab" "" -1 &&
        pki_leaf public lab-upper DNS:MX.Lab.EXAMPLE &&
        pki_leaf public lab-wild "DNS:*.lab.example" &&
        pki_leaf public lab-mail DNS:mail.lab.example &&
        pki_leaf public lab-and-bank "$lab,DNS:mx.bank.example" &&
        pki_leaf public bank DNS:mx.bank.example &&
        pki_leaf public other DNS:mx.other.example &&
        pki_leaf public evil "DNS:mx.lab.example.evil.example,DNS:lab.example" &&
        pki_leaf public alpha DNS:mail.alpha.example &&
        pki_leaf public beta DNS:mail.beta.example &&
        pki_leaf public provider DNS:relay.provider.example &&
        pki_leaf partner lab-own-ca "$lab" &&
        pki_leaf nobody lab-unknown "$lab" &&
        pki_leaf nobody alpha-unknown DNS:mail.alpha.example &&
        pki_self lab-self "$lab" && pki_self lab-self-2 "$lab" &&
        pki_leaf public-2 lab-leaf "$lab" || return 1
    cat "$PKI/lab-leaf.pem" "$PKI/public-2.pem" >"$PKI/lab-chain.pem"
    cp "$PKI/lab-leaf.key" "$PKI/lab-chain.key"
    pki_lie "$PKI" lab-lying lab || return 1
    # What a careless name could be taken for mx.lab.example by: it stands in the subject only.
    pki_leaf public "mx.lab.example" DNS:mx.other.example && for suffix in pem key; do
        mv "$PKI/mx.lab.example.$suffix" "$PKI/lab-subject.$suffix"
    done
}

# cookbook PAGE WORD: the fenced block of docs/cookbook/PAGE.md whose info string ends in WORD
cookbook() {
    awk -v "word=$2" '
        /^```/ && inside { exit }
        inside { print }
        /^```/ { sub(/^```/, ""); inside = $NF == word }' "docs/cookbook/$1.md" >"$DIR/cookbook.txt"
    [ -s "$DIR/cookbook.txt" ] || { echo "docs/cookbook/$1.md has no block $2" >&2; return 1; }
    cat "$DIR/cookbook.txt"
}

# hand_over PORT FROM TO: one mail, in clear, to a server that takes it from this machine
hand_over() {
    "$LIVE_PYTHON" -c '
import sys
from smtp import Peer, message
port, sender, to = int(sys.argv[1]), sys.argv[2], sys.argv[3]
peer = Peer(port)
peer.ehlo()
good = peer.envelope(sender, to) == 250 and peer.data(message("to-" + to.split("@")[0], to=to))[0] == 250
peer.quit()
sys.exit(not good)' "$1" "$2" "$3"
}

# postfix_services DIR: more lines for master.cf of a Postfix that runs, from stdin
postfix_services() {
    cat >>"$1/etc/master.cf"
    kill -HUP "$PEER_PID"
}

# --- Exim, whose configuration a test writes

# exim_jail ROOT NAME: a root in which NAME is this machine and /etc/pki has the certificates
exim_jail() {
    jail_make "$1" || return 1
    mkdir -p "$1/etc/exim4" "$1/etc/pki" "$1/var/spool/exim4" "$1/var/log/exim4"
    chown -R 990:990 "$1/var/spool/exim4" "$1/var/log/exim4"
    cp "$PKI"/*.pem "$PKI"/*.key "$1/etc/pki/"
    echo "127.0.0.1 $2" >>"$1/etc/hosts"
}

# exim_main PORT LINE...: the part before routers, open to this machine
exim_main() {
    echo "local_interfaces = <; [127.0.0.1]:$1"
    shift
    exim_config 127.0.0.1 0 "" | sed -e '/^tls_/d' -e '/^begin/,$d'
    printf '%s\n' "$@"
    printf '%s\n' 'begin acl' 'accept_local:' '  accept hosts = 127.0.0.0/8' '  deny' 'acl_check_data:' '  accept'
}

# exim_spawn ROOT PORT
exim_spawn() {
    jail_spawn "$1" "$PEERS_CACHE/exim" "$1.err" /usr/sbin/exim4 -bdf -q5s || return 1
    mta_started peers_stop
    peers_wait_port 127.0.0.1 "$2" 10 "$1.err"
}
