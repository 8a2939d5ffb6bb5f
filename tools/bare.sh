#!/bin/sh
# bare.sh SUITE - a bare Debian of that suite made with debootstrap, the committed tree cloned into it, and the
# README's commands run there, as a newcomer would. bookworm: ./dev run and ./dev test; trixie (OpenSSL
# 3.5): ./dev build and the unit tests. Needs root. The root is kept in build/bare-SUITE for another run.
set -eu
suite=$1
root=$PWD/build/bare-$suite
mirror=${MIRROR:-$(sed -nE 's/^(URIs:|deb(-src)?) *(\[[^]]*\] *)?(https?:[^ ]+debian\/?)( .*)?$/\4/p' \
	/etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)}
[ "$(id -u)" = 0 ] || { echo "bare.sh: debootstrap needs root" >&2; exit 1; }

mounted=
finish() {
	for m in $mounted; do umount -l "$m" 2>/dev/null || true; done
}
trap finish EXIT INT TERM

if [ ! -f "$root/.made" ]; then
	rm -rf "$root"
	debootstrap --variant=minbase "$suite" "$root" "${mirror:-http://deb.debian.org/debian}" >"$root.log" 2>&1 ||
		{ tail -n 20 "$root.log" >&2; exit 1; }
	for f in /etc/apt/apt.conf.d/*proxy*; do [ -f "$f" ] && cp "$f" "$root/etc/apt/apt.conf.d/"; done
	touch "$root/.made"
fi
cp /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null || true
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
for m in proc sys dev dev/pts; do
	mkdir -p "$root/$m"
	mount --bind "/$m" "$root/$m" && mounted="$root/$m $mounted"
done

rm -rf "$root/root/postern"
git -c safe.directory='*' clone -q . "$root/root/postern"
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 sh -c "cd /root/postern && $1"; }
if [ "$suite" = trixie ]; then
	inside './dev build dev && make -s -j2 V=dev unit'
	exit
fi
inside './dev run </dev/null'
inside "./dev test ${KINDS:-}"
