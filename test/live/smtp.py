"""smtp.py - a raw SMTP peer for the live tests, and how they print their checks.

    peer = Peer(2525)                   # connects and reads the greeting
    code, lines = peer.cmd("EHLO x")
    peer.starttls("edge.example", "ca.pem")
    peer.send(b"...")                   # bytes, as they are

As a program: smtp.py wait PORT SECONDS - until something greets with 220.
"""

import datetime
import socket
import ssl
import sys
import threading
import time

TIMEOUT = 15


class Gone(Exception):
    """The other side has closed, or gave no answer in time."""


class Peer:
    def __init__(self, port, host="127.0.0.1", source=None, greet=True, timeout=TIMEOUT):
        self.sock = socket.create_connection((host, port), timeout, source)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.greeting = self.reply() if greet else None

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError as e:
            raise Gone(str(e)) from e

    def recv(self):
        """Bytes, or b"" at the end."""
        try:
            return self.sock.recv(65536)
        except ssl.SSLEOFError:
            return b""
        except OSError as e:
            raise Gone(str(e)) from e

    def line(self):
        while b"\n" not in self.buffer:
            got = self.recv()
            if not got:
                raise Gone("end of stream" + (": " + repr(self.buffer) if self.buffer else ""))
            self.buffer += got
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def reply(self):
        lines = []
        while True:
            line = self.line()
            lines.append(line)
            if len(line) < 4 or line[3] != "-":
                return int(line[:3]), lines

    def cmd(self, line):
        self.send(line.encode() + b"\r\n")
        return self.reply()

    def starttls(self, name=None, ca=None, context=None):
        code, lines = self.cmd("STARTTLS")
        if code != 220:
            raise Gone("STARTTLS: " + lines[-1])
        self.tls(name, ca, context)

    def tls(self, name=None, ca=None, context=None):
        context = context or client_context(ca)
        self.sock = context.wrap_socket(self.sock, server_hostname=name)

    def ehlo(self, name="client.example"):
        return self.cmd("EHLO " + name)

    def envelope(self, sender, *recipients, params=""):
        """MAIL and RCPT; the last reply's code, or the first that is not 250."""
        code = self.cmd("MAIL FROM:<%s>%s" % (sender, params))[0]
        for r in recipients:
            if code == 250:
                code = self.cmd("RCPT TO:<%s>" % r)[0]
        return code

    def data(self, body):
        """body ends in CRLF; dots are stuffed here."""
        code, lines = self.cmd("DATA")
        if code != 354:
            return code, lines
        self.send(stuff(body) + b".\r\n")
        return self.reply()

    def bdat(self, body, chunk=0):
        step = chunk or len(body) or 1
        at = 0
        while True:
            piece = body[at:at + step]
            at += step
            last = at >= len(body)
            self.send(b"BDAT %d%s\r\n" % (len(piece), b" LAST" if last else b"") + piece)
            answer = self.reply()
            if last or answer[0] != 250:
                return answer

    def at_end(self, timeout=5):
        """Has the other side closed? What it still said is read and thrown away."""
        self.sock.settimeout(timeout)
        try:
            while self.sock.recv(65536):
                pass
            return True
        except socket.timeout:
            return False
        except OSError:
            return True

    def quit(self):
        try:
            self.cmd("QUIT")
        except (Gone, ValueError):
            pass
        self.close()

    def close(self):
        self.sock.close()


def client_context(ca=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        context.load_verify_locations(ca)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def stuff(body):
    if body.startswith(b"."):
        body = b"." + body
    return body.replace(b"\r\n.", b"\r\n..")


def unstuff(body):
    if body.startswith(b"."):
        body = body[1:]
    return body.replace(b"\r\n..", b"\r\n.")


def message(ident, extra="", body="Hello.\r\n", to="grace@example.org"):
    return ("From: Ada <ada@example.net>\r\nTo: <%s>\r\nSubject: test\r\nDate: %s\r\n"
            "Message-ID: <%s@example.net>\r\nX-Test-Id: %s\r\n%s\r\n%s"
            % (to, datetime.datetime.now(datetime.timezone.utc).strftime(
                "%a, %d %b %Y %H:%M:%S +0000"), ident, ident, extra, body)).encode()


# --- checks

_lock = threading.Lock()
failures = 0


def check(name, good, detail=""):
    global failures
    with _lock:
        if good:
            print("ok " + name, flush=True)
        else:
            failures += 1
            print("FAIL %s%s" % (name, ": " + str(detail)[:600] if detail != "" else ""), flush=True)
    return good


def attempt(name, function, *args):
    """Runs a check's body; an exception is its failure."""
    try:
        function(*args)
    except Exception as e:  # whatever it is, the other checks go on
        check(name, False, "%s: %s" % (type(e).__name__, e))


def wait_for(seconds, function, *args):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = function(*args)
        if got:
            return got
        time.sleep(0.1)
    return function(*args)


# --- what the tests ask the kernel

def cpu_seconds(pid):
    """User and system time of a process so far."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def children(pid, role="--worker"):
    """The processes that this supervisor has started for that."""
    ret = []
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            for child in f.read().split():
                with open("/proc/%s/cmdline" % child) as c:
                    if role in c.read().split("\0"):
                        ret.append(int(child))
    except OSError:
        pass
    return ret


def greets(port, host="127.0.0.1"):
    try:
        peer = Peer(port, host, timeout=3)
        good = peer.greeting[0] == 220
        peer.quit()
        return good
    except (OSError, Gone, ValueError):
        return False


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] != "wait":
        sys.exit("usage: smtp.py wait PORT SECONDS")
    if not wait_for(float(sys.argv[3]), greets, int(sys.argv[2])):
        sys.exit("nothing greets on port " + sys.argv[2])
