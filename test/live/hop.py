"""hop.py FOLDER - next hops under the control of a test, many in one process, honest and hostile.

FOLDER/hops has a line for each: NAME ADDRESS PORT BEHAVIOUR CERT. CERT is FOLDER/ca/CERT.pem and .key,
"-" offers no STARTTLS. A behaviour is one of those below. While FOLDER/honest exists all hops behave
and show the certificate FOLDER/ca/good. What happens is recorded in FOLDER/hops.log, a JSON object a
line, and every byte that NAME got before TLS in FOLDER/clear/NAME.

    from hop import messages, events, clear
    messages(folder)            # {id: [record, ...]}; id is the X-Test-Id field
"""

import collections
import hashlib
import json
import os
import signal
import socket
import ssl
import struct
import sys
import threading
import time

OFFERS = ["PIPELINING", "8BITMIME", "SIZE 100000000", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8"]

# What differs from an honest server: the answer to a verb, "close" to hang up, "silent" to say nothing.
# tls: what meets the client's hello; curve: the one group there is; after: said as soon as TLS is up; cork:
# in one segment with the end of the handshake, which is TLS 1.2's.
ANSWERS = {
    "honest": {},
    "greet-221": {"greet": "221 not today"},
    "greet-354": {"greet": "354 go on"},
    "greet-421": {"greet": "421 4.3.2 busy"},
    "greet-554": {"greet": "554 5.7.1 no"},
    "greet-garbage": {"greet": "\x00\xff\xfeSSH-2.0-x"},
    "greet-close": {"greet": "close"},
    "greet-silent": {"greet": "silent"},
    "greet-9000": {"greet": "220 " + "x" * 8994},
    "greet-endless": {"greet": "endless"},
    "ehlo-421": {"EHLO": "421 4.3.2 busy"},
    "ehlo-550": {"EHLO": "550 5.7.1 no", "HELO": "550 5.7.1 no"},
    "ehlo-500-helo": {"EHLO": "500 5.5.1 what"},
    "ehlo-999": {"EHLO": "999 hello"},
    "ehlo-9000": {"EHLO": "250-" + "x" * 8994 + "\r\n250 STARTTLS"},
    "starttls-221": {"STARTTLS": "221 bye"},
    "starttls-354": {"STARTTLS": "354 go on"},
    "starttls-421": {"STARTTLS": "421 4.3.2 busy"},
    "starttls-454": {"STARTTLS": "454 4.7.0 TLS not available"},
    "starttls-502": {"STARTTLS": "502 5.5.1 what"},
    "starttls-554": {"STARTTLS": "554 5.7.3 no"},
    "starttls-inject": {"STARTTLS": "220 go ahead\r\n250-FAKE\r\n250 SIZE 1"},
    "starttls-close": {"STARTTLS": "close"},
    "starttls-220-close": {"STARTTLS": "220 go ahead", "tls": "close"},
    "starttls-220-plain": {"STARTTLS": "220 go ahead", "tls": "plain"},
    "starttls-silent": {"STARTTLS": "silent"},
    "starttls-220-silent": {"STARTTLS": "220 go ahead", "tls": "silent"},
    "hello-reset": {"tls": "reset"},
    "hello-retry": {"curve": "secp384r1"},
    "hello-retry-endless": {"tls": "retry"},
    "tls-greeting": {"after": "220 mx.example ESMTP"},
    "tls-greeting-cork": {"after": "220 mx.example ESMTP", "cork": True},
    "tls-ehlo-cork": {"after": "250-mx.example\r\n250 SIZE 100000", "cork": True},
    "starttls-odd-case": {"offer": "StartTls"},
    "starttls-args": {"offer": "STARTTLS foo=bar"},
    "stripped": {"offer": ""},
    "bytewise": {"bytewise": True},
    "mail-999": {"MAIL": "999 fine"},
    "mail-no-code": {"MAIL": "hello there"},
    "mail-421": {"MAIL": "421 4.3.2 busy"},
    "mail-451": {"MAIL": "451 4.3.0 later"},
    "mail-354": {"MAIL": "354 go on"},
    "rcpt-451": {"RCPT": "451 4.2.0 later"},
    "rcpt-550": {"RCPT": "550 5.1.1 no such user"},
    "data-250": {"DATA": "250 2.0.0 fine"},
    "data-451": {"DATA": "451 4.3.0 later"},
    "dot-close": {"dot": "close"},
    "dot-silent": {"dot": "silent"},
    "dot-451": {"dot": "451 4.3.0 later"},
    "dot-554": {"dot": "554 5.6.0 no"},
    "greylist": {"greylist": 1},
}


class Over(Exception):
    pass


class Session(threading.Thread):
    def __init__(self, hop, sock):
        super().__init__(daemon=True)
        self.hop, self.sock = hop, sock
        self.secure = False
        self.buffer = b""
        self.honest = os.path.exists(hop.folder + "/honest")
        self.way = {} if self.honest else ANSWERS[hop.behaviour]
        self.cert = "good" if self.honest else hop.cert
        self.sender, self.rcpts = "", []

    def note(self, event, **more):
        self.hop.note(event, tls=self.secure, **more)

    # --- bytes

    def recv(self):
        got = self.sock.recv(65536)
        if not got:
            raise Over
        if not self.secure:
            self.hop.keep_clear(got)
        return got

    def line(self):
        while b"\n" not in self.buffer:
            self.buffer += self.recv()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r")

    def say(self, text):
        if text == "close":
            raise Over
        if text == "silent":
            time.sleep(60)
            raise Over
        while text == "endless":
            self.sock.sendall(b"220-and more\r\n" * 100)
        data = text.encode("latin-1") + b"\r\n"
        if not self.way.get("bytewise"):
            self.sock.sendall(data)
            return
        for i in range(len(data)):
            self.sock.sendall(data[i:i + 1])
            time.sleep(0.002)

    def answer(self, verb, text):
        self.say(self.way.get(verb, text))

    # --- verbs

    def ehlo(self, _arg):
        offers = [o for o in OFFERS]
        if self.cert != "-" and not self.secure and self.way.get("offer") != "":
            offers.append(self.way.get("offer", "STARTTLS"))
        self.answer("EHLO", "\r\n".join(["250-" + self.hop.name] + ["250-" + o for o in offers[:-1]]
                                        + ["250 " + offers[-1]]))

    def helo(self, _arg):
        self.answer("HELO", "250 " + self.hop.name)

    def starttls(self, _arg):
        self.answer("STARTTLS", "220 go ahead")
        if not self.way.get("STARTTLS", "220").startswith("220"):
            return
        self.say(self.way["tls"]) if self.way.get("tls") in ("close", "silent") else None
        if self.way.get("tls") == "plain":
            return
        if self.way.get("tls") in ("reset", "retry"):
            self.no_handshake()
        context = self.context()
        if self.way.get("cork"):
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        self.buffer = b""
        self.sock = context.wrap_socket(self.sock, server_side=True)
        self.secure = True
        self.note("tls", version=self.sock.version(), suite=self.sock.cipher()[0], **self.shown())
        if "after" in self.way:
            self.say(self.way["after"])
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)

    def context(self):
        base = self.hop.folder + "/ca/" + self.cert
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(base + ".pem", base + ".key")
        if "curve" in self.way:
            context.set_ecdh_curve(self.way["curve"])
        return context

    def shown(self):
        """More of a handshake for the record."""
        return {}

    def no_handshake(self):
        """Resets when the hello is there, or asks for another, again and again."""
        hello = self.record()
        while self.way["tls"] == "retry":
            self.sock.sendall(retry_request(hello))
            if self.record()[:1] == b"\x15":
                raise Over("alert")
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Over("reset")

    def record(self):
        """One record; those that change nothing are passed over."""
        while True:
            while len(self.buffer) < 5 or len(self.buffer) < 5 + int.from_bytes(self.buffer[3:5], "big"):
                self.buffer += self.recv()
            n = 5 + int.from_bytes(self.buffer[3:5], "big")
            record, self.buffer = self.buffer[:n], self.buffer[n:]
            if record[:1] != b"\x14":
                return record

    def mail(self, arg):
        self.sender, self.rcpts = arg, []
        self.answer("MAIL", "250 2.1.0 ok")

    def rcpt(self, arg):
        if self.way.get("greylist") and self.hop.first_time((self.sender, arg)):
            self.say("451 4.7.1 greylisted")
            return
        text = self.way.get("RCPT", "250 2.1.5 ok")
        if arg.lower().startswith("to:<refused"):
            text = "550 5.1.1 no such user"
        if text.startswith("2"):
            self.rcpts.append(arg)
        self.say(text)

    def data(self, _arg):
        if not self.rcpts:
            self.say("554 5.5.1 no valid recipients")
            return
        text = self.way.get("DATA", "354 go on")
        self.say(text)
        if text.startswith("354"):
            self.body()

    def body(self):
        lines, ident = [], ""
        while True:
            line = self.line()
            if line == b".":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        for line in lines:
            if not line:  # what a bounce quotes is not its own
                break
            if line.lower().startswith(b"x-test-id:"):
                ident = line[10:].strip().decode()
        text = b"\r\n".join(lines) + b"\r\n"
        said = self.way.get("dot", "250 2.0.0 taken")
        self.note("message", id=ident, sender=self.sender, rcpts=self.rcpts, n=len(text),
                  sha=hashlib.sha256(text).hexdigest(), taken=said.startswith("2"),
                  text=text[:20000].decode("latin-1"))
        self.say(said)

    def rset(self, _arg):
        self.rcpts = []
        self.say("250 2.0.0 ok")

    def noop(self, _arg):
        self.say("250 2.0.0 ok")

    def quit(self, _arg):
        self.say("221 2.0.0 bye")
        raise Over

    def run(self):
        verbs = {"EHLO": self.ehlo, "HELO": self.helo, "STARTTLS": self.starttls, "MAIL": self.mail,
                 "RCPT": self.rcpt, "DATA": self.data, "RSET": self.rset, "NOOP": self.noop,
                 "QUIT": self.quit, "LHLO": self.ehlo}
        self.note("connect")
        try:
            self.answer("greet", "220 %s ESMTP" % self.hop.name)
            while True:
                line = self.line().decode("utf-8", "surrogateescape")
                verb, _, arg = line.partition(" ")
                self.note("command", line=line.encode("utf-8", "replace").decode()[:200])
                verbs.get(verb.upper(), lambda a: self.say("500 5.5.1 what"))(arg)
        except (Over, OSError, ValueError) as e:
            self.note("end", why=str(e))
        finally:
            self.sock.close()


class Hop(threading.Thread):
    lock = threading.Lock()
    session = Session

    def __init__(self, folder, name, address, port, behaviour, cert):
        super().__init__(daemon=True)
        self.folder, self.name, self.behaviour, self.cert = folder, name, behaviour, cert
        self.seen = set()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.socket(family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            self.listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.listener.bind((address, int(port)))
        self.listener.listen(256)

    def first_time(self, what):
        with Hop.lock:
            new = what not in self.seen
            self.seen.add(what)
            return new

    def note(self, event, **more):
        record = {"time": time.time(), "hop": self.name, "event": event}
        record.update(more)
        with Hop.lock, open(self.folder + "/hops.log", "a") as f:
            f.write(json.dumps(record) + "\n")

    def keep_clear(self, data):
        with Hop.lock, open("%s/clear/%s" % (self.folder, self.name), "ab") as f:
            f.write(data)

    def run(self):
        while True:
            sock, _ = self.listener.accept()
            sock.settimeout(120)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.session(self, sock).start()


def retry_request(hello):
    """HelloRetryRequest (RFC 8446 4.1.4) for P-384 to who sent this ClientHello record."""
    session = hello[43:44 + hello[43]]
    body = (b"\x03\x03" + hashlib.sha256(b"HelloRetryRequest").digest() + session + b"\x13\x02\x00\x00\x0c"
            b"\x00\x2b\x00\x02\x03\x04\x00\x33\x00\x02\x00\x18")
    return b"\x16\x03\x03" + struct.pack(">HBBH", len(body) + 4, 2, 0, len(body)) + body


# --- for the tests

def events(folder, **want):
    """Records of which each wanted key has the wanted value."""
    try:
        with open(folder + "/hops.log") as f:
            records = [json.loads(line) for line in f if line.endswith("\n")]
    except OSError:
        return []
    return [r for r in records if all(r.get(k) == v for k, v in want.items())]


def messages(folder):
    """What was taken, by X-Test-Id."""
    ret = collections.defaultdict(list)
    for r in events(folder, event="message", taken=True):
        ret[r["id"]].append(r)
    return ret


def clear(folder, name):
    """All bytes that this hop got without TLS."""
    try:
        with open("%s/clear/%s" % (folder, name), "rb") as f:
            return f.read()
    except OSError:
        return b""


def main(folder, kind=Hop):
    os.makedirs(folder + "/clear", exist_ok=True)
    with open(folder + "/hops") as f:
        hops = [kind(folder, *line.split()) for line in f if line.strip()]
    for hop in hops:
        hop.start()
    with open(folder + "/hops.ready", "w"):
        pass
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
