"""reload.py FOLDER PORT OTHER_PORT SUPERVISOR - changes edge.conf under a running gateway and looks what holds."""

import glob
import os
import re
import signal
import subprocess
import sys
import threading
import time

from smtp import Gone, Peer, attempt, check, children, client_context, greets, message, wait_for


class Gate:
    def __init__(self, folder, port, other_port, pid):
        self.folder, self.port, self.other_port, self.pid = folder, port, other_port, pid
        self.path = folder + "/edge.conf"
        with open(self.path) as f:
            self.good = f.read()

    def log(self):
        with open(self.folder + "/edge.log", errors="replace") as f:
            return f.read()

    def reload(self, text, until, n=1):
        """Writes the file, sends SIGHUP, waits for n more lines of that event; returns the last."""
        seen = self.log().count(until)
        with open(self.path, "w") as f:
            f.write(text)
        os.kill(self.pid, signal.SIGHUP)
        wait_for(10, lambda: self.log().count(until) >= seen + n)
        lines = [x for x in self.log().split("\n") if until in x]
        return lines[-1] if len(lines) >= seen + n else ""

    def accept(self, text):
        return self.reload(text, "config.reloaded", 2)

    def refuse(self, text):
        return self.reload(text, "config.refused")

    def line_of(self, text, what):
        return text[:text.index(what)].count("\n") + 1

    def peer(self):
        peer = Peer(self.port)
        peer.ehlo()
        peer.starttls("edge.example", self.folder + "/ca/ca.pem")
        peer.ehlo()
        return peer

    def certificate(self):
        peer = self.peer()
        serial = peer.sock.getpeercert()["serialNumber"]
        peer.quit()
        return serial

    def rcpts(self, to, n=20):
        """What that recipient gets on n connections, which go to both workers."""
        codes = set()
        for _ in range(n):
            peer = Peer(self.port)
            peer.ehlo()
            codes.add(peer.envelope("ada@example.net", to))
            peer.close()
        return codes

    def mails(self, folder, local):
        return len(glob.glob("%s/mail/%s-example.org/%s/new/*" % (self.folder, folder, local)))


def good_file(g):
    old_serial = g.certificate()
    old = g.peer()
    half = g.peer()
    half.envelope("ada@example.net", "half@example.org")
    half.cmd("DATA")
    half.send(b"Subject: half\r\n\r\nbefore the reload,")
    for f in glob.glob(g.folder + "/ca/edge.example*"):
        os.unlink(f)
    subprocess.run(["tools/test-ca.sh", g.folder + "/ca", "edge.example"], check=True)
    g.good = g.good.replace("/mail/a-", "/mail/b-").replace('domain "old.example"', 'domain "new.example"')
    line = g.accept(g.good)
    check("both workers take over a good file", "generation=2" in line, line)
    check("the new certificate is served", g.certificate() != old_serial)
    check("a new domain is taken, by all workers", g.rcpts("x@new.example") == {250})
    check("a removed domain is refused, by all workers", g.rcpts("x@old.example") == {550})
    check("a session of before goes on by what it began with", old.envelope("ada@example.net", "kept@old.example") == 250)
    half.send(b" after it\r\n.\r\n")
    check("a message of before is accepted", half.reply()[0] == 250)
    check("and delivered", wait_for(5, lambda: g.mails("a", "half") + g.mails("b", "half") == 1))
    old.quit()
    peer = g.peer()
    peer.envelope("ada@example.net", "new@example.org")
    peer.data(message("new"))
    check("new mail goes where the new file says", wait_for(5, g.mails, "b", "new"))


def bad_files(g):
    serial = g.certificate()
    chain = g.folder + "/ca/edge.example-ec.pem"
    broken = [
        ("an unknown word", g.good + "nonsense = 1\n", "nonsense"),
        ("a wrong value", g.good + "trace_keep = \"soon\"\n", "trace_keep"),
        ("an open block", g.good + "retry {\n", None),
        ("a missing file", g.good + "certificate { name = \"x.example\", chain = \"/none.pem\", key = \"/none.key\" }\n",
         "certificate { name"),
        ("a key of another certificate", g.good.replace("edge.example-ec.key", "edge.example-rsa.key", 1), "certificate"),
        ("an open relay", g.good.replace("192.0.2.0/24", "0.0.0.0/0"), "networks"),
        ("an empty file", "", None),
    ]
    for name, text, where in broken:
        said = g.refuse(text)
        place = re.search(r"edge\.conf:(\d+)", said)
        right = place and (where is None or int(place.group(1)) == g.line_of(text, where))
        check("%s: refused, with its place" % name, bool(right), said or "nothing in the log")
    check("nothing changed by that", g.certificate() == serial and g.rcpts("x@new.example") == {250}
          and os.path.exists(chain))
    seen = g.log().count("config.refused")
    os.rename(g.path, g.path + ".away")
    os.kill(g.pid, signal.SIGHUP)
    check("a missing file is refused, too", wait_for(5, lambda: g.log().count("config.refused") > seen))
    os.rename(g.path + ".away", g.path)


def sockets(g):
    said = g.refuse(g.good.replace("127.0.0.1:%d" % g.port, "127.0.0.1:%d" % g.other_port))
    check("another listener: told to restart", "listen" in said and "restart" in said, said)
    check("and the old one stays", greets(g.port) and not greets(g.other_port))
    said = g.refuse(g.good.replace("workers = 2", "workers = 3"))
    check("another number of workers: told to restart", "workers" in said and "restart" in said, said)
    said = g.refuse(g.good + "domain \"far.example\" { maildir = \"/var/mail/{local}\" }\n")
    check("a Maildir folder that the workers were not given: told to restart", "/var/mail" in said and "restart" in said,
          said)
    said = g.refuse(g.good.replace('data = "%s/edge"' % g.folder, 'data = "%s/other"' % g.folder))
    check("another data folder: told to restart", "data" in said and "restart" in said, said)


def deaths(g):
    with open(g.path, "w") as f:
        f.write("broken")
    before = children(g.pid)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    check("workers that were killed come back", wait_for(10, lambda: len(children(g.pid)) == 2
          and not set(children(g.pid)) & set(before)))
    wait_for(10, greets, g.port)
    check("with what holds, not with what lies on the disk",
          g.rcpts("x@new.example") == {250} and g.rcpts("x@old.example") == {550})
    line = g.accept(g.good + "trace_keep = \"2d\"\n")
    check("and they take over the next good file", bool(line))


def deaf(g):
    """A worker hangs while the configuration changes again and again."""
    victim, *others = children(g.pid)
    os.kill(victim, signal.SIGSTOP)
    for i in range(300):
        with open(g.path + ".new", "w") as f:
            f.write(g.good + "# deaf %d\n" % i)
        os.rename(g.path + ".new", g.path)
        os.kill(g.pid, signal.SIGHUP)
        time.sleep(0.02)
    text = g.good + "domain \"deaf.example\" { maildir = \"%s/mail/b-{domain}/{local}\" }\n" % g.folder
    with open(g.path, "w") as f:
        f.write(text)
    seen = g.log().count("config.reloaded")
    os.kill(g.pid, signal.SIGHUP)
    check("a worker that hangs does not hold up the other", wait_for(10, lambda: g.log().count("config.reloaded") > seen))
    check("it is killed in the end", wait_for(60, lambda: "worker.deaf" in g.log() and victim not in children(g.pid)))
    check("alone", set(others) <= set(children(g.pid)))
    check("another takes its place", wait_for(10, lambda: len(children(g.pid)) == 2))
    wait_for(10, greets, g.port)
    check("with the newest configuration", wait_for(10, lambda: g.rcpts("x@deaf.example") == {250}))
    line = g.accept(g.good)
    check("and both take over the next one", bool(line))


def storm(g):
    """A reload every 50 ms under load."""
    done, bad, stop = [], [], threading.Event()

    def send():
        while not stop.is_set():
            try:
                peer = g.peer()
                for i in range(5):
                    code = peer.envelope("ada@example.net", "storm@example.org")
                    code = peer.data(message("storm"))[0] if code == 250 else code
                    (done if code == 250 else bad).append(code)
                peer.quit()
            except (Gone, OSError, ValueError) as e:
                bad.append(str(e))
    threads = [threading.Thread(target=send) for _ in range(3)]
    for t in threads:
        t.start()
    workers = children(g.pid)
    for i in range(40):
        with open(g.path + ".new", "w") as f:
            f.write(g.good + "# %d\n" % i)
        os.rename(g.path + ".new", g.path)
        os.kill(g.pid, signal.SIGHUP)
        time.sleep(0.05)
    stop.set()
    for t in threads:
        t.join()
    check("40 reloads under load disturb no session (%d messages)" % len(done), not bad, bad[:5])
    check("all of them arrive", wait_for(10, lambda: g.mails("b", "storm") == len(done)),
          "%d of %d" % (g.mails("b", "storm"), len(done)))
    check("no worker died of it", children(g.pid) == workers)


def main():
    g = Gate(sys.argv[1], *(int(a) for a in sys.argv[2:]))
    for part in (good_file, bad_files, sockets, deaths, deaf, storm):
        attempt(part.__name__ + " runs to its end", part, g)


main()
