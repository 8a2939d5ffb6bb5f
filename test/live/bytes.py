"""bytes.py PORT MAILDIRS SEED N - sends N odd messages, each to a mailbox of its own, and compares what
arrives. Ours on top are: Return-Path, Delivered-To, and one Received from each hop."""

import glob
import os
import random
import sys

from smtp import Gone, Peer, check, wait_for

TOP = b"From: Ada <ada@example.net>\r\nTo: <%s>\r\nSubject: %s\r\n"


def word(rng, n):
    return bytes(rng.choice(b"abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(n))


def eight_bit(rng, n):
    return bytes(rng.choice([c for c in range(1, 256) if c not in (10, 13)]) for _ in range(n))


def body_plain(rng):
    return b"".join(word(rng, rng.randint(0, 78)) + b"\r\n" for _ in range(rng.randint(0, 60)))


def body_dots(rng):
    dots = [b".", b"..", b"...", b". ", b".x", b" .", b"", b".\t", b"x."]
    return b"".join(rng.choice(dots) + b"\r\n" for _ in range(rng.randint(1, 200)))


def body_eight_bit(rng):
    return b"".join(eight_bit(rng, rng.randint(0, 300)) + b"\r\n" for _ in range(20))


def body_utf8(rng):
    return ("Grüße, 你好, Ελλάδα, 🦆 %d\r\n" % rng.random().__hash__()).encode() * rng.randint(1, 50)


def body_long_lines(rng):
    return b"".join(word(rng, rng.choice([997, 998, 999, 1000, 1001, 4095, 4096, 5000, 70000])) + b"\r\n"
                    for _ in range(rng.randint(1, 6)))


def body_big(rng):
    line = word(rng, 76) + b"\r\n"
    return line * rng.choice([3300, 3361, 3362, 6722, 13500]) + b".\r\n" * rng.randint(0, 3)


def body_chunk_edge(rng):
    """Sizes around those in which the queue cuts a body, with a dot or a CRLF right there."""
    n = rng.choice([16384, 65536, 262144]) * rng.randint(1, 2) + rng.randint(-300, 40)
    line = word(rng, 62) + b"\r\n"
    return (line * (n // 64))[:max(n - 4, 2)].rstrip(b"\r\n") + b"\r\n.\r\n"


def body_mime(rng):
    mark = word(rng, 20)
    parts = b"".join(b"--" + mark + b"\r\nContent-Type: text/plain\r\n\r\n" + body_plain(rng)
                     for _ in range(rng.randint(1, 5)))
    return parts + b"--" + mark + b"--\r\n"


def body_empty(_rng):
    return b""


def body_blank_lines(rng):
    return b"\r\n" * rng.randint(1, 100)


def body_white_ends(rng):
    return b"".join(word(rng, 10) + rng.choice([b" ", b"\t", b"   ", b" \t "]) + b"\r\n" for _ in range(20))


def body_like_commands(_rng):
    return b"QUIT\r\nSTARTTLS\r\nRSET\r\nMAIL FROM:<x@y>\r\nFrom x\r\n>From y\r\nBDAT 1 LAST\r\n.\r\n"


BODIES = [body_plain, body_dots, body_eight_bit, body_utf8, body_long_lines, body_big, body_chunk_edge, body_mime,
          body_empty, body_blank_lines, body_white_ends, body_like_commands]


def head_plain(_rng):
    return b""


def head_many(rng):
    return b"".join(b"X-%d: %s\r\n" % (i, word(rng, 40)) for i in range(rng.randint(100, 1500)))


def head_folded(rng):
    return b"X-Folded: a" + b"".join(b"\r\n\t" + word(rng, 60) for _ in range(rng.randint(1, 400))) + b"\r\n"


def head_huge(rng):
    return b"X-Huge: " + word(rng, rng.choice([2000, 60000, 300000])) + b"\r\n"


def head_odd(_rng):
    return (b"X-Empty:\r\nX-Space: \r\nX-Dup: 1\r\nX-Dup: 2\r\nreceived: by nowhere.example; old\r\nBcc: <x@y>\r\n"
            b"Return-Path: <other@example.net>\r\nDelivered-To: other@example.net\r\nX-8: \xe4\xf6\xfc\xff\r\n"
            b"X-Tab:\tvalue\t\r\n")


def head_mime(rng):
    return b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=" + word(rng, 20) + b"\r\n"


HEADS = [head_plain, head_many, head_folded, head_huge, head_odd, head_mime]


def no_head(rng):
    """Legal on the wire: no header at all, or a line that is none."""
    return rng.choice([b"\r\n" + body_plain(rng), b"no header here\r\n" + body_dots(rng), b".\r\n", b"\r\n"])


def make(rng, i, to):
    if i % 37 == 36:
        return no_head(rng)
    whole = TOP % (to.encode(), word(rng, 10)) + rng.choice(HEADS)(rng)
    return whole + b"\r\n" + BODIES[i % len(BODIES)](rng)


def ours(line):
    return line.startswith((b"Return-Path: <ada@example.net>", b"Delivered-To: odd-", b"Received: from "))


def below_ours(text):
    """What stands below the fields that the two hops put on top: four at most."""
    for _ in range(4):
        if not ours(text):
            break
        end = text.find(b"\r\n") + 2
        while text[end:end + 1] in (b" ", b"\t"):
            end = text.find(b"\r\n", end) + 2
        text = text[end:]
    return text


class Sender:
    def __init__(self, port):
        self.port = port
        self.peer = None

    def open(self):
        self.peer = Peer(self.port)
        self.peer.ehlo()
        self.peer.starttls()
        self.peer.ehlo()

    def send(self, rng, to, text, way):
        if not self.peer:
            self.open()
        params = " BODY=BINARYMIME" if way == "binary" else rng.choice(["", " BODY=8BITMIME", " SIZE=%d" % len(text)])
        code = self.peer.envelope("ada@example.net", to, params=params)
        if code != 250:
            return code
        if way == "data":
            return self.peer.data(text)[0]
        return self.peer.bdat(text, rng.choice([0, 1000, 16384, 262144, 100001]))[0]


def first_difference(a, b):
    n = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return "sent %d bytes, got %d, differ at %d: %r / %r" % (len(a), len(b), n, a[max(n - 20, 0):n + 20],
                                                           b[max(n - 20, 0):n + 20])


def way_of(rng, i, text):
    """Every other message by BDAT; some of these without a line end at the end, some with bare CR and LF."""
    if i % 2 == 0 or not text:
        return "data", text
    if i % 10 == 1:
        return "binary", text + bytes(rng.randrange(256) for _ in range(500)) + b"\r\r\n\n.\r"
    if i % 10 == 3:
        return "bdat", text.rstrip(b"\r\n") or b"x"
    return "bdat", text


def send_all(port, seed, n):
    sender, sent, refused = Sender(port), {}, []
    for i in range(n):
        rng = random.Random(seed * 1000003 + i)
        name = "odd-%04d" % i
        way, text = way_of(rng, i, make(rng, i, name + "@example.org"))
        try:
            code = sender.send(rng, name + "@example.org", text, way)
        except (Gone, OSError) as e:
            code, sender.peer = str(e), None
        if code == 250:
            sent[name] = (way, text)
        else:
            refused.append((name, way, BODIES[i % len(BODIES)].__name__, code))
            sender.peer = None
    return sent, refused


def compare(folder, sent):
    bad = []
    for name, (way, text) in sorted(sent.items()):
        files = glob.glob(os.path.join(folder, name, "new", "*"))
        if len(files) != 1:
            bad.append("%s (%s): %d copies" % (name, way, len(files)))
            continue
        with open(files[0], "rb") as f:
            got = below_ours(f.read())
        if got != text:
            bad.append("%s (%s): %s" % (name, way, first_difference(text, got)))
    return bad


def main(port, folder, seed, n):
    print("seed %d" % seed)
    sent, refused = send_all(port, seed, n)
    ways = {w: sum(1 for x, _ in sent.values() if x == w) for w in ("data", "bdat", "binary")}
    check("R1: all %d messages are accepted (%s)" % (n, ways), not refused, refused[:5])

    def arrived():
        return len(glob.glob(os.path.join(folder, "*", "new", "*"))) >= len(sent)
    check("R1: all accepted messages arrive", wait_for(60, arrived),
          "%d of %d" % (len(glob.glob(os.path.join(folder, "*", "new", "*"))), len(sent)))
    for way in ways:
        bad = compare(folder, {k: v for k, v in sent.items() if v[0] == way})
        check("T-11: what came by %s leaves byte for byte" % way, not bad, "%d differ; %s" % (len(bad), bad[:3]))


main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
