"""stop.py load DIR PORT ROUND - sends until the gateway ends; prints what was answered 250.
stop.py judge DIR PORT 0 - has all of it arrived, and once? See test_stop.sh."""

import sys
import threading
import time

import ctl
import hop
from smtp import Gone, Peer, check, message, wait_for

WHAT, DIR, PORT, ROUND = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
CLIENTS = 12


def client(k, taken):
    n = 0
    end = time.monotonic() + 10
    try:
        peer = Peer(PORT, timeout=5)
        peer.ehlo()
        while time.monotonic() < end:
            ident = "%s-%d-%d" % (ROUND, k, n)
            if peer.envelope("ada@example.net", "grace@example.org") != 250:
                return
            if peer.data(message(ident, body="x" * 60 + "\r\n"))[0] != 250:
                return
            taken.append(ident)
            n += 1
    except (Gone, OSError, ValueError):
        return  # the gateway has ended


def load():
    taken = []
    threads = [threading.Thread(target=client, args=(k, taken)) for k in range(CLIENTS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print("\n".join(taken))


def judge():
    with open(DIR + "/taken") as f:
        taken = f.read().split()
    check("T-56: hundreds of mails were answered 250", len(taken) > 100, len(taken))
    check("T-56: the queue drains", wait_for(30, lambda: not ctl.queue(DIR + "/edge/run")))
    got = hop.messages(DIR + "/hop")
    lost = [i for i in taken if i not in got]
    check("T-56: of %d mails that were answered 250 all have arrived" % len(taken), not lost, lost)
    twice = {i: len(v) for i, v in got.items() if len(v) > 1}
    check("T-56: none arrived twice, as nobody was killed", not twice, twice)


load() if WHAT == "load" else judge()
