"""fetcher.py FOLDER SUPERVISOR SMTP GOOD NAME EXPIRED UNTRUSTED PLAIN CLOSED - what the fetcher fetches, and how it lives.

GOOD and so on are ports: https with that certificate, PLAIN is http, at CLOSED nobody listens.
"""

import base64
import glob
import http.server
import os
import signal
import socketserver
import ssl
import subprocess
import sys
import threading
import time

from ctl import ask_one, sockets
from smtp import Peer, attempt, check, children, message, wait_for

DIR, SUPERVISOR = sys.argv[1], int(sys.argv[2])
SMTP, GOOD, NAME, EXPIRED, UNTRUSTED, PLAIN, CLOSED = (int(p) for p in sys.argv[3:10])
BIN = os.environ.get("BIN", "build/dev-gcc")
RUN = DIR + "/edge/run"
LARGE = b"0123456789abcdef" * (3 << 16)  # 3 MiB: by a descriptor
seen = []
open_gate = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        seen.append((self.command, self.path))
        if self.path == "/redirect":
            self.answer(302, b"", ("Location", "/policy"))
        elif self.path == "/none":
            self.answer(404, b"no")
        elif self.path == "/large":
            self.answer(200, LARGE)
        elif self.path.startswith("/slow"):
            open_gate.wait(20)
            self.answer(200, b"late")
        elif self.path == "/endless":
            self.endless()
        else:
            self.answer(200, b"version: STSv1\r\n")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        seen.append((self.command, self.path, self.headers["Content-Type"], body))
        self.answer(200, body[::-1])

    def answer(self, code, body, *fields):
        self.send_response(code)
        for name, value in (("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))), *fields):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def endless(self):
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b"x" * 65536)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        pass


class SecureServer(Server):
    def finish_request(self, request, address):
        request.settimeout(30)
        super().finish_request(self.context.wrap_socket(request, server_side=True), address)


def serve(port, certificate=None):
    server = (SecureServer if certificate else Server)(("127.0.0.1", port), Handler)
    if certificate:
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.load_cert_chain("%s/%s.pem" % (DIR, certificate), "%s/%s.key" % (DIR, certificate))
    threading.Thread(target=server.serve_forever, daemon=True).start()


def fetch(url, worker=0, **more):
    post = more.pop("post", b"")
    request = dict({"verb": "fetch", "url": url, "body": base64.b64encode(post).decode()}, **more)
    answer = ask_one(sockets(RUN)[worker], request, timeout=30)
    answer["bytes"] = base64.b64decode(answer["body"])
    return answer


def good(path, **more):
    return fetch("https://localhost:%d%s" % (GOOD, path), **more)


def fetcher():
    there = children(SUPERVISOR, "--fetcher")
    return there[0] if len(there) == 1 else None


def log():
    with open(DIR + "/edge.log", errors="replace") as f:
        return f.read()


def mail(ident):
    p = Peer(SMTP)
    p.ehlo()
    p.envelope("ada@example.net", "grace@example.org")
    code = p.data(message(ident))[0]
    p.quit()
    return code == 250


def exchanges():
    a = good("/policy")
    check("a policy is fetched", a["reached"] == "done" and a["status"] == 200 and a["bytes"] == b"version: STSv1\r\n", a)
    check("its type and the state of TLS are told",
          a["content-type"] == "text/plain; charset=utf-8" and a["tls"] == "ok" and a["address"] == "127.0.0.1", a)
    a = good("/redirect")
    check("= RFC 8461 3.3: a redirect is not followed", a["reached"] == "http" and a["status"] == 302, a)
    a = good("/none")
    check("a status that is not 200", a["reached"] == "http" and a["status"] == 404 and a["bytes"] == b"", a)
    a = good("/large")
    check("a large answer comes whole", a["reached"] == "done" and a["bytes"] == LARGE, len(a["bytes"]))
    a = good("/large", **{"body-max": 100000})
    check("T-21: not when it is larger than it may be", a["reached"] == "http" and a["too-big"] and not a["bytes"], a["why"])
    a = good("/endless", **{"body-max": 1000000})
    check("T-21: an answer that never ends does", a["reached"] == "http" and a["too-big"], a["why"])
    a = good("/slow/1", timeout=1000)
    check("a slow one has a deadline", a["reached"] == "http" and a["timed-out"], a["why"])
    a = fetch("http://localhost:%d/ocsp" % PLAIN, post=b"\0question", **{"content-type": "application/ocsp-request"})
    check("POST", a["bytes"] == b"noitseuq\0" and ("POST", "/ocsp", "application/ocsp-request", b"\0question") in seen, a)
    a = fetch("http://localhost:%d/" % CLOSED)
    check("a closed port", a["reached"] == "tcp" and "refused" in a["why"] and not a["not-tried"], a)
    a = fetch("http://no-such-host.invalid/", timeout=10000)
    check("a name that is none", a["reached"] == "dns", a)
    a = fetch("https://127.0.0.1:%d/" % GOOD)
    check("a certificate for no such address", a["reached"] == "tls" and a["tls"] == "name", a)


def certificates():
    for what, port in (("name", NAME), ("expired", EXPIRED), ("untrusted", UNTRUSTED)):
        a = fetch("https://localhost:%d/policy" % port)
        check("= RFC 8461 3.3: a certificate that is wrong by: " + what, a["reached"] == "tls" and a["tls"] == what, a)


def refused(request):
    try:
        ask_one(sockets(RUN)[0], request)
        return False
    except ValueError as e:
        return "usage" in str(e)


def bad_requests():
    for url in ("ftp://localhost/", "file:///etc/passwd", "http://a@localhost/", "http://local host/", "", "http://" + "a" * 3000):
        check("T-45: no URL: %.30r" % url, refused({"verb": "fetch", "url": url}))
    check("a body that is no base 64", refused({"verb": "fetch", "url": "http://localhost/", "body": "%%"}))


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def listening():
    """Inodes of sockets that listen, or are bound to take datagrams from anybody."""
    ret = set()
    for table in ("tcp", "tcp6"):
        with open("/proc/net/" + table) as f:
            ret |= {line.split()[9] for line in f.readlines()[1:] if line.split()[3] == "0A"}
    return ret


def shut_in():
    pid = fetcher()
    s = status(pid)
    check("it is not root", s["Uid"].split()[0] != "0" and set(s["Groups"].split()) <= {s["Gid"].split()[0]}, s)
    check("it can gain nothing, and its calls are filtered", (s["NoNewPrivs"], s["Seccomp"]) == ("1", "2"), s)
    check("nothing is left of its capabilities", int(s["CapEff"], 16) == 0, s["CapEff"])
    check("others of its user cannot look inside", os.stat("/proc/%d/environ" % pid).st_uid == 0)
    names = [os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid) if fd not in "012"]
    strange = [n for n in names if not n.startswith(("socket:", "anon_inode:", "pipe:"))]
    check("it has no file open", names and not strange, names)
    inodes = {n[8:-1] for n in names if n.startswith("socket:[")}
    check("it listens on nothing", not inodes & listening(), names)
    with open("/proc/%d/environ" % pid) as f:
        check("the environment has no proxy in it", "proxy" not in f.read().lower())


def shared():
    """Four at once, the same: one exchange."""
    before = len(seen)
    answers = []
    asks = [threading.Thread(target=lambda w=w: answers.append(good("/slow/shared", worker=w, timeout=20000)))
            for w in (0, 1, 0, 1)]
    open_gate.clear()
    for t in asks:
        t.start()
    check("single flight: it is asked", wait_for(10, lambda: len(seen) > before))
    check("mail passes while they wait", mail("meanwhile"))
    open_gate.set()
    for t in asks:
        t.join(30)
    check("single flight: all are answered", [a["bytes"] for a in answers] == [b"late"] * 4, answers)
    check("single flight: one exchange", len([s for s in seen[before:] if s[1] == "/slow/shared"]) == 1, seen[before:])


def dies():
    pid = fetcher()
    open_gate.clear()
    answers = []
    t = threading.Thread(target=lambda: answers.append(good("/slow/killed", timeout=20000)))
    t.start()
    check("it is asked", wait_for(10, lambda: ("GET", "/slow/killed") in seen))
    os.kill(pid, signal.SIGKILL)
    t.join(20)
    open_gate.set()
    check("killed: who waits is told that nothing is known",
          len(answers) == 1 and answers[0]["not-tried"] and "gone" in answers[0]["why"], answers)
    check("killed: mail passes", mail("killed"))
    check("killed: another takes its place", wait_for(20, lambda: fetcher() not in (None, pid)))
    for w in (0, 1):
        check("killed: and answers worker %d" % w,
              wait_for(20, lambda: good("/again%d" % time.monotonic_ns(), worker=w)["reached"] == "done"))


def hangs():
    pid = fetcher()
    os.kill(pid, signal.SIGSTOP)
    a = good("/stopped", timeout=1000)
    check("stopped: who waits is told that nothing is known", a["not-tried"] and a["reached"] != "done", a)
    check("stopped: mail passes", mail("stopped"))
    check("stopped: it is killed, and another takes its place", wait_for(30, lambda: fetcher() not in (None, pid)))
    check("stopped: and answers", wait_for(20, lambda: good("/after%d" % time.monotonic_ns())["reached"] == "done"))
    check("no worker died of all that", "worker.died" not in log())
    check("the log tells it", "fetcher.hangs" in log() and "fetcher.died" in log())


def postern(*words):
    p = subprocess.run([BIN + "/postern", "cert", "endpoints", *words], capture_output=True, text=True, timeout=60)
    return p.returncode, p.stdout + p.stderr


def tool():
    url = "http://localhost:%d/page" % PLAIN
    before = len(seen)
    code, text = postern("--url", url, "-c", DIR + "/edge.conf")
    check("cert endpoints: the daemon asks", code == 1 and "asked from the daemon" in text and len(seen) > before, text)
    check("cert endpoints: by its rules: private addresses are asked", "content: neither a revocation list" in text, text)
    code, text = postern("--url", url, "-c", DIR + "/edge.conf", "--here")
    check("cert endpoints --here: this process asks, by its own rules",
          code == 1 and "asked from here" in text and "tcp: not asked: " in text, text)
    code, text = postern("--url", url, "-c", DIR + "/edge.conf", "--json")
    check("cert endpoints: JSON says who", '"asked_from": "daemon"' in text, text)


def by_default():
    """T-45: without allow_private, after a reload."""
    with open(DIR + "/edge.conf") as f:
        text = f.read()
    with open(DIR + "/edge.conf", "w") as f:
        f.write(text.replace("allow_private = yes, ", ""))
    os.kill(SUPERVISOR, signal.SIGHUP)
    check("a reload reaches it", wait_for(20, lambda: good("/reload%d" % time.monotonic_ns())["refused"]))
    for host in ("localhost", "127.0.0.1", "[::1]", "10.1.2.3", "[::ffff:127.0.0.1]", "2130706433"):
        a = fetch("http://%s:%d/private" % (host, PLAIN))
        check("T-45: not asked by default: " + host, a["refused"] and a["reached"] == "tcp", a)
    check("T-45: nobody was asked", not [s for s in seen if s[1] == "/private"])


serve(GOOD, "good")
serve(NAME, "name")
serve(EXPIRED, "expired")
serve(UNTRUSTED, "untrusted")
serve(PLAIN)
check("it is there", wait_for(10, fetcher))
for part in (exchanges, certificates, bad_requests, shut_in, shared, tool, dies, hangs, by_default):
    attempt(part.__name__, part)
os._exit(0)
