# shellcheck shell=sh
# cert_pki.sh - two roots, an intermediate below each, leaves whose endpoints are good and bad in one way each,
# lists and an OCSP responder's index. Sourced; needs $DIR; makes $DIR/pki and $DIR/web.
#
#     pki_begin HTTP SLOW HOLE HTTPS OCSP CLOSED     # ports; who listens there is cert_web.py's and openssl's business

# pki_ca NAME ISSUER(- for itself) CN
pki_ca() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" \
        -subj "/C=DE/O=Test Trust $3/CN=$3" 2>/dev/null
    printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n' >"$1.ext"
    if [ "$2" = - ]; then
        openssl x509 -req -in "$1.csr" -signkey "$1.key" -days "${PKI_DAYS:-400}" -extfile "$1.ext" -out "$1.pem" 2>/dev/null
    else
        printf 'authorityKeyIdentifier=keyid\nauthorityInfoAccess=caIssuers;URI:%s/%s.der\ncrlDistributionPoints=URI:%s/%s.crl\n' \
            "$PKI_URL" "$2" "$PKI_URL" "$2" >>"$1.ext"
        openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -set_serial "0x$(openssl rand -hex 8)" \
            -days 300 -extfile "$1.ext" -out "$1.pem" 2>/dev/null
    fi
    openssl x509 -in "$1.pem" -outform DER -out "$DIR/web/$1.der"
    : >"$1.index"
    echo 01 >"$1.crlnumber"
    cat >"$1.cnf" <<-END
	[ca]
	default_ca = d
	[d]
	database = $1.index
	crlnumber = $1.crlnumber
	default_md = sha256
	default_crl_days = 30
	END
}

# pki_leaf NAME EXTENSIONS (lines of printf)
pki_leaf() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" \
        -subj "/O=Clinic <Lab> \& Co/OU=Mail/CN=$1.example" 2>/dev/null
    {
        printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=%s\nauthorityKeyIdentifier=keyid\n' "${PKI_USAGE:-serverAuth,clientAuth}"
        printf 'subjectAltName=DNS:%s.example,DNS:www.%s.example\n' "$1" "$1"
        # shellcheck disable=SC2059 # it is a format
        printf "$2"
    } >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA inter.pem -CAkey inter.key -set_serial "0x$(openssl rand -hex 8)" \
        -days "${3:-90}" -extfile "$1.ext" -out "$1.leaf" 2>/dev/null
    cat "$1.leaf" inter.pem >"$1.pem"
}

# pki_index V|R NAME: what the responder and the lists say of it
pki_index() {
    pki_serial=$(openssl x509 -in "$2.leaf" -noout -serial | sed 's/.*=//')
    case $1 in
    V) printf 'V\t491231235959Z\t\t%s\tunknown\t/CN=%s\n' "$pki_serial" "$2" ;;
    R) printf 'R\t491231235959Z\t250101000000Z,keyCompromise\t%s\tunknown\t/CN=%s\n' "$pki_serial" "$2" ;;
    esac >>inter.index
}

# pki_crl CA FILE [OPTION...]
pki_crl() {
    pki_of=$1 pki_out=$2
    shift 2
    openssl ca -gencrl -config "$pki_of.cnf" -keyfile "$pki_of.key" -cert "$pki_of.pem" "$@" -out "$pki_of.crl.pem" 2>/dev/null
    openssl crl -in "$pki_of.crl.pem" -outform DER -out "$DIR/web/$pki_out"
}

pki_begin() {
    mkdir -p "$DIR/pki" "$DIR/web"
    PKI_URL=http://127.0.0.1:$1
    pki_back=$PWD
    cd "$DIR/pki" || return 1
    pki_ca root - "Root One"
    PKI_DAYS=20 pki_ca root2 - "Root Two"
    pki_ca inter root "Issuing One"
    pki_ca inter2 root2 "Issuing Two"
    pki_ocsp="authorityInfoAccess=OCSP;URI:http://127.0.0.1:$5/,caIssuers;URI:$PKI_URL/inter.der\n"
    pki_leaf good "${pki_ocsp}crlDistributionPoints=URI:$PKI_URL/inter.crl\n"
    pki_leaf revoked "${pki_ocsp}crlDistributionPoints=URI:$PKI_URL/inter.crl\n"
    PKI_USAGE=serverAuth pki_leaf closed "crlDistributionPoints=URI:http://127.0.0.1:$6/inter.crl\n"
    pki_leaf hole "crlDistributionPoints=URI:http://127.0.0.1:$3/inter.crl\n"
    pki_leaf slow "crlDistributionPoints=URI:http://127.0.0.1:$2/inter.crl\n"
    pki_leaf missing "crlDistributionPoints=URI:$PKI_URL/none.crl\n"
    pki_leaf redirect "authorityInfoAccess=caIssuers;URI:$PKI_URL/redirect\n"
    pki_leaf page "crlDistributionPoints=URI:$PKI_URL/page.html\n"
    pki_leaf endless "authorityInfoAccess=caIssuers;URI:$PKI_URL/endless\n"
    pki_leaf stale "crlDistributionPoints=URI:$PKI_URL/stale.crl\n"
    pki_leaf foreign "crlDistributionPoints=URI:$PKI_URL/inter2.crl\n"
    pki_leaf stranger "authorityInfoAccess=caIssuers;URI:$PKI_URL/inter2.der\n"
    pki_leaf secure "crlDistributionPoints=URI:https://127.0.0.1:$4/inter.crl\n"
    pki_leaf ldap "crlDistributionPoints=URI:ldap://127.0.0.1/cn=x\n"
    pki_leaf nowhere "crlDistributionPoints=URI:http://crl.postern-test.invalid/x.crl\n"
    pki_leaf badocsp "authorityInfoAccess=OCSP;URI:$PKI_URL/page.html\n"
    pki_leaf unknown "authorityInfoAccess=OCSP;URI:http://127.0.0.1:$5/\n"
    pki_leaf old "crlDistributionPoints=URI:$PKI_URL/inter.crl\n" 3
    pki_leaf next ""
    PKI_USAGE=clientAuth pki_leaf client ""
    pki_index V good
    pki_index R revoked
    echo '<html>not a list</html>' >"$DIR/web/page.html"
    pki_crl inter inter.crl
    pki_crl inter2 inter2.crl
    pki_crl root root.crl
    pki_crl root2 root2.crl
    pki_crl inter stale.crl -crl_lastupdate 20250101000000Z -crl_nextupdate 20250201000000Z
    printf 'extendedKeyUsage=OCSPSigning\nbasicConstraints=CA:FALSE\n' >ocsp.ext
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ocsp.key -out ocsp.csr -subj /CN=responder 2>/dev/null
    openssl x509 -req -in ocsp.csr -CA inter.pem -CAkey inter.key -set_serial 77 -days 30 -extfile ocsp.ext -out ocsp.pem 2>/dev/null
    cat root.pem root2.pem >roots.pem
    cd "$pki_back" || return 1
    [ -s "$DIR/web/stale.crl" ] && [ -s "$DIR/pki/ocsp.pem" ] && [ -s "$DIR/pki/next.pem" ]
}
