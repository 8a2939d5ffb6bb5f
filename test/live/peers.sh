# peers.sh - other people's mail servers, started in private folders and stopped by process id.
#
#     . test/live/peers.sh
#     peers_fetch postfix exim opensmtpd dovecot nsd
#     peers_ca "$dir/ca"; peers_cert "$dir/ca" mx.example ec DNS:mx.example,IP:127.0.0.1
#     postfix_relay_start "$dir/pf" 127.0.0.1 2525 127.0.0.1 2600 "$cert" "$key"
#     pid=$PEER_PID; ...; postfix_stop "$pid"
#
# POSIX sh, to be sourced from the top of the source tree, as root. Each X_start sets PEER_PID and
# returns when its port listens, or fails with the end of its log on stderr. Packages are fetched
# with `apt-get download` and unpacked under PEERS_CACHE; nothing that they bring is installed, but
# for the users that Postfix insists on. Exim and OpenSMTPD, whose paths and users are compiled in,
# run in a root of their own inside a mount namespace that ends with them.
#
#   PEERS_CACHE  where packages are kept           (build/peers)
#   PEERS_WRAP   a command in front of each daemon (none); how the benchmark counts their time

: "${PEERS_CACHE:=$PWD/build/peers}"
: "${PEERS_WRAP:=}"
# shellcheck disable=SC2034 # for whoever sources this
PEER_PID=

peers_say() {
    echo "peers: $*" >&2
}

# --- packages

# peers_unpack NAME PACKAGE...: downloads once, unpacks into PEERS_CACHE/NAME.
peers_unpack() {
    peers_root=$PEERS_CACHE/$1
    shift
    [ -e "$peers_root/.complete" ] && return 0
    rm -rf "$peers_root"
    mkdir -p "$peers_root" "$PEERS_CACHE/debs"
    for peers_package in "$@"; do
        ls "$PEERS_CACHE/debs/${peers_package}_"*.deb >/dev/null 2>&1 ||
            (cd "$PEERS_CACHE/debs" && apt-get -qq download "$peers_package" 2>&1) >&2 || return 1
        for peers_deb in "$PEERS_CACHE/debs/${peers_package}_"*.deb; do
            dpkg-deb -x "$peers_deb" "$peers_root" || return 1
        done
    done
    touch "$peers_root/.complete"
}

# peers_need COMMAND PACKAGE...: installs the packages when the command is not there.
peers_need() {
    peers_command=$1
    shift
    command -v "$peers_command" >/dev/null 2>&1 && return 0
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@" >&2
}

# peers_fetch NAME...: postfix, exim, opensmtpd, dovecot, nsd.
peers_fetch() {
    for peers_name in "$@"; do
        case $peers_name in
        postfix) peers_unpack postfix postfix ;;
        exim) peers_unpack exim exim4-daemon-light exim4-base ;;
        opensmtpd) peers_unpack opensmtpd opensmtpd ;;
        dovecot) [ -x /usr/lib/dovecot/lmtp ] || peers_need /none dovecot-core dovecot-lmtpd ;;
        nsd) peers_need nsd nsd ;;
        *) false ;;
        esac || { peers_say "cannot fetch $peers_name"; return 1; }
        # The shared libraries come from the system; the packages know which.
        peers_libraries "$peers_name" || return 1
    done
}

# peers_libraries NAME: installs the packages of libraries that an unpacked program lacks.
peers_libraries() {
    case $1 in
    postfix) set -- postfix libdb5.3 libicu72 libsasl2-2 libssl3 usr/lib/postfix/sbin/smtpd ;;
    exim) set -- exim4-daemon-light libdb5.3 libgnutls30 libpcre2-8-0 libidn2-0 usr/sbin/exim4 ;;
    opensmtpd) set -- opensmtpd libdb5.3 libevent-2.1-7 libssl3 libpam0g usr/sbin/smtpd ;;
    *) return 0 ;;
    esac
    peers_wanted=
    for peers_package in "$@"; do
        case $peers_package in
        lib*) dpkg -s "$peers_package" >/dev/null 2>&1 || peers_wanted="$peers_wanted $peers_package" ;;
        esac
    done
    [ -z "$peers_wanted" ] && return 0
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $peers_wanted >&2
}

# --- processes

# peers_spawn LOG COMMAND...: in the background, PEER_PID is it.
peers_spawn() {
    peers_log=$1
    shift
    # shellcheck disable=SC2086 # PEERS_WRAP is a command with arguments
    $PEERS_WRAP "$@" >>"$peers_log" 2>&1 </dev/null &
    PEER_PID=$!
}

# peers_listens IP PORT: a socket listens there; nothing is connected to find out.
peers_listens() {
    peers_hex=$(echo "$1" | { IFS=. read -r a b c d; printf '%02X%02X%02X%02X' "$d" "$c" "$b" "$a"; })
    peers_hex_port=$(printf '%04X' "$2")
    grep -qE " ($peers_hex|00000000):$peers_hex_port [0-9A-F]{8}:0000 0A " /proc/net/tcp
}

# peers_wait_port IP PORT [SECONDS [LOG]]: until it listens; prints the end of LOG if it does not.
peers_wait_port() {
    peers_tries=$((${3:-10} * 20))
    while ! peers_listens "$1" "$2"; do
        peers_tries=$((peers_tries - 1))
        if [ $peers_tries -le 0 ]; then
            peers_say "nothing listens on $1:$2"
            [ -n "${4:-}" ] && [ -e "$4" ] && tail -n 20 "$4" >&2
            return 1
        fi
        sleep 0.05
    done
}

# peers_alive PID|-GROUP: it runs; one that waits to be reaped does not.
peers_alive() {
    case $1 in
    -*) pgrep -r D,R,S,T -g "${1#-}" >/dev/null ;;
    *) [ -e "/proc/$1/stat" ] && ! grep -q ') [ZX] ' "/proc/$1/stat" 2>/dev/null ;;
    esac
}

# peers_wait_gone PID|-GROUP [SECONDS]
peers_wait_gone() {
    peers_tries=$((${2:-10} * 20))
    while peers_alive "$1"; do
        peers_tries=$((peers_tries - 1))
        [ $peers_tries -le 0 ] && return 1
        sleep 0.05
    done
}

# peers_stop PID [SECONDS]: asks, waits, then insists.
peers_stop() {
    [ -n "$1" ] || return 0
    kill -TERM "$1" 2>/dev/null || return 0
    peers_wait_gone "$1" "${2:-10}" || kill -KILL "$1" 2>/dev/null
    wait "$1" 2>/dev/null || :
}

# --- certificates

# peers_key FILE ec|rsa
peers_key() {
    case $2 in
    ec) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null ;;
    rsa) openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1" 2>/dev/null ;;
    *) return 1 ;;
    esac
    chmod 644 "$1" # test keys: the peers run as users of their own
}

# peers_ca DIR [ec|rsa]: DIR/ca.pem and DIR/ca.key.
peers_ca() {
    mkdir -p "$1"
    [ -e "$1/ca.pem" ] && return 0
    peers_key "$1/ca.key" "${2:-ec}" &&
        openssl req -x509 -new -key "$1/ca.key" -days 365 -subj "/CN=Test Root ${2:-ec}" \
            -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
            -out "$1/ca.pem"
}

# peers_cert DIR NAME ec|rsa SAN: DIR/NAME.pem and DIR/NAME.key, signed by DIR's CA.
peers_cert() {
    [ -e "$1/$2.pem" ] && return 0
    peers_key "$1/$2.key" "$3" || return 1
    printf '%s\n' "subjectAltName=$4" "basicConstraints=critical,CA:FALSE" \
        "keyUsage=critical,digitalSignature" "extendedKeyUsage=serverAuth,clientAuth" >"$1/$2.ext"
    openssl req -new -key "$1/$2.key" -subj "/CN=$2" |
        openssl x509 -req -CA "$1/ca.pem" -CAkey "$1/ca.key" -CAcreateserial -days 90 \
            -extfile "$1/$2.ext" -out "$1/$2.pem" 2>/dev/null
}

# --- Postfix 3.7

postfix_users() {
    getent passwd postfix >/dev/null ||
        adduser --quiet --system --group --no-create-home --home /nonexistent postfix >&2 || return 1
    getent group postdrop >/dev/null || addgroup --quiet --system postdrop >&2
}

# postfix_dirs DIR: the queue as Debian's post-install makes it.
postfix_dirs() {
    mkdir -p "$1/etc" "$1/queue" "$1/data" "$1/mail"
    for peers_name in incoming active bounce defer deferred flush trace corrupt saved hold private; do
        mkdir -p "$1/queue/$peers_name"
        chown postfix:root "$1/queue/$peers_name"
        chmod 700 "$1/queue/$peers_name"
    done
    mkdir -p "$1/queue/pid" "$1/queue/public" "$1/queue/maildrop"
    chown postfix:postdrop "$1/queue/public" "$1/queue/maildrop"
    chmod 2710 "$1/queue/public"
    chmod 1730 "$1/queue/maildrop"
    chown postfix:postfix "$1/data" "$1/mail"
    chmod 700 "$1/data"
}

# postfix_main DIR IP PORT CERT KEY: what the roles share. Without CERT no TLS is offered.
postfix_main() {
    peers_root=$PEERS_CACHE/postfix
    cat <<EOF
compatibility_level = 3.6
queue_directory = $1/queue
data_directory = $1/data
command_directory = $peers_root/usr/sbin
daemon_directory = $peers_root/usr/lib/postfix/sbin
shlib_directory = $peers_root/usr/lib/postfix
meta_directory = $1/etc
sendmail_path = $peers_root/usr/sbin/sendmail
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C LD_LIBRARY_PATH POSTLOG_SERVICE POSTLOG_HOSTNAME
export_environment = TZ MAIL_CONFIG LANG LD_LIBRARY_PATH
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.bench.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = $2
inet_protocols = ipv4
local_header_rewrite_clients =
local_recipient_maps =
alias_maps =
alias_database =
append_dot_mydomain = no
biff = no
notify_classes =
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
message_size_limit = 104857600
mailbox_size_limit = 0
virtual_mailbox_limit = 0
EOF
    [ -z "$4" ] && echo "smtpd_tls_security_level = none" && return
    cat <<EOF
smtpd_tls_security_level = may
smtpd_tls_chain_files = $5, $4
EOF
}

# postfix_master IP PORT: Debian's services but for those that nobody calls here.
postfix_master() {
    cat <<EOF
$1:$2      inet  n       -       n       -       -       smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
tlsproxy  unix  -       -       n       -       0       tlsproxy
postlog   unix-dgram n  -       n       -       1       postlogd
EOF
}

# postfix_launch DIR IP PORT: starts master over a finished configuration.
postfix_launch() {
    peers_root=$PEERS_CACHE/postfix
    postfix_master "$2" "$3" >"$1/etc/master.cf"
    rm -f "$1/queue/pid/master.pid"
    # shellcheck disable=SC2086 # PEERS_WRAP is a command with arguments
    LD_LIBRARY_PATH=$peers_root/usr/lib/postfix $PEERS_WRAP \
        "$peers_root/usr/lib/postfix/sbin/master" -w -c "$1/etc" >>"$1/log" 2>&1 </dev/null || {
        peers_say "postfix did not start"
        tail -n 20 "$1/log" >&2
        return 1
    }
    # shellcheck disable=SC2034
    PEER_PID=$(tr -d ' \n' <"$1/queue/pid/master.pid")
    peers_wait_port "$2" "$3" 10 "$1/log"
}

# postfix_relay_start DIR IP PORT NEXT_IP NEXT_PORT CERT KEY [SETTING...]
# Takes mail on IP:PORT and gives all of it to the next hop, over TLS when CERT is not empty.
# A setting is a line of main.cf: "default_process_limit = 2000". Without a setting maillog_file it
# logs to syslog, that is nowhere when there is none.
postfix_relay_start() {
    postfix_users && mkdir -p "$1" && postfix_dirs "$1" || return 1
    {
        postfix_main "$1" "$2" "$3" "$6" "$7"
        echo "relayhost = [$4]:$5"
        [ -n "$6" ] && echo "smtp_tls_security_level = encrypt"
        [ -z "$6" ] && echo "smtp_tls_security_level = none"
    } >"$1/etc/main.cf"
    peers_dir=$1 peers_ip=$2 peers_port=$3
    shift 7
    for peers_line in "$@"; do echo "$peers_line"; done >>"$peers_dir/etc/main.cf"
    postfix_launch "$peers_dir" "$peers_ip" "$peers_port"
}

# postfix_maildir_start DIR IP PORT DOMAIN CERT KEY [SETTING...]
# Takes mail for any user of DOMAIN into DIR/mail/DOMAIN/ (one Maildir).
postfix_maildir_start() {
    postfix_users && mkdir -p "$1" && postfix_dirs "$1" || return 1
    {
        postfix_main "$1" "$2" "$3" "$5" "$6"
        cat <<EOF
virtual_mailbox_domains = $4
virtual_mailbox_base = $1/mail
virtual_mailbox_maps = static:$4/
virtual_minimum_uid = 1
virtual_uid_maps = static:$(id -u postfix)
virtual_gid_maps = static:$(id -g postfix)
EOF
    } >"$1/etc/main.cf"
    peers_dir=$1 peers_ip=$2 peers_port=$3
    shift 6
    for peers_line in "$@"; do echo "$peers_line"; done >>"$peers_dir/etc/main.cf"
    postfix_launch "$peers_dir" "$peers_ip" "$peers_port"
}

# postfix_run DIR COMMAND ARG...: one of Postfix's own commands (sendmail, postqueue, postconf,
# posttls-finger, smtp-source, smtp-sink) with the configuration of DIR.
postfix_run() {
    peers_dir=$1 peers_command=$2
    shift 2
    MAIL_CONFIG=$peers_dir/etc LD_LIBRARY_PATH=$PEERS_CACHE/postfix/usr/lib/postfix \
        "$PEERS_CACHE/postfix/usr/sbin/$peers_command" "$@"
}

# postfix_queued DIR: how many messages are in the queue.
postfix_queued() {
    find "$1/queue/maildrop" "$1/queue/incoming" "$1/queue/active" "$1/queue/deferred" \
        -type f 2>/dev/null | wc -l
}

# postfix_stop PID: master ends its children; those who stay are ended with its group.
postfix_stop() {
    [ -n "$1" ] || return 0
    kill -TERM "$1" 2>/dev/null || return 0
    peers_wait_gone "$1" 10 || kill -KILL "$1" 2>/dev/null
    peers_wait_gone "-$1" 5 || kill -KILL -- "-$1" 2>/dev/null || :
}

# --- a root of its own

# jail_works: mount namespaces can be made here; not so in a plain chroot or an unprivileged container.
jail_works() {
    unshare --mount --propagation private true 2>/dev/null
}

# jail_make DIR: an empty root whose /usr is the system's with a package on top.
jail_make() {
    for peers_name in usr etc/ssl/certs var/empty var/spool var/log run dev proc tmp root mail; do
        mkdir -p "$1/$peers_name"
    done
    for peers_name in bin sbin lib lib64; do ln -sfn "usr/$peers_name" "$1/$peers_name"; done
    ln -sfn /run "$1/var/run"
    chmod 1777 "$1/tmp"
    chown 8:8 "$1/mail"
    cat >"$1/etc/passwd" <<EOF
root:x:0:0:root:/root:/bin/sh
mail:x:8:8:mail:/mail:/usr/sbin/nologin
Debian-exim:x:990:990::/var/spool/exim4:/usr/sbin/nologin
opensmtpd:x:991:991::/var/lib/opensmtpd/empty:/usr/sbin/nologin
opensmtpq:x:992:992::/var/lib/opensmtpd/empty:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
EOF
    printf '%s\n' root:x:0: mail:x:8: Debian-exim:x:990: opensmtpd:x:991: opensmtpq:x:992: \
        nogroup:x:65534: >"$1/etc/group"
    echo "127.0.0.1 localhost" >"$1/etc/hosts"
    printf '%s\n' "passwd: files" "group: files" "hosts: files" >"$1/etc/nsswitch.conf"
    : >"$1/etc/resolv.conf"
    cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/" 2>/dev/null || :
    for peers_name in ld.so.cache ld.so.conf localtime services protocols; do
        [ ! -e "/etc/$peers_name" ] || cp -L "/etc/$peers_name" "$1/etc/$peers_name" || return 1
    done
}

# jail_spawn DIR PACKAGE_ROOT LOG COMMAND...: PEER_PID is the command, inside.
jail_spawn() {
    peers_jail=$1 peers_root=$2 peers_jail_log=$3
    shift 3
    # shellcheck disable=SC2016 # expanded inside
    peers_spawn "$peers_jail_log" unshare --mount --propagation private sh -ec '
        jail=$1; root=$2; shift 2
        mount -t overlay overlay -o "lowerdir=$root/usr:/usr" "$jail/usr"
        mount --rbind /dev "$jail/dev"
        mount -t proc proc "$jail/proc"
        exec chroot "$jail" "$@"' jail "$peers_jail" "$peers_root" "$@"
}

# --- Exim 4.96

# exim_config NEXT_IP NEXT_PORT TLS: relays all; with a next port of 0 into /mail, one Maildir.
exim_config() {
    cat <<EOF
primary_hostname = exim.bench.example
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim4/%slog
pid_file_path = /run/exim.pid
host_lookup =
helo_lookup_domains =
rfc1413_query_timeout = 0s
smtp_accept_max = 400
smtp_accept_queue_per_connection = 0
remote_max_parallel = 20
acl_smtp_rcpt = accept_local
acl_smtp_data = acl_check_data
chunking_advertise_hosts = *
EOF
    if [ -n "$3" ]; then
        printf '%s\n' "tls_advertise_hosts = *" "tls_certificate = /etc/host.pem" \
            "tls_privatekey = /etc/host.key"
    else
        echo "tls_advertise_hosts ="
    fi
    cat <<EOF
begin acl
accept_local:
  accept hosts = 127.0.0.0/8
  deny
acl_check_data:
  accept
begin routers
EOF
    if [ "$2" = 0 ]; then
        printf '%s\n' "store:" "  driver = accept" "  transport = maildir"
    else
        printf '%s\n' "out:" "  driver = manualroute" "  route_list = * $1::$2 byname" \
            "  self = send" "  transport = smtp"
    fi
    cat <<EOF
begin transports
smtp:
  driver = smtp
  hosts_require_tls = ${3:+*}
  allow_localhost
maildir:
  driver = appendfile
  directory = /mail/Maildir
  maildir_format
  create_directory
  user = mail
  group = mail
begin retry
* * F,1h,1m
EOF
}

# exim_start DIR IP PORT NEXT_IP NEXT_PORT CERT KEY: NEXT_PORT 0 keeps mail in DIR/root/mail.
exim_start() {
    jail_make "$1/root" || return 1
    mkdir -p "$1/root/etc/exim4" "$1/root/var/spool/exim4" "$1/root/var/log/exim4"
    chown -R 990:990 "$1/root/var/spool/exim4" "$1/root/var/log/exim4"
    if [ -n "$6" ]; then
        cp "$6" "$1/root/etc/host.pem"
        cp "$7" "$1/root/etc/host.key"
    fi
    {
        echo "local_interfaces = <; [$2]:$3"
        exim_config "$4" "$5" "$6"
    } >"$1/root/etc/exim4/exim4.conf"
    jail_spawn "$1/root" "$PEERS_CACHE/exim" "$1/log" /usr/sbin/exim4 -bdf -q5m || return 1
    peers_wait_port "$2" "$3" 10 "$1/log"
}

# --- OpenSMTPD 6.8, in clear, or with TLS as a client without a certificate: see README.md

# opensmtpd_start DIR IP PORT NEXT_IP NEXT_PORT [SCHEME [CERT KEY]]: NEXT_PORT 0 keeps mail in DIR/root/mail.
# SCHEME: smtp+tls demands TLS of the next hop, smtp+notls uses none; CERT is shown to it.
opensmtpd_start() {
    jail_make "$1/root" || return 1
    mkdir -p "$1/root/var/lib/opensmtpd/empty" "$1/root/var/spool/smtpd"
    chmod 711 "$1/root/var/spool/smtpd"
    echo opensmtpd.bench.example >"$1/root/etc/mailname"
    peers_pki=
    if [ -n "${7:-}" ]; then
        mkdir -p "$1/root/etc/pki"
        cp "$7" "$1/root/etc/pki/client.pem"
        cp "$8" "$1/root/etc/pki/client.key"
        chmod 600 "$1/root/etc/pki/client.key"
        peers_pki='pki client'
    fi
    {
        [ -z "$peers_pki" ] ||
            printf 'pki client %s\n' 'cert "/etc/pki/client.pem"' 'key "/etc/pki/client.key"'
        echo "listen on $2 port $3"
        if [ "$5" = 0 ]; then
            echo 'action "go" maildir "/mail/Maildir" virtual { "@" = "mail" }'
        else
            peers_tls=
            [ "${6:-}" != smtp+tls ] || peers_tls='tls no-verify'
            echo "action \"go\" relay host \"${6:-smtp}://$4:$5\" $peers_pki $peers_tls"
        fi
        echo 'match from any for any action "go"'
    } >"$1/root/etc/smtpd.conf"
    jail_spawn "$1/root" "$PEERS_CACHE/opensmtpd" "$1/log" /usr/sbin/smtpd -d -f /etc/smtpd.conf ||
        return 1
    peers_wait_port "$2" "$3" 10 "$1/log"
}

# --- Dovecot, LMTP only

# dovecot_start DIR IP PORT CERT KEY: also on the socket DIR/run/lmtp; mail in DIR/mail/USER/Maildir.
# It serves any user; with CERT it offers STARTTLS.
dovecot_start() {
    mkdir -p "$1/run" "$1/state" "$1/mail"
    chown mail:mail "$1/mail"
    cat >"$1/dovecot.conf" <<EOF
base_dir = $1/run
state_dir = $1/state
log_path = $1/log
protocols = lmtp
listen = $2
hostname = dovecot.bench.example
ssl = ${4:+yes}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/Maildir
auth_username_format = %Ln
postmaster_address = postmaster@bench.example
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=mail gid=mail home=$1/mail/%n allow_all_users=yes
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
  inet_listener lmtp {
    address = $2
    port = $3
  }
}
EOF
    if [ -n "$4" ]; then
        printf '%s\n' "ssl_cert = <$4" "ssl_key = <$5" >>"$1/dovecot.conf"
    else
        sed -i 's/^ssl = .*/ssl = no/' "$1/dovecot.conf"
    fi
    peers_spawn "$1/log" /usr/sbin/dovecot -F -c "$1/dovecot.conf"
    peers_wait_port "$2" "$3" 10 "$1/log"
}

# --- nsd

# nsd_start DIR IP PORT ZONE FILE [ZONE FILE]...: FILE is served as it is, signed or not.
nsd_start() {
    mkdir -p "$1"
    {
        printf '%s\n' "server:" "  ip-address: $2@$3" "  username: \"\"" "  zonesdir: \"$1\"" \
            "  database: \"\"" "  pidfile: \"$1/nsd.pid\"" "  xfrdfile: \"$1/xfrd.state\"" \
            "  zonelistfile: \"$1/zone.list\"" "  cookie-secret-file: \"\"" "  server-count: 1" \
            "remote-control:" "  control-enable: no"
        peers_dir=$1 peers_ip=$2 peers_port=$3
        shift 3
        while [ $# -ge 2 ]; do
            printf '%s\n' "zone:" "  name: \"$1\"" "  zonefile: \"$2\""
            shift 2
        done
    } >"$1/nsd.conf"
    peers_spawn "$peers_dir/log" nsd -d -c "$peers_dir/nsd.conf"
    peers_wait_port "$peers_ip" "$peers_port" 10 "$peers_dir/log"
}

# zone_sign DIR ZONE FILE: writes FILE.signed, and the anchor as DS into DIR/ZONE.ds.
zone_sign() {
    peers_need ldns-signzone ldnsutils || return 1
    mkdir -p "$1"
    (
        cd "$1" || exit 1
        key=$(ldns-keygen -k -a ECDSAP256SHA256 "$2") || exit 1
        ldns-signzone -e "$(date -d '+30 days' +%Y%m%d%H%M%S)" -f "$3.signed" "$3" "$key" &&
            cat "$key.ds" >"$1/$2.ds"
    )
}
