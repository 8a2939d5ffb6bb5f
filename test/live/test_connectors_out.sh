#!/bin/sh
# test_connectors_out.sh - what leaves through connectors: forced TLS to partners of every kind, good and
# hostile, with Postfix, Exim and OpenSSL at the other end and somebody on the line; client certificates,
# connections that are not shared, weakenings, all mail by the organisation's own server, and the receiving
# halves of docs/cookbook/ (R9, R11, R13, R21, R22, T-03, T-04, T-26, T-31, T-41, T-42, T-55). That nothing
# is said in clear is read off the bytes on the line. At most 5 minutes; needs root.
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
# shellcheck source=test/live/connectors.sh
. test/live/connectors.sh
mta_begin connectors_out
HOP_PROGRAM=partner_hop.py
: >"$DIR/middles"
MTA_PORTS=$(live_ports 96 | tr '\n' ' ')
mta_port
MTA_PORT=$MTA_TAKEN

# Hops show certificates of $HOPS/ca, whose root everybody trusts here; ours are of another, public one.
pki_begin &&
    pki_leaf public edge DNS:edge.example &&
    pki_leaf public gateway DNS:mx.hospital.example &&
    pki_leaf public rival DNS:mx.rival.example &&
    pki_leaf public other DNS:mx.other.example &&
    pki_leaf nobody gateway-unknown DNS:mx.hospital.example &&
    pki_leaf public lab DNS:mx.lab.example &&
    pki_leaf public-2 leaf "DNS:*.hop.example" &&
    hop_issue ca named DNS:mx.partner.example 30 && pki_lie "$HOPS/ca" lying good || { fail "the certificates are made"; live_end; }
cp "$PKI/public.pem" "$HOPS/ca/clients.pem"
cat "$HOPS/ca/ca.pem" "$PKI/public.pem" >"$DIR/trusted.pem"
cp "$PKI/leaf.pem" "$PKI/leaf.key" "$HOPS/ca/"
cat "$PKI/leaf.pem" "$PKI/public-2.pem" >"$HOPS/ca/chain.pem"
cp "$PKI/leaf.key" "$HOPS/ca/chain.key"
chmod 644 "$HOPS"/ca/*.key

# --- partners and their connectors

CONNECTORS=$DIR/connectors
: >"$CONNECTORS"

# connector NAME TO PORT SETTINGS: to NAME's host, or to $HOST
connector() {
    cat <<END
    outbound "$1" { kind = partner, mode = ${MODE:-enforce}, to = "$2", smtp = "${HOST:-$1}.hop.example:$3", $4 }
END
}

# levels NAME PORT [FOLDER]: a partner and a connector for each level
levels() {
    echo "$1 ${3:-}" >>"$DIR/cases"
    for level in enc:encrypt cer:certificate dom:domain; do
        HOST=$1 connector "$1-${level%:*}" "$1.${level%:*}.example" "$2" "tls = ${level#*:}"
    done >>"$CONNECTORS"
    HOST=$1 connector "$1-nam" "$1.nam.example" "$2" 'tls = domain, names = "mx.partner.example"' >>"$CONNECTORS"
}

partner() { # NAME BEHAVIOUR CERTIFICATE
    mta_port
    hop_add "$1.hop.example" 127.0.0.1 "$MTA_TAKEN" "$2" "$3"
}

for name in good named other-host self-signed unknown expired leaf chain lying; do
    partner "$name" honest "$name"
    levels "$name" "$MTA_TAKEN"
    eval "port_$(echo "$name" | tr - _)=$MTA_TAKEN"
done
partner plain honest -
levels plain "$MTA_TAKEN"
for name in stripped starttls-454 starttls-502 starttls-220-plain starttls-220-close starttls-220-silent starttls-inject \
    starttls-odd-case starttls-args ehlo-500-helo hello-reset old-tls junk; do
    partner "$name" "$name" good
    levels "$name" "$MTA_TAKEN"
done

# middle NAME TARGET WAY [FOLDER]: somebody on the line to a partner
middle() {
    mta_port
    echo "$1 $MTA_TAKEN $2 $3" >>"$DIR/middles"
    echo "$1.hop.example 127.0.0.1" >>"$HOPS/names"
    levels "$1" "$MTA_TAKEN" "${4:-}"
}
# shellcheck disable=SC2154 # set by eval
for way in watch strip refuse cut garble swallow; do
    middle "$way" "$port_good" "$way"
done

# --- Postfix and Exim

# maildir_postfix NAME DOMAINS CERT SETTING...: its port is $partner_port; CERT is a path without suffix
maildir_postfix() {
    mta_port
    partner_name=$1 partner_port=$MTA_TAKEN partner_domains=$2 partner_cert=$3
    shift 3
    postfix_maildir_start "$DIR/$partner_name" 127.0.0.1 "$partner_port" "$partner_domains" \
        "${partner_cert:+$partner_cert.pem}" "${partner_cert:+$partner_cert.key}" "virtual_mailbox_maps = static:all/" \
        "maillog_file = $DIR/$partner_name/maillog" "maillog_file_prefixes = $DIR" "$@" || return 1
    mta_started postfix_stop
}

postfix_partner() { # NAME CERTIFICATE SETTING...
    partner_pair=${2:+$HOPS/ca/$2} partner_shift=$1
    shift 2
    maildir_postfix "$partner_shift" "$partner_shift.enc.example $partner_shift.cer.example \
        $partner_shift.dom.example $partner_shift.nam.example" "$partner_pair" "$@" &&
        middle "$partner_name" "$partner_port" watch "$DIR/$partner_name/mail"
}

EXIM_STORE='begin routers
store:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = /mail/Maildir
  maildir_format
  create_directory
  user = mail
  group = mail'

exim_partner() { # NAME CERTIFICATE [LINE]
    mta_port
    partner_port=$MTA_TAKEN
    exim_root=$DIR/$1/root
    exim_jail "$exim_root" "$1.hop.example" || return 1
    {
        if [ -n "$2" ]; then
            cp "$HOPS/ca/$2.pem" "$HOPS/ca/$2.key" "$exim_root/etc/pki/"
            exim_main "$partner_port" "tls_advertise_hosts = *" "tls_certificate = /etc/pki/$2.pem" \
                "tls_privatekey = /etc/pki/$2.key" "${3:-}"
        else
            exim_main "$partner_port" "tls_advertise_hosts ="
        fi
        echo "$EXIM_STORE"
    } >"$exim_root/etc/exim4/exim4.conf"
    exim_spawn "$exim_root" "$partner_port" && middle "$1" "$partner_port" watch "$exim_root/mail"
}

have_postfix=no
if peers_fetch postfix >"$DIR/fetch.out" 2>&1; then
    have_postfix=yes
    postfix_partner pf-good good &&
        postfix_partner pf-self-signed self-signed &&
        postfix_partner pf-expired expired &&
        postfix_partner pf-plain "" &&
        postfix_partner pf-old good "smtpd_tls_protocols = TLSv1.1" "tls_high_cipherlist = ALL:@SECLEVEL=0" ||
        fail "Postfix starts"
else
    skip "R21: Postfix" "it cannot be fetched"
fi
have_exim=no
if jail_works && peers_fetch exim >"$DIR/fetch.out" 2>&1; then
    have_exim=yes
    exim_partner ex-good good &&
        exim_partner ex-self-signed self-signed &&
        exim_partner ex-plain "" &&
        exim_partner ex-old good "tls_require_ciphers = NORMAL:-VERS-ALL:+VERS-TLS1.1" ||
        fail "Exim starts"
else
    skip "R21: Exim" "it cannot be fetched, or there are no mount namespaces here"
fi

# --- connectors with something of their own

partner asks honest 'good?'
asks=$MTA_TAKEN
partner asks-too honest 'good?'
asks_too=$MTA_TAKEN
partner demands honest 'good!'
demands=$MTA_TAKEN
partner shared honest good
shared=$MTA_TAKEN
partner bare honest -
bare=$MTA_TAKEN
partner control honest -
control=$MTA_TAKEN
partner ba before-after good
ba=$MTA_TAKEN
partner far honest good
far=$MTA_TAKEN

allow() { # WHAT UNTIL
    echo "allow \"$1\" { owner = \"it@clinic.example\", reason = \"until they have renewed\", until = $2 }"
}

# shellcheck disable=SC2154 # set by eval above
{
    HOST=asks connector show show.example "$asks" 'tls = encrypt, certificate = "gateway"'
    HOST=asks connector hide hide.example "$asks" 'tls = encrypt'
    HOST=asks connector plainly plainly.example "$asks" 'tls = opportunistic'
    HOST=demands connector demand demand.example "$demands" 'tls = encrypt, certificate = "gateway"'
    HOST=down connector down down.example 9 'tls = encrypt, certificate = "gateway"'
    HOST=demands connector demand-not demand-not.example "$demands" 'tls = encrypt'
    HOST=shared connector one one.example "$shared" 'tls = encrypt'
    HOST=shared connector two two.example "$shared" 'tls = certificate'
    HOST=shared connector three three.example "$shared" 'tls = domain'
    HOST=shared connector four four.example "$shared" 'tls = domain, names = "shared.hop.example"'
    HOST=expired connector wk-expired wk-expired.example "$port_expired" "tls = certificate, $(allow expired "$TOMORROW")"
    HOST=expired connector lp-expired lp-expired.example "$port_expired" "tls = certificate, $(allow expired "$YESTERDAY")"
    HOST=other-host connector wk-name wk-name.example "$port_other_host" "tls = domain, $(allow name "$TOMORROW")"
    HOST=other-host connector lp-name lp-name.example "$port_other_host" "tls = domain, $(allow name "$YESTERDAY")"
    HOST=bare connector wk-plaintext wk-plaintext.example "$bare" "tls = encrypt, $(allow plaintext "$TOMORROW")"
    HOST=bare connector lp-plaintext lp-plaintext.example "$bare" "tls = encrypt, $(allow plaintext "$YESTERDAY")"
    connector ba ba.example "$ba" 'tls = encrypt'
    connector control control.example "$control" 'tls = opportunistic'
    HOST=bare MODE=test connector trial trial.example "$bare" 'tls = domain'
    echo "    outbound \"field\" { kind = partner, mode = enforce, header = [\"X-Route-Via\", \"secure\"],"
    echo "                         smtp = \"asks.hop.example:$asks\", tls = encrypt }"
} >>"$CONNECTORS"

# --- the organisation's own server, by which all of its mail leaves: it gives everything back to us

if [ "$have_postfix" = yes ]; then
    mta_port
    hub_port=$MTA_TAKEN
    postfix_relay_start "$DIR/hub" 127.0.0.1 "$hub_port" 127.0.0.1 "$MTA_PORT" "$HOPS/ca/good.pem" "$HOPS/ca/good.key" \
        "smtp_bind_address = 127.0.0.13" "maillog_file = $DIR/hub/maillog" "maillog_file_prefixes = $DIR" ||
        fail "Postfix as the organisation's own server starts"
    mta_started postfix_stop
    echo "hub.hop.example 127.0.0.1" >>"$HOPS/names"
fi

# --- receivers as docs/cookbook/ sets them up

book_place() { # PAGE: its paths are ours, and the hospital's key is the one of this run
    sed -e "s|/etc/postfix/mx.lab.example|$PKI/lab|g" -e "s|/etc/exim4/mx.lab.example|/etc/pki/lab|g" \
        -e "s|/etc/postfix|$DIR/pf-lab/etc|g" -e "s|^10025 |127.0.0.1:$book_own_port |" |
        case $1 in
        postfix) sed "s|/etc/ssl/certs/ca-certificates.crt|$PKI/public.pem|" ;;
        exim) sed "s|/etc/ssl/certs/ca-certificates.crt|/etc/pki/public.pem|" ;;
        esac
}

book_postfix() {
    mta_port
    book_own_port=$MTA_TAKEN
    mkdir -p "$DIR/pf-lab/etc"
    cookbook postfix partners >"$DIR/pf-lab/etc/partners"
    # the page's own command prints the digest
    digest=$(cookbook postfix key | sed "s|/etc/postern/mx.hospital.example|$PKI/gateway|" | sh | sed 's/.*= *//')
    cookbook postfix hospital_keys | sed "s|^[0-9A-F:]* |$digest |" >"$DIR/pf-lab/etc/hospital_keys"
    cookbook postfix receive | book_place postfix >"$DIR/pf-lab/settings"
    maildir_postfix pf-lab "lab.example ported.example" "$PKI/lab" "$(cat "$DIR/pf-lab/settings")" || return 1
    cookbook postfix port | book_place postfix | postfix_services "$DIR/pf-lab"
    book_postfix_port=$partner_port
}

book_exim() {
    mta_port
    book_exim_port=$MTA_TAKEN
    exim_root=$DIR/ex-lab/root
    exim_jail "$exim_root" mx.lab.example || return 1
    {
        exim_main "$book_exim_port" "$(cookbook exim main | book_place exim)"
        cookbook exim acl
        echo "$EXIM_STORE"
    } >"$exim_root/etc/exim4/exim4.conf"
    exim_spawn "$exim_root" "$book_exim_port"
}

# book_gateway PAGE PORT PARTNER_PORT: Postern as the page has it
book_gateway() {
    {
        common
        cookbook "$1" postern | sed -e "s|smtp = \"mail.hospital.internal\"|maildir = \"$DIR/mail/{domain}/{local}\"|" \
            -e "s|/etc/postern/mx.hospital.example|$PKI/gateway|" -e 's|192.0.2.0/28|127.0.0.10|' \
            -e "s|smtp = \"mx.lab.example\"|smtp = \"mx.lab.example:$3\"|"
    } | live_config "book-$1" "$2"
    live_start "book-$1"
}

# --- our side

common() {
    cat <<END
networks = ["127.0.0.12/32"]
workers = 2
certificate { chain = "$PKI/edge.pem", key = "$PKI/edge.key" }
tls { ca = "$DIR/trusted.pem", client_ca = "$PKI/public.pem" }
dns { unbound_config = "$DIR/unbound.conf" }
retry { first = 1s, max = 2s, warn = 0s, give_up = 8s, bounce_give_up = 30s }
sessions { dead_first = 1s, dead_max = 2s }
limits { out_idle = 1s, out_handshake = 3s, connection_rate = 60000, message_rate = 60000 }
END
}

settings() {
    common
    echo "route \"route.example\" { smtp = \"asks-too.hop.example:$asks_too\" }"
    echo "route \"trial.example\" { smtp = \"bare.hop.example:$bare\" }"
    echo "route \"*\" { smtp = \"far.hop.example:$far\" }"
    cat <<END
organisation "clinic" {
    domain "clinic.example" { maildir = "$DIR/mail/{domain}/{local}" }
    certificate "gateway" { chain = "$PKI/gateway.pem", key = "$PKI/gateway.key" }
    inbound "servers" { kind = on-premises, mode = enforce, addresses = "127.0.0.10" }
$(cat "$CONNECTORS")
}
organisation "rival" {
    domain "rival.example" { maildir = "$DIR/mail/{domain}/{local}" }
    certificate "own" { chain = "$PKI/rival.pem", key = "$PKI/rival.key" }
    inbound "servers" { kind = on-premises, mode = enforce, addresses = "127.0.0.11" }
    outbound "show" { kind = partner, mode = enforce, to = "show.rival-partner.example",
                      smtp = "asks.hop.example:$asks", tls = encrypt, certificate = "own" }
}
organisation "central" {
    domain "central.example" { maildir = "$DIR/mail/{domain}/{local}" }
    inbound "hub" { kind = on-premises, mode = enforce, addresses = "127.0.0.13", require_tls = yes }
    outbound "hub" { kind = on-premises, mode = enforce, everything = yes, tls = certificate,
                     smtp = "hub.hop.example:${hub_port:-9}" }
}
END
}

printf '%s\n' "down.hop.example 127.0.0.1" "mx.lab.example 127.0.0.1" >>"$HOPS/names"
hop_unbound
settings | live_config edge "$MTA_PORT"
middles_ready() {
    [ -e "$DIR/middles.ready" ]
}
"$LIVE_PYTHON" "$PYTHONPATH/middle.py" "$DIR" 2>"$DIR/middle.err" &
echo $! >"$DIR/middle.pid"
if ! hop_start || ! live_wait 10 middles_ready || ! live_start edge; then
    fail "all servers start"
    live_end
fi

export POSTERN="$BIN/postern"
parts() { # PARTS [ARGUMENT]
    live_run "$LIVE_PYTHON" test/live/connectors_out.py "$1" "$DIR" "$MTA_PORT" ${2:+"$2"}
}
parts levels,identity,sharing,odds,field
parts rerouted "127.0.0.1:$asks_too"
[ "$have_postfix" = no ] || parts central
parts explained

run_book() { # PAGE PARTNER_PORT MAIL LOG
    mta_port
    book_gateway "$1" "$MTA_TAKEN" "$2" || { fail "docs/cookbook/$1.md: the gateway starts"; return; }
    live_run "$LIVE_PYTHON" test/live/connectors_out.py book "$DIR" "$MTA_TAKEN" "$1" "$3" "$4" "$2"
    live_stop "book-$1"
}
if [ "$have_postfix" = yes ]; then
    if book_postfix; then
        run_book postfix "$book_postfix_port" "$DIR/pf-lab/mail" "$DIR/pf-lab/maillog"
        mta_port
        book_gateway postfix "$MTA_TAKEN" "$book_own_port" &&
            live_run "$LIVE_PYTHON" test/live/connectors_out.py own_port "$DIR" "$MTA_TAKEN" "$DIR/pf-lab/mail" "$book_own_port"
        live_stop book-postfix
    else
        fail "docs/cookbook/postfix.md: Postfix starts"
    fi
fi
if [ "$have_exim" = yes ]; then
    if book_exim; then
        run_book exim "$book_exim_port" "$exim_root/mail" "$exim_root/var/log/exim4/mainlog"
    else
        fail "docs/cookbook/exim.md: Exim starts"
    fi
fi
live_end
