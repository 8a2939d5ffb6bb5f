"""line_mail.py send|arrive DIR PORT ROUND - see test_line.sh."""

import glob
import random
import sys

from smtp import Peer, check, message, wait_for

WHAT, DIR, PORT, ROUND = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
SIZES = [0, 200, 3000, 20000, 100000, 400000] * 4


def body(i):
    rng = random.Random("%s %d" % (ROUND, i))
    n = SIZES[i]
    return "".join("%x\r\n" % rng.getrandbits(280) for _ in range(n // 70)) + "end\r\n"


def send():
    codes = set()
    for i in range(len(SIZES)):
        peer = Peer(PORT)
        peer.ehlo()
        code = peer.envelope("ada@example.net", "%s-%d@example.org" % (ROUND, i))
        codes.add(code if code != 250 else peer.data(message("%s-%d" % (ROUND, i), body=body(i)))[0])
        peer.quit()
    check("%s: %d mails are accepted" % (ROUND, len(SIZES)), codes == {250}, codes)


def found(i):
    return glob.glob("%s/mail/%s-%d/new/*" % (DIR, ROUND, i))


def arrive():
    check("%s: all arrive" % ROUND, wait_for(60, lambda: all(found(i) for i in range(len(SIZES)))),
          [i for i in range(len(SIZES)) if not found(i)])
    copies = [len(found(i)) for i in range(len(SIZES))]
    check("%s: each once" % ROUND, max(copies) == 1, copies)
    wrong = []
    for i in range(len(SIZES)):
        for path in found(i):
            with open(path, "rb") as f:
                if not f.read().endswith(b"\r\n\r\n" + body(i).encode()):
                    wrong.append(i)
    check("%s: byte for byte" % ROUND, not wrong, wrong)


send() if WHAT == "send" else arrive()
