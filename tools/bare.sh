#!/bin/sh
# bare.sh SUITE [KIND...] - a bare Debian of that suite made with debootstrap, the committed tree cloned into
# it, and the README's commands run there, as a newcomer would. bookworm: ./dev run and ./dev test, with
# those kinds; trixie (gcc 14, OpenSSL 3.5): ./dev build and the unit tests. Needs root. What debootstrap made
# and the packages that were fetched are kept in build/bare for another run; each run begins with a bare root.
set -eu
suite=$1
shift
base=$PWD/build/bare/$suite.base
root=$PWD/build/bare/$suite
debs=$PWD/build/bare/$suite.debs
[ "$(id -u)" = 0 ] || { echo "bare.sh: debootstrap needs root" >&2; exit 1; }

# The mirror that this machine uses.
mirror() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
		sed -nE 's/^(URIs:|deb(-src)?) *(\[[^]]*\] *)?(https?:[^ ]+debian\/?)( .*)?$/\4/p' | head -n 1
}
if [ ! -f "$base.made" ]; then
	from=${MIRROR:-$(mirror)}
	from=${from:-http://deb.debian.org/debian}
	rm -rf "$base"
	mkdir -p "$base" "$debs/partial"
	debootstrap --variant=minbase "$suite" "$base" "$from" >"$base.log" 2>&1 ||
		{ tail -n 20 "$base.log" >&2; exit 1; }
	echo "deb ${from%/}-security $suite-security main" >>"$base/etc/apt/sources.list"
	for f in /etc/apt/apt.conf.d/*proxy*; do
		[ ! -f "$f" ] || cp "$f" "$base/etc/apt/apt.conf.d/"
	done
	touch "$base.made"
fi
rm -rf --one-file-system "$root"
cp -a "$base" "$root"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
GIT_CONFIG_COUNT=0 git -c safe.directory='*' clone -q . "$root/root/postern"

# inside COMMAND: in namespaces of its own; mounts and processes end with it
inside() {
	echo "bare.sh: $suite: $1"
	# shellcheck disable=SC2016 # expanded inside
	unshare --mount --pid --fork --kill-child sh -euc '
		mount --bind "$1" "$1" # a root that is a mount: namespaces can be made inside
		mount -t proc proc "$1/proc"
		for m in sys dev dev/pts; do mount --bind "/$m" "$1/$m"; done
		mkdir -p "$1/var/cache/apt/archives"
		mount --bind "$2" "$1/var/cache/apt/archives"
		exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
			sh -c "cd /root/postern && $3"' inside "$root" "$debs" "$1"
}
if [ "$suite" = trixie ]; then
	inside './dev build && make -s -j$(nproc) V=dev unit'
else
	inside './dev run </dev/null'
	inside "./dev test ${*:-${KINDS:-}}"
fi
