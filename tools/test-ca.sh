#!/bin/sh
# test-ca.sh FOLDER NAME... - a throw-away CA (ca.pem) and for each name an ECDSA and an RSA certificate:
# NAME-ec.pem, NAME-ec.key, NAME-rsa.pem, NAME-rsa.key. For tests and demonstrations only.
set -eu
dir=$1
shift
mkdir -p "$dir"
cd "$dir"
if [ ! -f ca.pem ]; then
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem \
		-days 30 -subj "/CN=Postern test CA" -addext basicConstraints=critical,CA:TRUE \
		-addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
fi
issue() { # name suffix keyargs...
	name=$1 out=$1-$2
	shift 2
	openssl req -new "$@" -nodes -keyout "$out.key" -out "$out.csr" -subj "/CN=$name" 2>/dev/null
	printf 'subjectAltName=DNS:%s,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=critical,digitalSignature\nbasicConstraints=critical,CA:FALSE\n' \
		"$name" >"$out.ext"
	openssl x509 -req -in "$out.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
		-extfile "$out.ext" -out "$out.pem" 2>/dev/null
	rm -f "$out.csr" "$out.ext"
}
for name in "$@"; do
	issue "$name" ec -newkey ec -pkeyopt ec_paramgen_curve:P-256
	issue "$name" rsa -newkey rsa:2048
done
