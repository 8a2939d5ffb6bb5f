# hop.sh - next hops of hop.py for a live test: their certificates, their start, a resolver's file.
# Sourced after lib.sh. hop_add lines first, then hop_start. HOP_PROGRAM may name another program than hop.py.

HOPS=

hop_begin() {
    HOPS=$DIR/hop
    mkdir -p "$HOPS/ca" "$HOPS/clear"
    : >"$HOPS/hops"
    : >"$HOPS/names"
}

# hop_add NAME ADDRESS PORT [BEHAVIOUR [CERT]]
hop_add() {
    echo "$1 $2 $3 ${4:-honest} ${5:-good}" >>"$HOPS/hops"
    echo "$1 $2" >>"$HOPS/names"
}

hop_key() {
    openssl ecparam -name prime256v1 -genkey -noout -out "$1"
}

# hop_issue CA CERT SAN DAYS: CERT.pem and CERT.key signed by CA, all in $HOPS/ca
hop_issue() {
    hop_key "$HOPS/ca/$2.key"
    printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\n' \
        "$3" >"$HOPS/ca/$2.ext"
    openssl req -new -key "$HOPS/ca/$2.key" -subj "/CN=$2" |
        openssl x509 -req -CA "$HOPS/ca/$1.pem" -CAkey "$HOPS/ca/$1.key" -CAcreateserial \
            -days "$4" -extfile "$HOPS/ca/$2.ext" -out "$HOPS/ca/$2.pem" 2>/dev/null
}

# hop_self CERT NAME [OPTION...]
hop_self() {
    hop_key "$HOPS/ca/$1.key"
    hop_cert=$1 hop_name=$2
    shift 2
    openssl req -x509 -new -key "$HOPS/ca/$hop_cert.key" -days 30 -subj "/CN=$hop_name" "$@" \
        -out "$HOPS/ca/$hop_cert.pem"
}

# hop_certs SAN: ca, and signed by it good, other-host, expired; self-signed; unknown, of another root
hop_certs() {
    hop_self ca "Test root" -addext basicConstraints=critical,CA:TRUE \
        -addext keyUsage=critical,keyCertSign,cRLSign
    hop_self root2 "Another root" -addext basicConstraints=critical,CA:TRUE \
        -addext keyUsage=critical,keyCertSign,cRLSign
    hop_self self-signed self-signed -addext "subjectAltName=$1"
    hop_issue ca good "$1" 30
    hop_issue ca other-host DNS:elsewhere.example 30
    hop_issue ca expired "$1" -1
    hop_issue root2 unknown "$1" 30
}

# hop_unbound: $DIR/unbound.conf, by which all names of hop_add have their addresses
hop_unbound() {
    {
        echo "server:"
        echo "  local-zone: \"example.\" static"
        while read -r hop_name hop_address; do
            echo "  local-data: \"$hop_name. 60 IN A $hop_address\""
        done <"$HOPS/names"
    } >"$DIR/unbound.conf"
}

hop_is_ready() {
    [ -e "$HOPS/hops.ready" ]
}

hop_start() {
    rm -f "$HOPS/hops.ready"
    "$LIVE_PYTHON" "$PYTHONPATH/${HOP_PROGRAM:-hop.py}" "$HOPS" 2>"$HOPS/log" &
    echo $! >"$DIR/hops.pid"
    live_wait 10 hop_is_ready && return 0
    cat "$HOPS/log"
    return 1
}
