"""dane.py DIR PORT - see test_dane.sh. DIR/cases: DOMAIN WANT HOST; WANT is tls, clear, or the status of a deferral."""

import re
import sys

import ctl
import hop
from smtp import Peer, check, message, wait_for

DIR, PORT = sys.argv[1], int(sys.argv[2])
HOPS, RUN = DIR + "/hop", DIR + "/edge/run"
SECRET = "Only under seal."


def cases():
    with open(DIR + "/cases") as f:
        return [line.split() for line in f]


def sender(domain):
    return "ada@clinic.example" if domain.startswith("must.") else "ada@example.net"


def send(domains):
    codes = []
    peer = Peer(PORT)
    peer.ehlo()
    for domain in domains:
        code = peer.envelope(sender(domain), "grace@" + domain)
        text = message("to-" + domain, body=SECRET + "\r\n", to="grace@" + domain)
        codes.append(peer.data(text)[0] if code == 250 else code)
    peer.quit()
    return codes


def lines(domain):
    return ctl.lines(RUN, to="grace@" + domain)


def fate(domain):
    taken = hop.messages(HOPS).get("to-" + domain)
    if taken:
        return ("tls" if taken[0]["tls"] else "clear", taken[0]["hop"])
    for line in lines(domain):
        if line["event"] == "deferred":
            status = re.search(r"\b4\.\d+\.\d+\b", line.get("reply", ""))
            return (status.group(0) if status else line.get("reply"), None)
    return (None, None)


def fates():
    rows = cases()
    codes = send([d for d, _, _ in rows])
    check("mail for %d domains is taken" % len(rows), set(codes) == {250}, codes)
    for domain, want, host in rows:
        wait_for(20, lambda d=domain, w=want: fate(d)[0] == w)
        got, where = fate(domain)
        check("T-30: %s: %s" % (domain, want), got == want and where in (None, host), (got, where, lines(domain)[-1:]))


def in_clear():
    for domain, want, host in cases():
        said = hop.clear(HOPS, host)
        found = re.findall(rb"(?im)^(?:MAIL FROM|RCPT TO|DATA|BDAT)[^\r\n]*", said)
        if want == "clear":
            check("R20: control: %s: what goes in clear is seen" % domain, len(found) >= 3, said[:200])
        else:
            check("R21: %s: no command of a transaction and no byte of mail in clear" % domain,
                  not found and SECRET.encode() not in said, found)


def told():
    done = [x for x in lines("ee.dane.example") if x["event"] == "delivered"]
    check("the trace tells which contract held", done and "tlsa=" in done[0].get("contract", ""), done)
    facts = ctl.explain(RUN, "grace@ee.dane.example")["facts"]
    check("explain shows the records", "tlsa=found" in facts and "tlsa-records=3-1-1-" in facts, facts)
    facts = ctl.explain(RUN, "grace@pkix.dane.example")["facts"]
    check("T-32: and those that cannot be used are counted", "tlsa-unusable=2" in facts, facts)
    facts = ctl.explain(RUN, "grace@forged.dane.example")["facts"]
    check("T-30: forged records are bogus", "tlsa=bogus" in facts, facts)
    facts = ctl.explain(RUN, "grace@open.example")["facts"]
    check("RFC 7672 2.2.2: nobody looks for records in a zone that is not signed",
          "tlsa=none" in facts and "tlsa-records= " in facts, facts)
    facts = ctl.explain(RUN, "grace@alias.dane.example")["facts"]
    check("RFC 7672 2.2.3: the base domain is what the CNAME leads to", "tlsa-base=mx-ee.dane.example" in facts, facts)
    with open(DIR + "/edge.log", errors="replace") as f:
        check("the probe proves that the resolver validates", "dns.validates" in f.read())


fates()
in_clear()
told()
