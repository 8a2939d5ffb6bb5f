"""hostile.py DIR PORT PID - mail for every hostile hop under every contract, see test_hostile.sh."""

import collections
import os
import re
import sys
import time

import ctl
import hop
from smtp import Peer, check, children, message, wait_for

DIR, PORT, PID = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
HOPS, RUN = DIR + "/hop", DIR + "/edge/run"
LEVELS = ["may", "enc", "dom"]

# How mail fares under opportunistic, encrypt and domain: over "tls", in "clear", it "waits", it is
# "refused" for good (by the hop), or it arrives at a later attempt ("later": TLS, after a wait).
EVERYWHERE = {
    "honest": "tls", "bytewise": "tls", "starttls-odd-case": "tls", "starttls-args": "tls",
    "greylist": "later",
    "rcpt-550": "refused", "dot-554": "refused",
    "cert-self-signed": ("tls", "tls", "waits"), "cert-unknown": ("tls", "tls", "waits"),
    "cert-other-host": ("tls", "tls", "waits"), "cert-expired": ("tls", "tls", "waits"),
    "stripped": ("clear", "waits", "waits"), "ehlo-500-helo": ("clear", "waits", "waits"),
    "starttls-454": ("clear", "waits", "waits"), "starttls-502": ("clear", "waits", "waits"),
    "starttls-554": ("clear", "waits", "waits"), "starttls-220-close": ("clear", "waits", "waits"),
    "starttls-220-plain": ("clear", "waits", "waits"), "starttls-220-silent": ("clear", "waits", "waits"),
    "hello-reset": ("clear", "waits", "waits"), "hello-retry-endless": ("clear", "waits", "waits"),
    "hello-retry": "tls",
}
IDS = {"hello-": "T-55: ", "tls-": "T-52: "}  # others are T-04's


def expected(name, level):
    way = EVERYWHERE.get(name, "waits")
    return way if isinstance(way, str) else way[LEVELS.index(level)]


NAMES = sorted(hop.ANSWERS) + ["cert-self-signed", "cert-unknown", "cert-other-host", "cert-expired"]
ALL = [(n, level) for n in NAMES for level in LEVELS]


def send_all():
    peer = Peer(PORT)
    peer.ehlo()
    for name, level in ALL:
        ident = name + "." + level
        if peer.envelope("ada@example.net", "grace@%s.example" % ident) != 250:
            return False
        if peer.data(message(ident))[0] != 250:
            return False
    peer.quit()
    return True


def outcome(results, taken):
    """What became of one mail so far."""
    if taken:
        return ("later" if "deferred" in results else "tls") if taken[0]["tls"] else "clear"
    return "refused" if "bounced" in results else "waits" if "deferred" in results else "nothing"


def tried():
    """The results of all attempts, by address."""
    by_to = collections.defaultdict(list)
    for attempt in ctl.attempts(DIR + "/edge.log"):
        by_to[attempt["to"]].append(attempt["result"])
    return by_to


def address(name, level):
    return "grace@%s.%s.example" % (name, level)


def judge():
    taken, results = hop.messages(HOPS), tried()
    for name in NAMES:
        want = [expected(name, level) for level in LEVELS]
        got = [outcome(results[address(name, level)], taken.get(name + "." + level)) for level in LEVELS]
        ids = "".join(i for start, i in IDS.items() if name.startswith(start)) or "T-04: "
        check("%s%s: %s" % (ids, name, ", ".join(want)), got == want, got)


def all_tried():
    results = tried()
    return all(results[address(*x)] for x in ALL)


# --- what must never have been said

def clear_transactions(name):
    """Envelopes that this hop saw in clear."""
    return re.findall(rb"RCPT TO:<grace@([a-z0-9.-]+)\.example>", hop.clear(HOPS, name + ".hop.example"))


def judge_clear():
    bad = []
    for name in NAMES:
        seen = clear_transactions(name)
        bad += [s.decode() for s in seen if s.endswith((b".enc", b".dom"))]
        text = hop.clear(HOPS, name + ".hop.example")
        bad += [name + ": a body" for level in ("enc", "dom")
                if b"X-Test-Id: %s.%s" % (name.encode(), level.encode()) in text]
    check("R21: T-04: not one envelope or byte of mail in clear where TLS is demanded", not bad, bad)
    check("T-02: nobody sends mail in clear behind an injected reply",
          not clear_transactions("starttls-inject"), clear_transactions("starttls-inject"))


def judge_trace():
    for name in ("starttls-454", "starttls-220-close", "starttls-220-plain", "starttls-220-silent", "hello-reset",
                 "hello-retry-endless"):
        lines = ctl.lines(RUN, to=address(name, "may"))
        check("R20: the trace of %s says that TLS failed and that plaintext was allowed" % name,
              any("plaintext is allowed" in x.get("channel", "") for x in lines if x["event"] == "delivered"),
              lines)
    for level in ("enc", "dom"):
        for name, words in (("hello-reset", "the connection broke during the TLS handshake"),
                            ("hello-retry-endless", "the handshake failed"),
                            ("starttls-220-silent", "it did not end in time")):
            lines = str(ctl.lines(RUN, to=address(name, level)))
            check("T-55: %s, %s: TLS is still demanded, and the trace says why it failed" % (name, level),
                  words in lines and "plaintext is allowed" not in lines, lines)
    for name in ("tls-greeting", "tls-greeting-cork", "tls-ehlo-cork"):
        words = "nobody asked for" if "cork" in name else "a reply of the wrong kind to EHLO"
        for level in LEVELS:
            lines = str(ctl.lines(RUN, to=address(name, level)))
            check("T-52: %s, %s: who speaks out of turn in TLS is left" % (name, level), words in lines, lines)
        said = [e["line"] for e in hop.events(HOPS, hop=name + ".hop.example", event="command")]
        check("T-52: %s: no mail is said behind it, in TLS or in clear" % name,
              said and not [line for line in said if "MAIL" in line.upper()], said)
    lines = ctl.lines(RUN, to=address("cert-expired", "dom"))
    check("R21: the trace of an expired certificate says so", "expired" in str(lines), lines)
    check("T-02: an injected reply is not answered over TLS either",
          not hop.events(HOPS, hop="starttls-inject.hop.example", event="message"))


def tries_go_on():
    first = sum(map(len, tried().values()))
    return wait_for(5, lambda: sum(map(len, tried().values())) > first + 50)


def bounces():
    return [r for r in hop.events(HOPS, event="message", hop="sender.hop.example")
            if "Mail delivery failed" in r["text"] or "delivery-status" in r["text"]]


def main():
    workers = children(PID)
    begun = time.monotonic()
    check("mail for %d hops and contracts is accepted" % len(ALL), send_all())
    check("every one has been tried within 40 s", wait_for(40, all_tried))
    wait_for(10, lambda: "greylist.dom" in hop.messages(HOPS))
    judge()
    judge_trace()
    judge_clear()
    check("mail that waits is tried again", tries_go_on())
    check("T-04: no worker has ended", children(PID) == workers, (workers, children(PID)))

    with open(HOPS + "/honest", "w"):
        pass
    refused = [n + "." + level for n, level in ALL if expected(n, level) == "refused"]
    rest = [n + "." + level for n, level in ALL if n + "." + level not in refused]
    check("when the hops are honest the queue drains", wait_for(60, lambda: not ctl.queue(RUN)),
          [r["to"] for m in ctl.queue(RUN) for r in m["rcpts"]])
    taken = hop.messages(HOPS)
    wrong = {i: len(taken[i]) for i in rest if len(taken[i]) != 1}
    check("all %d mails arrived, each once" % len(rest), not wrong, wrong)
    demanded = [i for i in rest if not i.endswith(".may") and not taken[i][0]["tls"]]
    check("R21: all that was demanded went by TLS", not demanded, demanded)
    check("the sender has one bounce for each of %d refused mails" % len(refused),
          len(bounces()) == len(refused), len(bounces()))
    judge_clear()
    check("T-04: no worker has ended at last", children(PID) == workers)
    counters = ctl.counters(RUN)
    check("R20: plaintext after failed TLS is counted",
          counters["postern_plaintext_after_tls_failed_total"] >= 5, counters)
    print("hostile: %.0f s, %d sessions" % (time.monotonic() - begun, counters["postern_sessions_out_total"]))


assert os.path.isdir(HOPS)
main()
