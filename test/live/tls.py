"""tls.py FOLDER STARTTLS SECOND IMPLICIT PROXY IMPLICIT_PROXY SLOW - the checks of test_tls.sh that need raw bytes.
tls.py judge FILE - what testssl.sh found: exit 1 when anything weighs."""

import glob
import hashlib
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import time

from smtp import Gone, Peer, attempt, check, client_context, cpu_seconds, children, message, wait_for

SUITES_1_3 = ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"]
SUITES_1_2 = ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256",
              "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"]
NOT_OFFERED = ["AES256-GCM-SHA384", "AES128-GCM-SHA256", "AES128-SHA", "AES256-SHA256", "ECDHE-RSA-AES256-SHA384",
               "ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES128-SHA", "DHE-RSA-AES256-GCM-SHA384",
               "ECDHE-ECDSA-AES256-CCM", "ECDHE-RSA-CAMELLIA256-SHA384", "AECDH-AES256-SHA", "ADH-AES256-GCM-SHA384",
               "NULL-SHA256", "ECDHE-RSA-NULL-SHA", "PSK-AES256-GCM-SHA384", "ECDHE-ECDSA-ARIA256-GCM-SHA384"]


class World:
    """Ports and folders of this run."""

    def __init__(self, folder, ports):
        self.folder, self.ca = folder, folder + "/ca/ca.pem"
        self.starttls, self.second, self.implicit, self.proxy, self.implicit_proxy, self.slow = ports

    def mails(self, local, domain="example.org"):
        return len(glob.glob("%s/mail/%s/%s/new/*" % (self.folder, domain, local)))

    def log(self, name="edge"):
        with open("%s/%s.log" % (self.folder, name), errors="replace") as f:
            return f.read()

    def busy(self, name="edge"):
        with open("%s/%s.pid" % (self.folder, name)) as f:
            return sum(cpu_seconds(p) for p in children(int(f.read())))


class Engine:
    """TLS whose records are ours to cut and to mix with other bytes."""

    def __init__(self, sock, context, name=None):
        self.sock, self.incoming, self.outgoing = sock, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    def flush(self, cut=0):
        data = self.outgoing.read()
        for i in range(0, len(data), cut or len(data) or 1):
            self.sock.sendall(data[i:i + (cut or len(data))])

    def feed(self):
        got = self.sock.recv(65536)
        if not got:
            raise Gone("end of stream")
        self.incoming.write(got)

    def handshake(self, cut=0):
        while True:
            try:
                self.tls.do_handshake()
                self.flush(cut)
                return
            except ssl.SSLWantReadError:
                self.flush(cut)
                self.feed()

    def write(self, data):
        self.tls.write(data)
        self.flush()

    def line(self):
        line = b""
        while not line.endswith(b"\n"):
            try:
                got = self.tls.read(1)
            except ssl.SSLWantReadError:
                self.feed()
                continue
            if not got:
                raise Gone("end of TLS")
            line += got
        return line.decode().rstrip()

    def reply(self):
        while True:
            line = self.line()
            if line[3:4] != "-":
                return int(line[:3])

    def cmd(self, line):
        self.write(line.encode() + b"\r\n")
        return self.reply()

    def close_notify(self):
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass
        self.flush()


def engine(port, context=None, cut=0):
    peer = Peer(port)
    peer.ehlo()
    if peer.cmd("STARTTLS")[0] != 220:
        raise Gone("no STARTTLS")
    e = Engine(peer.sock, context or client_context())
    e.handshake(cut)
    e.cmd("EHLO client.example")
    return e


def in_data(port, to):
    """A client in the middle of a body."""
    e = engine(port)
    codes = [e.cmd("MAIL FROM:<ada@example.net>"), e.cmd("RCPT TO:<%s@example.org>" % to), e.cmd("DATA")]
    if codes != [250, 250, 354]:
        raise Gone(str(codes))
    e.write(b"Subject: half\r\n\r\nhalf a mes")
    return e


def s_client(port, *args, starttls=True, commands=(b"QUIT\r\n",), pause=0.0, name="edge.example"):
    """What openssl s_client prints."""
    argv = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % port]
    argv += ["-starttls", "smtp"] if starttls else []
    argv += ["-servername", name] if name else ["-noservername"]
    p = subprocess.Popen(argv + list(args), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for c in commands:
            time.sleep(pause)
            p.stdin.write(c)
            p.stdin.flush()
    except OSError:
        pass
    try:
        return p.communicate(timeout=15)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        p.kill()
        return p.communicate()[0].decode(errors="replace") + "\n(timeout)"


def with_version(version, ca=None):
    context = client_context(ca)
    context.minimum_version = context.maximum_version = version
    return context


def deliver(peer, to, ident):
    code = peer.envelope("ada@example.net", to)
    return code if code != 250 else peer.data(message(ident))[0]


# --- versions, suites, certificates

def basics(w):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        peer = Peer(w.starttls)
        exts = peer.ehlo()[1]
        peer.starttls("edge.example", context=with_version(version, w.ca))
        after = peer.ehlo()[1]
        code = deliver(peer, "basic-%s@example.org" % version.name, "basic-" + version.name)
        check("R1: a message comes in by STARTTLS with %s" % version.name,
              code == 250 and wait_for(5, w.mails, "basic-" + version.name), code)
        check("R1: STARTTLS is offered before TLS and not within it, with %s" % version.name,
              "STARTTLS" in str(exts) and "STARTTLS" not in str(after), (exts, after))
        peer.quit()
    peer = Peer(w.implicit, greet=False)
    peer.tls("edge.example", w.ca)
    peer.reply()
    exts = peer.ehlo()[1]
    check("R3: a message comes in by implicit TLS, where STARTTLS is not offered",
          deliver(peer, "implicit@example.org", "implicit") == 250 and "STARTTLS" not in str(exts), exts)
    peer = Peer(w.starttls)
    peer.ehlo()
    check("R3: who has no TLS can still deliver", deliver(peer, "clear@example.org", "clear") == 250)


def outgoing(w):
    peer = Peer(w.starttls)
    peer.ehlo()
    check("R10: a message for the next hop is accepted", deliver(peer, "out@inside.example", "out") == 250)
    check("R10: it arrives there", wait_for(10, w.mails, "out", "inside.example"))
    files = glob.glob("%s/mail/inside.example/out/new/*" % w.folder)
    text = open(files[0]).read() if files else ""
    check("R10: it went there by STARTTLS, unasked", "with ESMTPS" in text and "TLSv1.3" in text, text[:400])


def old_versions(w):
    for version in ("tls1", "tls1_1"):
        for port, starttls in ((w.starttls, True), (w.implicit, False)):
            out = s_client(port, "-" + version, "-cipher", "DEFAULT:@SECLEVEL=0", starttls=starttls)
            check("R13: %s is answered with the alert protocol_version (port %s)"
                  % (version, "starttls" if starttls else "implicit"), "alert protocol version" in out, out[-300:])
    said = re.findall(r"tls.failed .*", w.log())
    check("R13: the log names the version that was refused",
          any("1.0" in s for s in said) and any("1.1" in s for s in said), said[-4:])


def suites(w):
    for suite in SUITES_1_2:
        kind = "-ec" if "ECDSA" in suite else "-rsa"
        out = s_client(w.starttls, "-tls1_2", "-cipher", suite, "-CAfile", w.ca)
        good = "Cipher is " + suite in out and "Verify return code: 0" in out
        key = "id-ecPublicKey" if kind == "-ec" else "rsaEncryption"
        check("R19: %s alone is taken, with the certificate for it" % suite, good and key in out, out[-400:])
    for suite in SUITES_1_3:
        out = s_client(w.starttls, "-tls1_3", "-ciphersuites", suite)
        check("R19: %s alone is taken" % suite, "Cipher is " + suite in out, out[-400:])
    for suite in NOT_OFFERED:
        out = s_client(w.starttls, "-tls1_2", "-cipher", suite + ":@SECLEVEL=0", "-psk", "00")
        check("R19: %s is refused" % suite, "Cipher is (NONE)" in out and "no cipher match" not in out
              or "Error with command" in out, out[-400:])


def order(w):
    backwards = ":".join(reversed(SUITES_1_2))
    out = s_client(w.starttls, "-tls1_2", "-cipher", backwards)
    check("R19: TLS 1.2: ours is the order", "Cipher is " + SUITES_1_2[0] in out, out[-300:])
    out = s_client(w.starttls, "-tls1_2", "-cipher", ":".join(s for s in reversed(SUITES_1_2) if "RSA" in s.split("-")))
    check("R19: TLS 1.2: ours is the order, RSA alone", "Cipher is " + SUITES_1_2[1] in out, out[-300:])
    out = s_client(w.starttls, "-tls1_3", "-ciphersuites", ":".join(reversed(SUITES_1_3)))
    check("R19: TLS 1.3: ours is the order", "Cipher is " + SUITES_1_3[0] in out, out[-300:])
    for algorithm, key in (("ECDSA+SHA256", "id-ecPublicKey"), ("rsa_pss_rsae_sha256", "rsaEncryption")):
        out = s_client(w.starttls, "-tls1_3", "-sigalgs", algorithm, "-CAfile", w.ca)
        check("R19: TLS 1.3: who knows only %s gets that certificate" % algorithm,
              key in out and "Verify return code: 0" in out, out[-300:])
    for group in ("X25519", "P-256", "P-384"):
        check("R19: the group %s alone is taken" % group, "Cipher is TLS" in s_client(w.starttls, "-groups", group))
    check("R19: the group P-521 alone is refused", "Cipher is (NONE)" in s_client(w.starttls, "-groups", "P-521"))


def subject_of(w, **kw):
    out = s_client(w.starttls, "-CAfile", w.ca, **kw)
    found = re.search(r"subject=.*?CN ?= ?(\S+)", out)
    return found.group(1) if found else out[-200:]


def sni(w):
    check("T-25: the name edge.example gets its certificate", subject_of(w) == "edge.example")
    check("T-25: the name other.example gets its own", subject_of(w, name="other.example") == "other.example")
    check("T-25: the name OTHER.Example gets its own", subject_of(w, name="OTHER.Example") == "other.example")
    check("T-25: an unknown name gets the default", subject_of(w, name="no.such.name") == "edge.example")
    check("T-25: no name gets the default", subject_of(w, name=None) == "edge.example")
    check("T-25: an address as a name gets the default", subject_of(w, name="192.0.2.1") == "edge.example")


def no_extras(w):
    out = s_client(w.starttls, "-tls1_2", commands=(b"R\n", b"QUIT\r\n"), pause=0.7)
    check("T-05: a client's renegotiation is refused", "RENEGOTIATING" in out and "no renegotiation" in out, out[-400:])
    check("T-05: no compression", "Compression: NONE" in s_client(w.starttls, "-tls1_2", "-comp"))
    before = w.busy()
    out = s_client(w.starttls, "-tls1_3", commands=[b"k\n"] * 120, pause=0.02)
    check("T-05: a flood of key updates is cut off", "flood" in str(re.findall(r"tls|smtp.*", w.log())[-5:])
          or "KEYUPDATE" in out and "(timeout)" not in out, out[-300:])
    check("T-05: it cost little", w.busy() - before < 3, w.busy() - before)
    out = s_client(w.starttls, "-tls1_3", "-early_data", "/etc/hostname", "-sess_in", w.folder + "/none")
    check("T-24: there is no early data", "Early data was accepted" not in out)
    out = s_client(w.starttls, "-tls1_3", commands=(b"NOOP\r\n", b"QUIT\r\n"), pause=0.5)
    check("T-24: tickets promise no early data", "Max Early Data: 0" in out, out[-300:])


# --- the STARTTLS boundary

def inject(w, first, second, name):
    """Sends what should not be there; returns what was answered that should not be."""
    peer = Peer(w.starttls)
    peer.ehlo()
    peer.send(first)
    time.sleep(0.01)
    try:
        peer.send(second)
        code, lines = peer.reply()
    except Gone:
        return None
    if code != 220:
        return None if code >= 500 and peer.at_end() else (name, lines)
    try:
        peer.tls()
    except (OSError, Gone):
        return None
    peer.sock.settimeout(0.3)
    try:
        return name, peer.line()
    except (Gone, OSError):
        return None


def t01(w):
    evil = b"STARTTLS\r\nRSET\r\nMAIL FROM:<x@example.net>\r\n"
    bad = [inject(w, evil[:i], evil[i:], "split at %d" % i) for i in range(1, len(evil))]
    bad = [b for b in bad if b]
    check("T-01: commands behind STARTTLS are never answered, split at each of %d places" % (len(evil) - 1), not bad, bad)
    for name, tail in (("EHLO", b"EHLO evil.example\r\n"), ("64 KiB", b"NOOP\r\n" * 11000), ("one byte", b"N"),
                       ("a bare line end", b"\r\n")):
        bad = inject(w, b"STARTTLS\r\n" + tail, b"", name)
        check("T-01: STARTTLS with %s behind it is refused" % name, bad is None, bad)
    bad = inject(w, b"EHLO a.example\r\nSTARTTLS\r\nEHLO b.example\r\n", b"", "pipelined")
    check("T-01: a pipeline over STARTTLS is refused", bad is None or bad[1] and "250" in str(bad[1]), bad)
    check("T-01: it is counted as an injection in the log", "why=injection" in w.log())


def t03(w):
    peer = Peer(w.starttls)
    peer.ehlo()
    peer.envelope("ada@example.net", "x@example.org")
    code = peer.cmd("STARTTLS")[0]
    check("T-05: STARTTLS inside a transaction is refused", code in (501, 503), code)
    peer.cmd("RSET")
    peer.starttls()
    code = peer.cmd("MAIL FROM:<ada@example.net>")[0]
    check("T-03: after the handshake EHLO is wanted again", code == 503, code)
    code = peer.cmd("RCPT TO:<x@example.org>")[0]
    check("T-03: the transaction of before is forgotten", code == 503, code)


def t05(w):
    e = engine(w.starttls)
    code = e.cmd("STARTTLS")
    check("T-05: STARTTLS within TLS is refused", code in (502, 503, 554), code)
    check("T-05: and the session goes on", e.cmd("NOOP") == 250)
    peer = Peer(w.starttls)
    peer.ehlo()
    code = peer.cmd("STARTTLS now")[0]
    check("T-05: STARTTLS with an argument is refused", code == 501, code)
    peer.send(b"MAIL FROM:<STARTTLS@example.net>\r\n")
    check("T-05: the word in an address means nothing", peer.reply()[0] == 250)


def t06(w):
    e = in_data(w.starttls, "dead-notify")
    e.close_notify()
    e.sock.sendall(b"sage\r\n.\r\nQUIT\r\n")
    e = in_data(w.starttls, "dead-fin")
    e.sock.shutdown(socket.SHUT_WR)
    e = in_data(w.starttls, "dead-reset")
    e.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    e.sock.close()
    e = in_data(w.starttls, "dead-end")
    e.write(b"sage\r\n.\r")
    e.close_notify()
    e.sock.sendall(b"\n")
    e = engine(w.starttls)
    for c in ("MAIL FROM:<ada@example.net>", "RCPT TO:<dead-bdat@example.org>"):
        e.cmd(c)
    e.write(b"BDAT 100 LAST\r\n" + b"x" * 50)
    e.close_notify()
    e.sock.sendall(b"x" * 50)
    time.sleep(1)
    for how in ("notify", "fin", "reset", "end", "bdat"):
        check("T-06: a body that ends in '%s' is no message" % how, w.mails("dead-" + how) == 0)


# --- slow and small

def closed_within(e, seconds):
    """How long until the other side closes; None: it did not."""
    start = time.monotonic()
    e.sock.settimeout(seconds)
    try:
        while e.sock.recv(4096):
            pass
    except socket.timeout:
        return None
    except OSError:
        pass
    return time.monotonic() - start


def trickle(sock, data, pause, most):
    """One byte at a time; how long the other side took it."""
    start = time.monotonic()
    try:
        while time.monotonic() - start < most:
            for i in range(len(data)):
                sock.sendall(data[i:i + 1])
                time.sleep(pause)
                if time.monotonic() - start > most:
                    break
                sock.settimeout(0.001)
                try:
                    if sock.recv(4096) == b"":
                        return time.monotonic() - start
                except socket.timeout:
                    pass
    except OSError:
        pass
    return time.monotonic() - start


def t07(w):
    e = engine(w.starttls, cut=1)
    check("T-07: a handshake in pieces of one byte", e.cmd("NOOP") == 250)
    e = in_data(w.starttls, "small")
    for c in b"sage, in small records\r\n.\r\n":
        e.write(bytes([c]))
    check("T-07: a body in records of one byte", e.reply() == 250 and wait_for(5, w.mails, "small"))
    before = w.busy("slow")
    peer = Peer(w.slow)
    peer.ehlo()
    peer.cmd("STARTTLS")
    took = trickle(peer.sock, hello_of(client_context()), 0.1, 6)
    check("T-07: a handshake that trickles ends in its time (1.5 s)", took < 4, took)
    peer = Peer(w.slow)
    peer.ehlo()
    peer.cmd("STARTTLS")
    took = closed_within(peer, 5)
    check("T-07: so does one that never begins", took is not None and took < 4, took)
    e = in_data(w.slow, "trickle")
    start = time.monotonic()
    try:
        while time.monotonic() - start < 10:
            e.write(b"x")
            time.sleep(0.2)
    except OSError:
        pass
    took = time.monotonic() - start
    check("T-07: a body that trickles ends in its time (4 s)", took < 8, took)
    took = closed_within(in_data(w.slow, "silent"), 6)
    check("T-07: so does one that stops (2 s)", took is not None and took < 5, took)
    peer = Peer(w.slow)
    took = trickle(peer.sock, b"NOOP NOOP NOOP NOOP NOOP NOOP NOOP NOOP NOOP", 0.2, 10)
    check("T-07: a command that trickles ends in its time (3 s)", took < 6, took)
    check("T-07: all this cost little", w.busy("slow") - before < 2, w.busy("slow") - before)
    check("T-07: and brought no mail", w.mails("trickle") + w.mails("silent") == 0)


def padded(n, protocol="smtp"):
    """A context whose hello has n bytes of ALPN, of which the last names a protocol."""
    context = client_context()
    names, left = [], n - len(protocol) - 1
    while left > 1:
        names.append("x" * min(200, left - 1))
        left -= len(names[-1]) + 1
    context.set_alpn_protocols(names + [protocol])
    return context


def hello_of(context):
    """The first flight, as it goes out."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def implicit_engine(w, context, cut):
    sock = socket.create_connection(("127.0.0.1", w.implicit), 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    e = Engine(sock, context)
    e.handshake(cut)
    e.reply()
    e.cmd("EHLO client.example")
    return e


def hybrid_hello(share_bytes):
    """A hello with one share, of SecP384r1MLKEM1024, which we do not have; it also knows X25519."""
    def ext(kind, body):
        return struct.pack(">HH", kind, len(body)) + body

    def listed(body):
        return struct.pack(">H", len(body)) + body
    exts = (ext(43, b"\x02\x03\x04") + ext(10, listed(b"\x11\xed\x00\x1d")) + ext(13, listed(b"\x04\x03\x08\x04"))
            + ext(51, listed(b"\x11\xed" + listed(os.urandom(share_bytes)))))
    body = b"\x03\x03" + os.urandom(32) + b"\x20" + os.urandom(32) + b"\x00\x02\x13\x02\x01\x00" + listed(exts)
    hello = b"\x01\x00" + listed(body)
    return b"\x16\x03\x01" + listed(hello)


def retry_group(flight):
    """The group that a HelloRetryRequest asks for; None: this is none."""
    magic = hashlib.sha256(b"HelloRetryRequest").digest()
    if flight[:1] != b"\x16" or flight[5:6] != b"\x02" or flight[11:43] != magic:
        return None
    at = flight.find(b"\x00\x33\x00\x02", 43)
    return int.from_bytes(flight[at + 4:at + 6], "big")


def in_starttls(port):
    peer = Peer(port)
    peer.ehlo()
    peer.cmd("STARTTLS")
    return peer


def t55(w):
    before = w.busy()
    for size in (1500, 15800, 40000):
        n = len(hello_of(padded(size)))
        for cut in (1, 97, 1448):
            e = engine(w.starttls, padded(size), cut)
            check("T-55: STARTTLS: a hello of %d bytes in pieces of %d" % (n, cut), e.cmd("NOOP") == 250)
            e = implicit_engine(w, padded(size), cut)
            check("T-55: implicit TLS: likewise", e.cmd("NOOP") == 250)
    check("T-55: this cost little", w.busy() - before < 5, w.busy() - before)
    peer = in_starttls(w.starttls)
    peer.send(b"\x16\x03\x01\x40\x00\x01\x0f\xff\xff" + b"\0" * 16375 + (b"\x16\x03\x03\x40\x00" + b"\0" * 16384) * 20)
    check("T-55: a hello of a megabyte is refused", peer.at_end())
    t55_slow(w)
    t55_retry(w)


def t55_slow(w):
    hello = hello_of(padded(1500))
    e = Engine(in_starttls(w.slow).sock, padded(1500))
    send = e.sock.sendall

    class Slowly:
        """The socket, for the first flight."""
        recv = e.sock.recv

        @staticmethod
        def sendall(data):
            send(data)
            time.sleep(0.02)
    whole, e.sock = e.sock, Slowly
    begun = time.monotonic()
    e.handshake(len(hello) // 40)
    took = time.monotonic() - begun
    e.sock = whole
    e.cmd("EHLO client.example")
    check("T-55: a large hello that takes %.1f of 1.5 s is fine" % took, took > 0.7 and e.cmd("NOOP") == 250)
    peer = in_starttls(w.slow)
    took = trickle(peer.sock, hello_of(padded(15800)), 0.0005, 6)
    check("T-55: one that takes longer is ended in time", 1 < took < 4, took)
    before = w.busy("slow")
    peers = [in_starttls(w.slow) for _ in range(40)]
    for peer in peers:
        peer.send(hello_of(padded(15800))[:15000])
    ended = [closed_within(peer, 5) for peer in peers]
    check("T-55: so are 40 that stop in the middle", None not in ended, ended)
    check("T-55: and they cost little", w.busy("slow") - before < 1, w.busy("slow") - before)


def t55_retry(w):
    for cut in (1, 1000, 5000):
        peer = in_starttls(w.slow)
        hello = hybrid_hello(1665)
        for i in range(0, len(hello), cut):
            peer.send(hello[i:i + cut])
        flight = peer.recv()
        check("T-55: a share of 1,665 bytes for a group that we do not have, in pieces of %d: X25519 is asked for" % cut,
              retry_group(flight) == 0x1d, flight[:80])
        if cut == 1:
            took = closed_within(peer, 5)
            check("T-55: who never answers that is hung up on in time", took is not None and took < 4, took)
        elif cut == 1000:
            peer.send(hello)
            check("T-05, T-55: who answers with the same hello is refused", peer.at_end())
    out = s_client(w.starttls, "-groups", "P-521:P-256", "-msg")
    check("T-55: a second hello, with a share that we have, is taken", out.count(", ClientHello") == 2 and "Cipher is TLS" in out,
          out[-300:])
    groups = subprocess.run(["openssl", "list", "-kem-algorithms"], capture_output=True, text=True, check=False).stdout
    if "X25519MLKEM768" in groups:
        out = s_client(w.starttls, "-groups", "X25519MLKEM768")
        check("T-55: X25519MLKEM768", "Negotiated TLS1.3 group: X25519MLKEM768" in out, out[-300:])
    else:
        print("skip T-55: X25519MLKEM768: this OpenSSL does not have it")


# --- framing

def t10(w):
    ends = [b"", b"\r", b"\n", b"\r\n"]
    inside = [b".", b".\0", b"\0."]
    tries = [(a, d, b) for a in ends for d in inside for b in ends if (a, d, b) != (b"\r\n", b".", b"\r\n")]
    bad = []
    for i, (a, d, b) in enumerate(tries):
        e = engine(w.starttls)
        for c in ("MAIL FROM:<ada@example.net>", "RCPT TO:<first-%d@example.org>" % i, "DATA"):
            e.cmd(c)
        e.write(b"Subject: one\r\n\r\ntext" + a + d + b + b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<second-%d@example.org>"
                b"\r\nDATA\r\nSubject: two\r\n\r\nsmuggled\r\n.\r\nQUIT\r\n" % i)
        e.sock.settimeout(5)
        codes = []
        try:
            while True:
                codes.append(e.reply())
        except (OSError, Gone, ValueError):
            pass
        if codes.count(250) > 1 or 354 in codes or codes and codes[0] == 250 and b"\r\n" not in (a, b):
            if not (codes[:1] == [250] and codes[1:] in ([221], [])):
                bad.append((a, d, b, codes))
    time.sleep(1)
    second = [i for i in range(len(tries)) if w.mails("second-%d" % i)]
    check("T-10: %d ways to smuggle a second message by DATA bring none" % len(tries), not second,
          [tries[i] for i in second])
    check("T-10: each is refused or is one message", not bad, bad[:4])
    smuggled_by_chunk(w)
    check("T-10: the log says framing", "why=framing" in w.log())


def smuggled_by_chunk(w):
    evil = b"\r\n.\r\nMAIL FROM:<e@example.net>\r\nRCPT TO:<chunk@example.org>\r\nDATA\r\nx\r\n.\r\n"
    peer = Peer(w.starttls)
    peer.ehlo()
    peer.envelope("ada@example.net", "outer@example.org")
    code = peer.bdat(b"Subject: one\r\n\r\ntext" + evil, 17)[0]
    check("T-10: dots in chunks end nothing", code == 250 and wait_for(5, w.mails, "outer"), code)
    peer.envelope("ada@example.net", "over@inside.example")
    code = peer.bdat(b"Subject: one\r\n\r\ntext" + evil, 19)[0]
    arrived = code == 250 and wait_for(10, w.mails, "over", "inside.example")
    check("T-11: nor at the next hop", bool(arrived) and w.mails("over", "inside.example") == 1, code)
    check("T-10, T-11: no message came out of them", w.mails("chunk") + w.mails("chunk", "inside.example") == 0)


# --- wrong protocols

def t51(w):
    for request in (b"POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\n", b"GET / HTTP/1.0\r\n\r\n",
                    b"CONNECT x:25 HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/1.1\r\n\r\n"):
        peer = Peer(w.starttls)
        peer.send(request)
        peer.sock.settimeout(5)
        said = b""
        try:
            while True:
                got = peer.sock.recv(4096)
                if not got:
                    break
                said += got
        except OSError:
            said += b"(open)" if isinstance(sys.exc_info()[1], socket.timeout) else b""
        check("T-51: %s is hung up on" % request.split(b" ")[0].decode(), b"250" not in said and b"(open)" not in said,
              said)
    peer = Peer(w.implicit, greet=False)
    peer.send(b"EHLO x\r\n")
    check("T-52: clear SMTP on the implicit port gets nothing", peer.at_end())


def alpn(w, port, protocols):
    context = client_context()
    if protocols:
        context.set_alpn_protocols(protocols)
    try:
        if port == w.implicit:
            peer = Peer(port, greet=False)
            peer.tls(context=context)
            peer.reply()
        else:
            peer = Peer(port)
            peer.ehlo()
            peer.starttls(context=context)
            peer.ehlo()
        return peer.sock.selected_alpn_protocol() or "none"
    except (OSError, Gone):
        return "refused"


def t50(w):
    for protocols, want in (([], "none"), (["smtp"], "smtp"), (["h2"], "refused"), (["http/1.1"], "refused"),
                            (["h2", "http/1.1"], "refused"), (["h2", "smtp"], "smtp")):
        got = alpn(w, w.implicit, protocols)
        check("T-50: implicit TLS, ALPN %s: %s" % (protocols, want), got == want, got)
    for protocols, want in (([], "none"), (["smtp"], "smtp"), (["h2"], "none"), (["h2", "http/1.1"], "none"),
                            (["h2", "smtp"], "smtp")):
        got = alpn(w, w.starttls, protocols)
        check("T-50: STARTTLS, ALPN %s: %s" % (protocols, want), got == want, got)


# --- PROXY

def proxy2(ip, port=4711):
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton(ip) + socket.inet_aton("127.0.0.1") + struct.pack(
        ">HH", port, 25)


def relays(peer):
    peer.ehlo()
    peer.cmd("MAIL FROM:<ada@example.net>")
    return peer.cmd("RCPT TO:<x@elsewhere.example>")[0] == 250


def proxied(w, source, header):
    peer = Peer(w.proxy, source=(source, 0), greet=False)
    peer.send(header)
    peer.reply()
    return peer


def t53(w):
    check("T-53: who is not trusted may not relay", not relays(Peer(w.proxy)))
    check("T-53: the proxy's client 198.51.100.7 may", relays(proxied(w, "127.0.0.2", proxy2("198.51.100.7"))))
    peer = proxied(w, "127.0.0.2", proxy2("203.0.113.8"))
    peer.ehlo()
    code = deliver(peer, "proxied@example.org", "proxied")
    wait_for(5, w.mails, "proxied")
    text = "".join(open(f).read() for f in glob.glob(w.folder + "/mail/example.org/proxied/new/*"))
    check("T-53: Received and the log have the address that it told", "[203.0.113.8]" in text
          and "client=203.0.113.8" in w.log(), (code, text[:300]))
    check("T-53: the proxy's client 203.0.113.7 may not", not relays(proxied(w, "127.0.0.2", proxy2("203.0.113.7"))))
    spoof = Peer(w.proxy, source=("127.0.0.3", 0))
    try:
        spoof.send(proxy2("198.51.100.7"))
        spoofed = relays(spoof)
    except (Gone, OSError, ValueError):
        spoofed = False
    check("T-53: a PROXY header from elsewhere changes nothing", not spoofed)
    for name, junk in (("EHLO", b"EHLO x\r\n"), ("PROXY v1", b"PROXY TCP4 198.51.100.7 127.0.0.1 1 25\r\n"),
                       ("half a header", proxy2("198.51.100.7")[:10] + b"x" * 20)):
        peer = Peer(w.proxy, source=("127.0.0.2", 0), greet=False)
        peer.send(junk)
        check("T-53: %s where the proxy must say PROXY v2: hung up, ungreeted" % name,
              peer.at_end(), peer.buffer)
    for cut in (1, 15, 20):
        header = proxy2("198.51.100.7")
        peer = Peer(w.proxy, source=("127.0.0.2", 0), greet=False)
        for piece in (header[:cut], header[cut:]):
            peer.send(piece)
            time.sleep(0.05)
        check("T-53: a header cut at %d" % cut, peer.reply()[0] == 220 and relays(peer))
    peer = Peer(w.starttls)
    peer.ehlo()
    code = peer.cmd("XCLIENT ADDR=198.51.100.7")[0]
    check("T-53: XCLIENT is unknown", code == 500 and not relays(peer), code)
    peer.cmd("RSET")
    peer.starttls()
    peer.ehlo()
    code = peer.cmd("XCLIENT ADDR=198.51.100.7")[0]
    check("T-53: also within TLS", code == 500 and not relays(peer), code)
    implicit_proxied(w)


def implicit_proxied(w):
    """The header and the hello in one segment."""
    sock = socket.create_connection(("127.0.0.1", w.implicit_proxy), 10, ("127.0.0.2", 0))
    e = Engine(sock, client_context())
    try:
        e.tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    sock.sendall(proxy2("198.51.100.7") + e.outgoing.read())
    e.handshake()
    codes = [e.reply(), e.cmd("EHLO x"), e.cmd("MAIL FROM:<ada@example.net>"), e.cmd("RCPT TO:<x@elsewhere.example>")]
    check("T-53: implicit TLS behind a proxy, header and hello in one segment", codes == [220, 250, 250, 250], codes)


# --- tickets between doors

def shaken(w, port, context, name, session=None):
    if port == w.implicit:
        sock = socket.create_connection(("127.0.0.1", port), 10)
    else:
        peer = Peer(port)
        peer.ehlo()
        peer.cmd("STARTTLS")
        sock = peer.sock
    sock = context.wrap_socket(sock, server_hostname=name, session=session)
    peer = Peer.__new__(Peer)
    peer.sock, peer.buffer = sock, b""
    if port == w.implicit:
        peer.reply()
    peer.ehlo()
    return sock


def t24(w):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = with_version(version)

        def reused(port, name, c=context):
            first = shaken(w, w.starttls, c, "edge.example")
            return shaken(w, port, c, name, first.session).session_reused
        check("T-24: %s: the same door resumes" % version.name, reused(w.starttls, "edge.example"))
        check("T-24: %s: another STARTTLS port does not" % version.name, not reused(w.second, "edge.example"))
        check("T-24, T-52: %s: the implicit port does not" % version.name, not reused(w.implicit, "edge.example"))
        check("T-24: %s: another name does not" % version.name, not reused(w.starttls, "other.example"))
        check("T-24: %s: another daemon does not" % version.name, not reused(w.slow, "edge.example"))


def judge(path):
    with open(path) as f:
        found = json.load(f)
    curable_in_public = ("cert_trust", "cert_chain_of_trust", "cert_revocation", "OCSP", "CRL", "DNS_CAA", "cert_caIssuers",
                         "cert_crlDistributionPoints", "cert_ocspURL", "certificate_transparency", "cert_extlifeSpan",
                         "cert_mustStapleExtension", "cert_validityPeriod", "cert_notAfter",
                         "cert_expirationStatus", "scan")
    bad = [(x["id"], x["severity"], x["finding"]) for x in found if x["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL")
           and not x["id"].startswith(curable_in_public)]
    old = {x["id"]: x["finding"] for x in found if x["id"] in ("SSLv2", "SSLv3", "TLS1", "TLS1_1")}
    print("found:", bad, old)
    return 0 if not bad and len(old) == 4 and all("not offered" in v for v in old.values()) else 1


def main():
    if sys.argv[1] == "judge":
        sys.exit(judge(sys.argv[2]))
    w = World(sys.argv[1], [int(p) for p in sys.argv[2:]])
    os.environ["LC_ALL"] = "C"
    for part in (basics, outgoing, old_versions, suites, order, sni, no_extras, t01, t03, t05, t06, t07, t10, t24, t50,
                 t51, t53, t55):
        start = time.monotonic()
        attempt(part.__name__ + " runs to its end", part, w)
        print("# %s: %.1f s" % (part.__name__, time.monotonic() - start))


main()
