"""mx.py DIR PORT SILENT_PORT LITERAL POSTERN - see test_dns.sh."""

import collections
import glob
import json
import re
import socket
import subprocess
import sys

import ctl
import hop
from smtp import Peer, check, message, wait_for

DIR, PORT, SILENT, LITERAL, POSTERN = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
HOPS, RUN = DIR + "/hop", DIR + "/edge/run"

# domain: where its mail goes, or the status of its bounce, or None: it waits
WANT = {
    "order.dns.example": "one",
    "implicit.dns.example": "implicit",
    "half.dns.example": "alive",
    "half-known.dns.example": "alive",
    "race.dns.example": "raced",
    "backup.dns.example": "one",
    "alias-mx.dns.example": "target",
    "alias-domain.dns.example": "one",
    "null-beside.dns.example": "alive",
    "[%s]" % LITERAL: "literal",
    "secure.example": "safe",
    "null.dns.example": "5.1.10",
    "nowhere.dns.example": "5.1.2",
    "no-host.dns.example": "5.4.4",
    "no-address.dns.example": "5.4.4",
    "loop.dns.example": "5.4.6",
    "loop-address.dns.example": "5.4.6",
    "broken.example": None,
    "unknown-host.dns.example": None,
    "silent.example": None,
    "bogus.example": None,
}


def black_hole():
    """A listener on ::1 whose queue is full: it answers no SYN, as a dead IPv6 route does."""
    try:
        full = socket.socket(socket.AF_INET6)
        full.bind(("::1", PORT))
        full.listen(0)
    except OSError:
        return None
    held = [full]
    for _ in range(4):
        s = socket.socket(socket.AF_INET6)
        s.setblocking(False)
        s.connect_ex(("::1", PORT))
        held.append(s)
    return held


def send(pairs):
    peer = Peer(PORT)
    peer.ehlo()
    codes = []
    for ident, to in pairs:
        code = peer.envelope("ada@example.net", to)
        codes.append(peer.data(message(ident))[0] if code == 250 else code)
    peer.quit()
    return codes


def bounces():
    ret = {}
    for path in glob.glob(DIR + "/mail/bounces/new/*"):
        with open(path, "rb") as f:
            text = f.read().decode("utf-8", "replace")
        for to, status in re.findall(r"(?ms)^Final-Recipient: rfc822; ?(\S+?)\r?$.*?^Status: (\S+?)\r?$", text):
            ret[to] = status
    return ret


def fate(domain):
    taken = hop.messages(HOPS).get("to-" + domain)
    if taken:
        return taken[0]["hop"].split(".")[0]
    return bounces().get("grace@" + domain)


def deferred(domain):
    return any(a["to"] == "grace@" + domain and a["result"] == "deferred" for a in ctl.attempts(DIR + "/edge.log"))


def fates():
    codes = send([("to-" + d, "grace@" + d) for d in WANT])
    check("mail for %d domains is accepted" % len(WANT), set(codes) == {250}, list(zip(WANT, codes)))
    for domain, want in WANT.items():
        if want:
            check("%s: %s" % (domain, want), wait_for(15, lambda d=domain: fate(d)) == want, fate(domain))
        else:
            check("%s: it waits, as nobody can tell" % domain, wait_for(15, deferred, domain) and fate(domain) is None,
                  fate(domain))
    again = hop.messages(HOPS)
    check("nothing was delivered twice", max(map(len, again.values())) == 1, {k: len(v) for k, v in again.items()})


def raced():
    lines = [x for x in ctl.lines(RUN, to="grace@race.dns.example") if x["event"] == "delivered"]
    check("a dead IPv6 address costs less than a second", lines and lines[0]["took_ms"] < 1000, lines)
    check("the first attempt succeeded", lines and lines[0]["attempt"] == 1, lines)


def shared():
    """Of two hosts with one preference each gets a part."""
    send([("even-%d" % i, "u%d@even.dns.example" % i) for i in range(16)])
    for _ in range(3):  # each by another session
        wait_for(10, lambda: not [m for m in ctl.queue(RUN) if "even.dns.example" in str(m)])
        send([("even-more-%d-%d" % (_, i), "m%d@even.dns.example" % i) for i in range(6)])
    wait_for(10, lambda: not [m for m in ctl.queue(RUN) if "even.dns.example" in str(m)])
    got = collections.Counter(r["hop"] for i, rs in hop.messages(HOPS).items() if i.startswith("even-") for r in rs)
    check("RFC 5321 5.1: equal preferences share the mail", sum(got.values()) == 34 and len(got) == 2, got)


def facts(domain):
    return ctl.explain(RUN, "grace@" + domain)["facts"]


def dnssec():
    text = facts("secure.example")
    check("DNSSEC: a signed zone is secure in the facts",
          "mx-security=secure" in text and "ip-security=secure" in text, text)
    text = facts("half.secure.example")
    check("DNSSEC: a signed MX to an unsigned host is secure and insecure",
          "mx-security=secure" in text and "ip-security=insecure" in text, text)
    text = facts("order.dns.example")
    check("DNSSEC: an unsigned zone is insecure", text.count("mx-security=insecure") == 3 and "=secure" not in text, text)
    text = facts("bogus.example")
    check("DNSSEC: a forged address is bogus", "ip-security=bogus" in text and "has-ip=unknown" in text, text)
    check("DNSSEC: no mail went to the forged address",
          not hop.events(HOPS, hop="forged.bogus.example", event="message"))


def explained():
    out = subprocess.run([POSTERN, "-c", DIR + "/edge.conf", "explain", "--from", "ada@example.net", "--to",
                          "grace@order.dns.example"], capture_output=True, text=True, timeout=20, check=False)
    names = re.findall(r"(one|two|three)\.dns\.example", out.stdout)
    first = list(dict.fromkeys(names))
    check("postern explain shows the MX hosts in their order", first == ["one", "two", "three"], out.stdout + out.stderr)
    out = subprocess.run([POSTERN, "-c", DIR + "/edge.conf", "explain", "--from", "ada@example.net", "--to",
                          "grace@null.dns.example", "--json"], capture_output=True, text=True, timeout=20, check=False)
    check("postern explain --json is JSON, and says of a null MX that it takes no mail",
          "null-mx=yes" in json.loads(out.stdout or "{}").get("facts", "") or "no mail" in out.stdout,
          out.stdout + out.stderr)


silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.1", SILENT))  # a resolver that never answers
hole = black_hole()
if not hole:
    print("skip a dead IPv6 address: no IPv6 on loopback")
fates()
if hole:
    raced()
shared()
dnssec()
explained()
