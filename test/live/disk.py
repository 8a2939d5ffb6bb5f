"""disk.py PART POSTERND FOLDER EDGE INSIDE FDS EXT - one part of test_disk.sh."""

import fcntl
import glob
import os
import resource
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import time

from smtp import Gone, Peer, attempt, check, children, cpu_seconds, greets, message, wait_for


class Daemon:
    def __init__(self, posternd, folder, name, port, descriptors=0):
        self.name, self.port, self.folder = name, port, folder
        self.log_path = "%s/%s.log" % (folder, name)
        self.pid_path = "%s/%s.pid" % (folder, name)
        self.args = [posternd, "-c", "%s/%s.conf" % (folder, name)]
        self.descriptors = descriptors
        self.process = None

    def spawn(self):
        def limit():
            if self.descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.args, stderr=log, preexec_fn=limit)
        with open(self.pid_path, "w") as f:
            f.write(str(self.process.pid))
        return self

    def start(self):
        self.spawn()
        if not wait_for(20, greets, self.port):
            raise Gone("%s does not greet" % self.name)
        return self

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            for pid in children(self.process.pid) + [self.process.pid]:
                os.kill(pid, signal.SIGKILL)
            self.process.wait()
        if os.path.exists(self.pid_path):
            os.unlink(self.pid_path)

    def log(self, since=0):
        with open(self.log_path, errors="replace") as f:
            return f.read()[since:]

    def busy(self):
        """CPU seconds of the daemon's processes that are there now."""
        return sum(cpu_seconds(p) for p in [self.process.pid] + children(self.process.pid))

    def spin(self, seconds):
        """CPU seconds that it needs while nobody asks for anything."""
        pids = [self.process.pid] + children(self.process.pid)
        before = self.busy()
        time.sleep(seconds)
        return self.busy() - before if pids == [self.process.pid] + children(self.process.pid) else 99


class World:
    def __init__(self, posternd, folder, ports):
        self.posternd, self.folder = posternd, folder
        self.ports = dict(zip(("edge", "inside", "fds", "ext"), ports))

    def daemon(self, name, descriptors=0):
        return Daemon(self.posternd, self.folder, name, self.ports[name], descriptors)

    def mails(self, local):
        return len(glob.glob("%s/mail/example.org/%s/new/*" % (self.folder, local)))

    def arrived(self, accepted):
        return all(self.mails(to) == 1 for to in accepted)


def send(port, to, n_bytes=100, timeout=20):
    """The code that a message got, or the words of what went wrong."""
    try:
        peer = Peer(port, timeout=timeout)
        if peer.greeting[0] != 220:
            return peer.greeting[0]
        peer.ehlo()
        code = peer.envelope("ada@example.net", to + "@example.org")
        if code != 250:
            return code
        body = ("%s\r\n" % ("x" * 74)) * (n_bytes // 76 + 1)
        return peer.data(message(to, body=body, to=to))[0]
    except (Gone, OSError, ValueError) as e:
        return str(e)


def judge_arrival(w, what, accepted):
    inside = w.daemon("inside").start()
    good = wait_for(40, w.arrived, accepted)
    check("T-54: %s: all %d accepted messages arrive once" % (what, len(accepted)), good,
          [(a, w.mails(a)) for a in accepted if w.mails(a) != 1][:5])
    return inside


def full(w):
    edge = w.daemon("edge").start()
    accepted, codes = [], []
    for i in range(60):
        to = "full-%d" % i
        code = send(edge.port, to, 1000000)
        codes.append(code)
        if code == 250:
            accepted.append(to)
        if len([c for c in codes if c != 250]) >= 8:
            break
    refused = [c for c in codes if c != 250]
    check("T-54: a full disk: mail is accepted while there is room (%d)" % len(accepted), len(accepted) > 3, codes)
    check("T-54: a full disk: then 452 or 421", refused and all(c in (452, 421) for c in refused), codes)
    small = [send(edge.port, "small-%d" % i, 10) for i in range(3)]
    accepted += ["small-%d" % i for i in range(3) if small[i] == 250]
    check("T-54: a full disk: small mail gets a plain answer", all(c in (250, 452, 421) for c in small), small)
    spin = edge.spin(5)
    check("T-54: a full disk: no spin (%.1f s of 5)" % spin, spin < 1.5, spin)
    check("T-54: a full disk is in the log", "store.full" in edge.log())
    subprocess.run(["mount", "-o", "remount,size=200m", w.folder + "/edge"], check=True)

    def recovered():
        return send(edge.port, "again", 1000) == 250
    check("T-54: a full disk: mail flows when there is room again", wait_for(15, recovered))
    inside = judge_arrival(w, "a full disk", accepted)
    ghosts = ["full-%d" % i for i in range(len(codes)) if codes[i] != 250 and w.mails("full-%d" % i)]
    check("T-54: a full disk: what was refused does not arrive", not ghosts, ghosts)
    edge.stop()
    inside.stop()


def settle(path):
    """All that is in the write-ahead log goes into the file."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def corrupt(w):
    """Each time: the queue holds a message, its file is harmed while nobody runs."""
    def flip(path):
        size = os.path.getsize(path)
        with open(path, "r+b") as f:
            for at in range(100, size, 512):
                f.seek(at)
                f.write(b"\xa5" * 64)

    def cut(path):
        os.truncate(path, os.path.getsize(path) * 2 // 3 | 1)

    def text(path):
        with open(path, "wb") as f:
            f.write(b"this is no database\n" * 1000)
    for name, harm in (("flipped bytes", flip), ("a file cut short", cut), ("another kind of file", text)):
        shutil.rmtree(w.folder + "/edge/queue", ignore_errors=True)
        edge = w.daemon("edge").start()
        codes = [send(edge.port, "corrupt", 200000) for _ in range(5)]
        edge.stop()
        settle(w.folder + "/edge/queue/shard-0000.db")
        harm(w.folder + "/edge/queue/shard-0000.db")
        since = len(edge.log())
        edge.spawn()
        before = time.monotonic()
        time.sleep(6)
        log = edge.log(since)
        starts = log.count("worker.started")
        check("T-54: %s: refused with file and remedy" % name, "worker.failed" in log and "shard-0000.db" in log
              and "remedy" in log or "move" in log or "restore" in log, log[:800])
        check("T-54: %s: no crash loop at full speed (%d starts in %.0f s)" % (name, starts, time.monotonic() - before),
              starts <= 8, starts)
        check("T-54: %s: no mail is taken meanwhile" % name, codes[0] == 250 and send(edge.port, "never", timeout=3) != 250)
        edge.stop()
    shutil.rmtree(w.folder + "/edge/queue", ignore_errors=True)
    edge = w.daemon("edge").start()
    check("T-54: after the harmed file is moved away, mail flows", send(edge.port, "fresh") == 250)
    edge.stop()
    shutil.rmtree(w.folder + "/edge/queue", ignore_errors=True)


def descriptors(w):
    fds = w.daemon("fds", descriptors=64).start()
    worker = children(fds.process.pid)
    held = []
    for _ in range(200):
        s = socket.create_connection(("127.0.0.1", fds.port), 5)
        s.settimeout(0.2)
        held.append(s)
    time.sleep(1)
    spin = fds.spin(5)
    check("T-54: no descriptors left: no spin (%.1f s of 5)" % spin, spin < 1.5, spin)
    codes = []
    for s in held[:3]:  # these were accepted: they can still deliver, or are told to wait
        try:
            peer = Peer.__new__(Peer)
            peer.sock, peer.buffer = s, b""
            s.settimeout(10)
            codes.append(peer.reply()[0])
            peer.ehlo()
            codes.append(peer.envelope("ada@example.net", "fds@example.org"))
        except (Gone, OSError, ValueError) as e:
            codes.append(str(e))
    check("T-54: no descriptors left: who is in is served", codes == [220, 250] * 3, codes)
    for s in held:
        s.close()
    check("T-54: it recovers", wait_for(20, lambda: send(fds.port, "fds-after") == 250))
    check("T-54: no worker died of it", children(fds.process.pid) == worker, (worker, children(fds.process.pid)))
    inside = judge_arrival(w, "no descriptors left", ["fds-after"])
    fds.stop()
    inside.stop()


def read_only(w):
    mount = w.folder + "/edge"
    edge = w.daemon("edge").start()
    code = send(edge.port, "before-ro")
    edge.stop()
    subprocess.run(["mount", "-o", "remount,ro", mount], check=True)
    since = len(edge.log())
    edge.spawn()
    time.sleep(4)
    log = edge.log(since)
    check("T-54: a read-only disk is named at the start", "ead-only" in log, log[:600])
    check("T-54: and started on at most at leisure", log.count("worker.started") <= 6, log.count("worker.started"))
    check("T-54: a read-only disk takes no mail", send(edge.port, "never-ro", timeout=3) != 250)
    subprocess.run(["mount", "-o", "remount,rw", mount], check=True)
    if edge.process.poll() is not None:
        edge.spawn()
    check("T-54: writable again, it takes mail", wait_for(20, lambda: send(edge.port, "after-ro") == 250))
    inside = judge_arrival(w, "a read-only disk", [x for x, c in (("before-ro", code), ("after-ro", 250)) if c == 250])
    edge.stop()
    inside.stop()


def broken(w):
    """The file system is shut down under the daemon, as after an error of the device: EIO for all."""
    ext4_shutdown, no_log_flush = 0x8004587d, 2
    ext = w.daemon("ext").start()
    accepted = [to for to in ("eio-%d" % i for i in range(10)) if send(ext.port, to, 100000) == 250]
    fd = os.open(w.folder + "/ext", os.O_RDONLY)
    fcntl.ioctl(fd, ext4_shutdown, struct.pack("I", no_log_flush))
    os.close(fd)
    codes = [send(ext.port, "eio-late-%d" % i) for i in range(5)]
    check("T-54: EIO: no false 250", all(c in (421, 451, 452) for c in codes), codes)
    check("T-54: EIO: then 421, for the shard is not trusted again", codes[-1] == 421, codes)
    spin = ext.spin(5)
    check("T-54: EIO: no spin (%.1f s of 5)" % spin, spin < 1.5, spin)
    ext.stop()
    subprocess.run(["umount", w.folder + "/ext"], check=True)
    subprocess.run(["mount", "-o", "loop", w.folder + "/ext.img", w.folder + "/ext"], check=True)
    ext.start()
    inside = judge_arrival(w, "EIO", accepted)
    check("T-54: EIO: mail flows after the restart", send(ext.port, "eio-after") == 250)
    ext.stop()
    inside.stop()


def main():
    part, posternd, folder = sys.argv[1:4]
    w = World(posternd, folder, [int(p) for p in sys.argv[4:]])
    parts = {"full": full, "corrupt": corrupt, "descriptors": descriptors, "read_only": read_only, "broken": broken}
    start = time.monotonic()
    attempt("T-54: the part `%s` runs to its end" % part, parts[part], w)
    print("# %s: %.1f s" % (part, time.monotonic() - start))


main()
