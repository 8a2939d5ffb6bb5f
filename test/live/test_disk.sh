#!/bin/sh
# test_disk.sh - the disk is full, fails, is read-only or holds garbage; descriptors run out (T-54). Never a
# false 250, never a spin, no loss, a remedy in the log, and mail flows again afterwards. Mounts tmpfs and a
# small ext4 by loop: needs root (skipped plainly otherwise). At most 4 minutes.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
live_begin disk

if [ "$(id -u)" != 0 ]; then
    live_skip "mounting needs root"
fi
mkdir -p "$DIR/edge" "$DIR/ext"
mount -t tmpfs -o size=16m,mode=755 tmpfs "$DIR/edge" 2>"$DIR/mount.out" || live_skip "no mounts here: $(cat "$DIR/mount.out")"
live_undo() {
    umount -l "$DIR/edge" 2>/dev/null
    umount -l "$DIR/ext" 2>/dev/null
    return 0
}
live_ca edge.example ext.example fds.example inside.example
live_mail_folder
# shellcheck disable=SC2046
set -- $(live_ports 4)
edge=$1 inside=$2 fds=$3 ext=$4
patient='workers = 1
networks = ["127.0.0.0/8"]
retry { first = "1s", max = "1s" }
sessions { dead_first = "1s", dead_max = "1s" }'
for pair in "edge $edge" "ext $ext" "fds $fds"; do
    name=${pair% *}
    port=${pair#* }
    {
        echo "$patient"
        live_certificate "$name"
        echo "route \"*\" { smtp = [\"127.0.0.1:$inside\"] }"
    } | live_config "$name" "$port"
done
{
    live_certificate inside
    echo "domain \"example.org\" { maildir = \"$DIR/mail/{domain}/{local}\" }"
} | live_config inside "$inside"

# Each part starts and stops what it needs: disk.py PART BIN FOLDER PORTS
part() {
    LIVE_SECONDS=100 live_run "$LIVE_PYTHON" test/live/disk.py "$1" "$BIN/posternd" "$DIR" "$edge" "$inside" "$fds" "$ext"
}
part full
part corrupt
part descriptors
part read_only

truncate -s 64M "$DIR/ext.img"
if mkfs.ext4 -q -F "$DIR/ext.img" >"$DIR/mount.out" 2>&1 && mount -o loop "$DIR/ext.img" "$DIR/ext" 2>>"$DIR/mount.out"; then
    chmod 755 "$DIR/ext"
    part broken
else
    skip "T-54: a disk that fails" "no loop devices here: $(tail -n 1 "$DIR/mount.out")"
fi
live_end
