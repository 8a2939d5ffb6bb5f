"""crash.py POSTERND FOLDER EDGE_PORT INSIDE_PORT SEED KILLS SECONDS

Starts both hops, keeps senders busy, kills processes of either hop at random, lets calm return, and
compares what was accepted with what is in the mailboxes. Each message carries its id and a digest
of its body. The senders never send a message again, so a copy too many is ours."""

import collections
import email
import glob
import hashlib
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time

from smtp import Gone, Peer, check, children, greets, message, wait_for

SENDERS = 6
CALM_SECONDS = 90
SESSIONS = 4 * 2  # outgoing: of one hop, both workers


class Hop:
    def __init__(self, posternd, folder, name, port):
        self.name, self.port = name, port
        self.args = [posternd, "-c", "%s/%s.conf" % (folder, name)]
        self.log = open("%s/%s.log" % (folder, name), "ab")
        self.pid_file = "%s/%s.pid" % (folder, name)
        self.process = None
        self.workers = set()  # every one that was seen
        self.restarts = self.orphans = 0
        self.slowest_death = 0.0

    def start(self):
        self.process = subprocess.Popen(self.args, stderr=self.log)
        with open(self.pid_file, "w") as f:
            f.write(str(self.process.pid))

    def look(self):
        now = children(self.process.pid)
        self.workers.update(now)
        return now

    def kill_worker(self, rng):
        now = self.look()
        if not now:
            return 0
        os.kill(rng.choice(now), signal.SIGKILL)
        return 1

    def kill_supervisor(self):
        """The workers must end by themselves; then it is started again."""
        orphans = self.look()
        self.process.kill()
        self.process.wait()
        start = time.monotonic()
        while any(alive(p) for p in orphans) and time.monotonic() < start + 10:
            time.sleep(0.02)
        self.slowest_death = max(self.slowest_death, time.monotonic() - start)
        for p in orphans:
            if alive(p):
                self.orphans += 1
                os.kill(p, signal.SIGKILL)
        self.restarts += 1
        self.start()
        return 1

    def kill_all(self):
        now = self.look()
        for p in now + [self.process.pid]:
            os.kill(p, signal.SIGKILL)
        self.process.wait()
        self.restarts += 1
        self.start()
        return len(now) + 1


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Ledger:
    """What the senders know of each message."""

    def __init__(self):
        self.lock = threading.Lock()
        self.n = 0
        self.accepted, self.refused, self.unknown = {}, {}, {}
        self.stop = False

    def next(self):
        with self.lock:
            self.n += 1
            return "m%06d" % self.n


def body_of(rng):
    n = rng.choice([0, 1, 30, 30, 30, 200, 200, 2000, 5000])
    return "".join("%s\r\n" % ("%08x" % rng.getrandbits(32) * rng.randint(1, 12)) for _ in range(n))


def send_one(peer, ledger, rng):
    ident = ledger.next()
    body = body_of(rng)
    n_to = rng.choice([1, 1, 1, 2, 5])
    to = ["%s-%d@%s" % (ident, i, "nowhere.example" if rng.random() < 0.1 else "example.org") for i in range(n_to)]
    digest = hashlib.sha256(body.encode()).hexdigest()
    text = message(ident, "X-Digest: %s\r\n" % digest, body)
    sender = "%s@example.net" % ident
    with ledger.lock:
        ledger.unknown[ident] = to
    code = peer.envelope(sender, *to)
    if code == 250:
        code = (peer.data(text) if rng.random() < 0.5 else peer.bdat(text, 50000))[0]
    with ledger.lock:
        del ledger.unknown[ident]
        (ledger.accepted if code == 250 else ledger.refused)[ident] = to
    return code == 250


def session(port, ledger, rng):
    peer = Peer(port, timeout=10)
    try:
        peer.ehlo()
        if rng.random() < 0.7:
            peer.starttls()
            peer.ehlo()
        for _ in range(rng.randint(1, 30)):
            if ledger.stop:
                break
            if not send_one(peer, ledger, rng):
                time.sleep(0.1)
                break
            time.sleep(0.02)
    finally:
        peer.close()


def send_all(port, ledger, seed):
    rng = random.Random(seed)
    while not ledger.stop:
        try:
            session(port, ledger, rng)
        except (Gone, OSError, ValueError):
            time.sleep(0.05)


def fire(hops, rng, kills, seconds):
    end, done, by_kind = time.monotonic() + seconds, 0, collections.Counter()
    while done < kills and time.monotonic() < end:
        time.sleep(rng.uniform(0.05, 1.2))
        hop = rng.choice(hops)
        kind = rng.choice(["worker"] * 6 + ["supervisor"] * 2 + ["all"])
        n = {"worker": lambda: hop.kill_worker(rng), "supervisor": hop.kill_supervisor, "all": hop.kill_all}[kind]()
        done += n
        by_kind[kind] += n
    return done, by_kind


# --- what arrived

def mailboxes(folder):
    """({recipient: copies}, {sender of a bounce: recipients it speaks of}, damaged files)"""
    got, bounced, bad = collections.Counter(), collections.defaultdict(collections.Counter), []
    for path in glob.glob(folder + "/*/*/new/*"):
        domain, local = path.split("/")[-4:-2]
        with open(path, "rb") as f:
            raw = f.read()
        if domain == "example.net":
            for to in set(re.findall(rb"(?im)^final-recipient: *rfc822; *(\S+)", raw)):
                bounced[local][to.decode()] += 1
            continue
        got["%s@%s" % (local, domain)] += 1
        head, _, body = raw.partition(b"\r\n\r\n")
        if email.message_from_bytes(head)["X-Digest"] != hashlib.sha256(body).hexdigest():
            bad.append(path)
    return got, bounced, bad


def missing(ledger, folder):
    got, bounced, _ = mailboxes(folder)
    return [to for ident, all_to in ledger.accepted.items() for to in all_to
            if not (got[to] if to.endswith("@example.org") else bounced[ident][to])]


def judge_mail(ledger, folder, kills):
    lost = wait_for(CALM_SECONDS, lambda: not missing(ledger, folder)) or missing(ledger, folder)
    lost = [] if lost is True else lost
    got, bounced, bad = mailboxes(folder)
    n_to = sum(len(v) for v in ledger.accepted.values())
    check("T-56: accepted = delivered + bounced: %d messages, %d recipients" % (len(ledger.accepted), n_to),
          not lost, "%d lost: %s" % (len(lost), lost[:5]))
    check("T-56: what was delivered is whole", not bad, bad[:3])
    ghosts = [to for all_to in ledger.refused.values() for to in all_to if got[to]]
    check("T-56: what was refused (%d) is never delivered" % len(ledger.refused), not ghosts, ghosts[:5])
    extra = sum(n - 1 for n in got.values() if n > 1)
    extra_bounces = sum(n - 1 for b in bounced.values() for n in b.values() if n > 1)
    known = {to for d in (ledger.accepted, ledger.unknown) for v in d.values() for to in v}
    strange = [to for to in got if to not in known]
    check("T-56: nothing else is delivered", not strange, strange[:5])
    # RFC 5321 6.1: a copy more only where a kill came between the next hop's 250 and our note of it
    limit = kills * SESSIONS * 5
    check("T-56: copies too many stay within RFC 5321 6.1: %d of mail, %d of bounces, %d kills"
          % (extra, extra_bounces, kills), extra + extra_bounces <= limit, limit)


def queue_rows(folder, name):
    rows = 0
    for path in glob.glob("%s/%s/queue/shard-*.db" % (folder, name)):
        db = sqlite3.connect(path)
        try:
            good = db.execute("PRAGMA integrity_check").fetchall()
            check("T-56: %s of %s is whole" % (os.path.basename(path), name), good == [("ok",)], good[:2])
            tables = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
            counts = {t: db.execute("SELECT count(*) FROM \"%s\"" % t).fetchone()[0] for t in tables}
            rows += sum(n for t, n in counts.items() if t in ("message", "rcpt", "chunk", "staged"))
            print("# %s %s: %s" % (name, os.path.basename(path), counts))
        finally:
            db.close()
    return rows


def end(hops, folder):
    for hop in hops:
        hop.process.send_signal(signal.SIGTERM)
    for hop in hops:
        try:
            hop.process.wait(20)
        except subprocess.TimeoutExpired:
            hop.process.kill()
        check("T-56: %s ends on SIGTERM" % hop.name, hop.process.returncode == 0, hop.process.returncode)
        os.unlink(hop.pid_file)
        check("T-56: the queue of %s is empty" % hop.name, queue_rows(folder, hop.name) == 0)


def main(posternd, folder, edge_port, inside_port, seed, kills, seconds):
    seed = seed or int(time.time())
    print("seed %d" % seed)
    rng = random.Random(seed)
    hops = [Hop(posternd, folder, "edge", edge_port), Hop(posternd, folder, "inside", inside_port)]
    for hop in hops:
        hop.start()
    if not check("T-56: both hops start", all(wait_for(20, greets, h.port) for h in hops)):
        return
    ledger = Ledger()
    threads = [threading.Thread(target=send_all, args=(edge_port, ledger, seed + i + 1)) for i in range(SENDERS)]
    for t in threads:
        t.start()
    start = time.monotonic()
    n, by_kind = fire(hops, rng, kills, seconds)
    fired = time.monotonic() - start
    ledger.stop = True
    for t in threads:
        t.join()
    check("T-56: %d kills in %d s (%s)" % (n, fired, dict(by_kind)), n >= kills, kills)
    print("# accepted %d, refused %d, unknown %d" % (len(ledger.accepted), len(ledger.refused), len(ledger.unknown)))
    for hop in hops:
        check("T-56: workers of %s come back by themselves" % hop.name,
              wait_for(15, lambda h=hop: len(h.look()) == 2), hop.look())
        check("T-56: workers of %s end when their supervisor dies (%d times, %.1f s at most)"
              % (hop.name, hop.restarts, hop.slowest_death), hop.orphans == 0, hop.orphans)
    judge_mail(ledger, folder + "/mail", n)
    time.sleep(5)  # a copy too many may still be on its way
    end(hops, folder)


main(sys.argv[1], sys.argv[2], *(int(a) for a in sys.argv[3:]))
