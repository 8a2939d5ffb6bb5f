#!/bin/sh
# test_nodes.sh - two gateways of one installation and the link between them: mutual TLS always, attribution
# signed and carried (R5, R16, R17, R18); what somebody on the line, a stranger, another CA, an old or half
# a node can do to it: nothing (T-03, T-04, T-26). At most a minute.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
live_begin nodes

live_mail_folder
live_ca mx1.example mx2.example mx1.nodes.example otherwrong-ca.nodes.example
PKI=$DIR/nodes
tools/test-ca.sh "$PKI" mx1.nodes.example mx2.nodes.example mx3.nodes.example nobody.nodes.example \
    stripped.nodes.example old.nodes.example rsa.nodes.example plain.nodes.example other.nodes.example
for node in mx1 mx2 mx3 bad; do
    openssl genpkey -algorithm ed25519 -out "$PKI/$node-sign.key" 2>/dev/null
    openssl pkey -in "$PKI/$node-sign.key" -pubout -out "$PKI/$node.pub" 2>/dev/null
done

# shellcheck disable=SC2046
set -- $(live_ports 14)
MX1=$1 MX2=$2 LINE=$3 STRIPPED=$4 FAR=$5 CLEAR=$6 RSA=$7
shift 7
BAD="stripped old rsa plain wrong-ca wrong-name"

self() { # NAME
    cat <<END
self { name = "$1.nodes.example", chain = "$PKI/$1.nodes.example-ec.pem", key = "$PKI/$1.nodes.example-ec.key"
       ca = "$PKI/ca.pem", signing_key = "$PKI/$1-sign.key" }
END
}

common() { # NAME
    live_certificate "$1"
    self "$1"
    cat <<END
networks = ["127.0.0.9/32"]
retry { first = 1s, max = 2s, warn = 0s }
sessions { dead_first = 1s, dead_max = 2s }
limits { out_idle = 1s, out_handshake = 5s, connection_rate = 60000, message_rate = 60000 }
END
}

organisation() { # NAME ADDRESS DOMAIN...
    cat <<END
organisation "$1" {
    domain "$1.example" { $3 }
    inbound "own" { kind = on-premises, mode = enforce, addresses = ["$2"], trust_headers = yes }
    $4
}
END
}

: >"$DIR/peers"
{
    common mx1
    echo "node \"mx1.nodes.example\" { smtp = \"127.0.0.1:$MX1\", public_key = \"$PKI/mx1.pub\" }"
    echo "node \"mx2.nodes.example\" { smtp = \"127.0.0.1:$LINE\", public_key = \"$PKI/mx2.pub\" }"
    for kind in $BAD; do
        port=$1
        shift
        echo "$kind $port" >>"$DIR/peers"
        name=$kind
        case $kind in wrong-*) name=other$kind ;; esac
        [ "$kind" = stripped ] && { echo "stripped $STRIPPED $port strip" >>"$DIR/middles"; port=$STRIPPED; }
        echo "node \"$name.nodes.example\" { smtp = \"127.0.0.1:$port\", public_key = \"$PKI/bad.pub\" }"
        echo "domain \"$kind.bad.example\" { node = \"$name.nodes.example\" }"
    done
    echo "route \"far.example\" { node = \"mx2.nodes.example\" }"
    organisation hospital 127.0.0.2 'node = "mx2.nodes.example"' \
        "domain \"clear.hospital.example\" { smtp = \"127.0.0.1:$CLEAR\" }
         domain \"rsa.hospital.example\" { smtp = \"127.0.0.1:$RSA\" }"
    organisation clinic 127.0.0.3 'node = "mx2.nodes.example"' \
        'outbound "all" { kind = partner, mode = enforce, to = "clinic.example", smtp = "127.0.0.1:9",
                          tls = encrypt, header = ["X-Never", "x"] }'
} | live_config mx1 "$MX1"
{
    common mx2
    echo "node \"mx1.nodes.example\" { smtp = \"127.0.0.1:$MX1\", public_key = \"$PKI/mx1.pub\" }"
    echo "node \"mx2.nodes.example\" { smtp = \"127.0.0.1:$MX2\", public_key = \"$PKI/mx2.pub\" }"
    echo "node \"mx3.nodes.example\" { public_key = \"$PKI/mx3.pub\" }"
    echo "route \"far.example\" { smtp = \"127.0.0.1:$FAR\" }"
    for org in "hospital 127.0.0.2" "clinic 127.0.0.3"; do
        # shellcheck disable=SC2086 # two words
        organisation $org "maildir = \"$DIR/mail/{domain}/{local}\"" ""
    done
} | live_config mx2 "$MX2"
echo "line $LINE $MX2 watch" >>"$DIR/middles"
echo "clear $CLEAR" >>"$DIR/peers"
echo "rsa-tenant $RSA" >>"$DIR/peers"
echo "far $FAR" >>"$DIR/peers"

refused() { # PATTERN < configuration
    live_config wrong 9
    "$BIN/postern" -c "$DIR/wrong.conf" config check >"$DIR/wrong.out" 2>&1 && return 1
    grep -q "$1" "$DIR/wrong.out" || { cat "$DIR/wrong.out"; return 1; }
}
chmod 640 "$PKI/bad-sign.key"
cp "$PKI/bad-sign.key" "$PKI/open-sign.key"
{ live_certificate mx1; self mx1 | sed "s|mx1-sign|open-sign|"; } >"$DIR/open"
check "a signing key that others may read is refused" refused "chmod go=" <"$DIR/open"
{ live_certificate mx1; self mx1; echo "node \"mx1.nodes.example\" { public_key = \"$PKI/mx2.pub\" }"; } >"$DIR/open"
check "a public key of ours that is not ours is refused" refused "not that of .signing_key" <"$DIR/open"
check "the configuration of a node is well" "$BIN/postern" -c "$DIR/mx1.conf" config check

middles_ready() {
    [ -e "$DIR/middles.ready" ] && [ -e "$DIR/peers.ready" ]
}
"$LIVE_PYTHON" "$PYTHONPATH/middle.py" "$DIR" 2>"$DIR/middle.err" &
echo $! >"$DIR/middle.pid"
"$LIVE_PYTHON" "$PYTHONPATH/nodes_peers.py" "$DIR" 2>"$DIR/peers.err" &
echo $! >"$DIR/peers.pid"
if ! live_wait 10 middles_ready || ! live_start mx1 || ! live_start mx2; then
    fail "all servers start"
    live_end
fi
export POSTERN="$BIN/postern"
live_run "$LIVE_PYTHON" test/live/nodes.py "$DIR" "$MX1" "$MX2"
check "the log of mx2 says which node was refused, and why" live_log_has mx2 "node.refused .*node=mx[13].*check=signature"
check "no signing key stands in a log" sh -c "! grep -a -h -v -e '-----' $PKI/*-sign.key | grep -a -F -f - $DIR/*.log"
live_end
