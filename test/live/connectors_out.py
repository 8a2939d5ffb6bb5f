"""connectors_out.py PART DIR PORT - mail out through connectors, see test_connectors_out.sh."""

import collections
import glob
import os
import re
import subprocess
import sys
import time

import ctl
import hop
from smtp import Gone, Peer, attempt, check, client_context, message, wait_for

PART, DIR, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])
HOPS, RUN = DIR + "/hop", DIR + "/edge/run"
POSTERN = os.environ.get("POSTERN", "postern")
LEVELS = ["enc", "cer", "dom", "nam"]
NEEDS = {"enc": "encrypt", "cer": "chain", "dom": "name", "nam": "name"}
SECRET = "the secret of this mail"
ADA, ADA_SOURCE = "ada@clinic.example", "127.0.0.10"  # one of the clinic's own servers

# How mail fares under tls = encrypt, certificate, domain, and domain with a name of the partner's own.
NEVER = ("bounce",) * 4
FARE = {
    "good": ("tls", "tls", "tls", "bounce"),
    "named": ("tls", "tls", "bounce", "tls"),
    "other-host": ("tls", "tls", "bounce", "bounce"),
    "self-signed": ("tls", "bounce", "bounce", "bounce"),
    "unknown": ("tls", "bounce", "bounce", "bounce"),
    "expired": ("tls", "bounce", "bounce", "bounce"),
    "leaf": ("tls", "bounce", "bounce", "bounce"),
    "chain": ("tls", "tls", "tls", "bounce"),
    "starttls-odd-case": ("tls", "tls", "tls", "bounce"),
    "starttls-args": ("tls", "tls", "tls", "bounce"),
    "watch": ("tls", "tls", "tls", "bounce"),
    "pf-good": ("tls", "tls", "tls", "bounce"), "ex-good": ("tls", "tls", "tls", "bounce"),
    "pf-self-signed": ("tls", "bounce", "bounce", "bounce"), "ex-self-signed": ("tls", "bounce", "bounce", "bounce"),
    "pf-expired": ("tls", "bounce", "bounce", "bounce"),
}
RULES = {"starttls": "R21 T-04", "stripped": "R21 T-04", "ehlo": "R21 T-04", "strip": "R21 T-04", "refuse": "R21 T-04",
         "old": "R13 R21", "pf-old": "R13 R21", "ex-old": "R13 R21", "hello": "R21 T-55",
         "lying": "R21 T-31"}


def cases():
    """Those that test_connectors_out.sh has made connectors for: {name: where its mail is, or ""}."""
    with open(DIR + "/cases") as f:
        rows = [line.split() for line in f]
    return {row[0]: (row[1:] or [""])[0] for row in rows}


def address(case, level):
    return "grace@%s.%s.example" % (case, level)


def send(mails, sender=ADA, source=ADA_SOURCE):
    """One session; mails are (ident, address, more fields). The codes."""
    peer = Peer(PORT, source=(source, 0))
    peer.ehlo()
    codes = []
    for ident, to, extra in mails:
        code = peer.envelope(sender, to)
        text = message(ident, extra=extra, body=SECRET + "\r\n", to=to)
        codes.append(peer.data(text)[0] if code == 250 else code)
    peer.quit()
    return codes


def bounces(whose="clinic.example/ada"):
    ret = {}
    for path in glob.glob("%s/mail/%s/new/*" % (DIR, whose)):
        with open(path, "rb") as f:
            text = f.read().decode("utf-8", "replace")
        for to in re.findall(r"(?m)^Final-Recipient: rfc822; ?(\S+?)\r?$", text):
            ret[to] = text
    return ret


def in_maildir(folder, ident):
    for path in glob.glob(folder + "/**/new/*", recursive=True):
        with open(path, "rb") as f:
            if b"X-Test-Id: " + ident.encode() + b"\n" in f.read().replace(b"\r\n", b"\n"):
                return True
    return False


def wire(name):
    """What crossed the line to that hop before TLS, or all of it, where there is somebody in between."""
    try:
        with open(DIR + "/wire/" + name, "rb") as f:
            return f.read()
    except OSError:
        return hop.clear(HOPS, name + ".hop.example")


def said_in_clear(data):
    """Commands of a transaction and pieces of the mail."""
    found = re.findall(rb"(?im)^(?:MAIL FROM|RCPT TO|DATA|BDAT)[^\r\n]*", data)
    return found + [w for w in (b"X-Test-Id", SECRET.encode(), b"Subject:") if w in data]


def fate(case, folder, level, taken, bounced):
    ident, to = case + "." + level, address(case, level)
    if ident in taken:
        return "tls" if taken[ident][0]["tls"] else "clear"
    if folder and in_maildir(folder, ident):
        return "clear" if b"RCPT TO:<" + to.encode() + b">" in wire(case) else "tls"
    return "bounce" if to in bounced else "nothing"


def fates(there):
    taken, bounced = hop.messages(HOPS), bounces()
    return {(c, level): fate(c, there[c], level, taken, bounced) for c in there for level in LEVELS}


def levels():
    there = cases()
    want = {(c, level): FARE.get(c, NEVER)[i] for c in there for i, level in enumerate(LEVELS)}
    codes = send([(c + "." + level, address(c, level), "") for c in there for level in LEVELS])
    check("R9 R22: mail of an own server for %d partners is taken" % len(want), set(codes) == {250}, codes)
    begun = time.monotonic()
    wait_for(60, lambda: fates(there) == want)
    print("# all fared after %.0f s" % (time.monotonic() - begun))
    got = fates(there)
    for case in there:
        rule = next((r for start, r in RULES.items() if case.startswith(start)), "R21")
        fared = [got[case, level] for level in LEVELS]
        check("%s: %s: %s" % (rule, case, ", ".join(want[case, level] for level in LEVELS)),
              fared == [want[case, level] for level in LEVELS], fared)
        clear = said_in_clear(wire(case))
        check("%s: %s: on the line there is no command of a transaction and no byte of mail" % (rule, case), not clear, clear)
    check("R21: the lines were listened to", all(wire(c) for c in there), [c for c in there if not wire(c)])
    check("R11: control: what goes in clear is seen", send([("control", "grace@control.example", "")]) == [250] and wait_for(
        10, lambda: len(said_in_clear(wire("control"))) >= 6), said_in_clear(wire("control")))
    for case in there:
        judge_traces(case, want)


def judge_traces(case, want):
    for level in LEVELS:
        lines = ctl.lines(RUN, to=address(case, level))
        connector = "clinic/%s-%s" % (case, level)
        if want[case, level] == "tls":
            done = [x for x in lines if x["event"] == "delivered"]
            text = str(done)
            check("R9: the trace of %s, %s has connector, contract and TLS" % (case, level),
                  len(done) == 1 and connector in text and "tls=" + NEEDS[level] in done[0].get("contract", "")
                  and done[0].get("tls", "").startswith("TLSv1."), lines)
            if level == "nam":
                check("R9: and the names, demanded and shown", text.count("mx.partner.example") >= 2, done)
        else:
            judge_bounce(case, level, connector, lines)


def judge_bounce(case, level, connector, lines):
    deferred = [x for x in lines if x["event"] == "deferred"]
    kinds = [x["event"] for x in lines]
    check("R21: %s, %s: deferred, then given up, by the connector" % (case, level),
          deferred and kinds[-1] in ("expired", "notification") and "expired" in kinds
          and all(connector in str(x) for x in deferred), lines)
    last = re.search(r"\b4\.(\d+\.\d+)\b", deferred[-1].get("reply", "") if deferred else "")
    text = bounces().get(address(case, level), "")
    status = re.search(r"(?m)^Status: 5\.(\d+\.\d+)\r?$", text)
    check("R21: %s, %s: the bounce has the digits of the last try, with a 5" % (case, level),
          last and status and last.group(1) == status.group(1),
          (deferred[-1:], re.findall(r"(?m)^(?:Status|Diagnostic-Code).*", text)))


# --- the client's certificate (T-26), connections that are not shared (T-41, T-42)

OURS, RIVALS = ["mx.hospital.example"], ["mx.rival.example"]
SHOWN = {
    "show.example": OURS, "hide.example": None, "plainly.example": None, "route.example": None, "demand.example": OURS,
}


def sessions(name):
    """{number: {"client": names or None, "resumed": bool, "to": [domain, ...]}} of one hop."""
    ret = collections.defaultdict(lambda: {"client": None, "resumed": False, "to": []})
    for e in hop.events(HOPS, hop=name + ".hop.example"):
        if e["event"] == "tls":
            ret[e["session"]].update(client=e["client"], resumed=e["resumed"])
        elif e["event"] == "message":
            ret[e["session"]]["to"] += re.findall(r"@([a-z0-9.-]+)", " ".join(e["rcpts"]))
    return ret


def identity():
    rounds = 5
    for i in range(rounds):
        time.sleep(1.6 if i > 1 else 0.3)  # in part over connections that are open, in part anew, by tickets
        send([("%s.%d" % (d, i), "grace@" + d, "") for d in SHOWN])
        send([("rival.%d" % i, "grace@show.rival-partner.example", "")], "ada@rival.example", "127.0.0.11")
    want = ["%s.%d" % (d, i) for d in list(SHOWN) + ["rival"] for i in range(rounds)]
    check("T-26: all mail for hosts that ask for a certificate is delivered",
          wait_for(20, lambda: all(w in hop.messages(HOPS) for w in want)),
          [w for w in want if w not in hop.messages(HOPS)])
    seen = collections.defaultdict(list)
    for name in ("asks", "asks-too", "demands"):
        for s in sessions(name).values():
            for domain in s["to"]:
                seen[domain].append(s["client"])
    for domain, names in SHOWN.items():
        check("T-26: mail for %s: %s" % (domain, "our certificate is shown" if names else "no certificate is shown"),
              seen[domain] and all(c == names for c in seen[domain]), seen[domain])
    mine = seen["show.rival-partner.example"]
    check("T-26: another organisation shows its own", mine and all(c == RIVALS for c in mine), mine)
    mixed = [s for name in ("asks", "asks-too") for s in sessions(name).values() if len(set(s["to"])) > 1]
    check("T-26 T-41: no connection carried mail of two identities", not mixed, mixed)
    check("T-26: tickets were used", any(s["resumed"] for s in sessions("asks").values()), dict(sessions("asks")))
    check("T-26: who demands one and gets none gets no mail",
          send([("not", "grace@demand-not.example", "")]) == [250] and wait_for(
              20, lambda: "grace@demand-not.example" in bounces()) and "not" not in hop.messages(HOPS))


def rerouted():
    """An operator sends elsewhere what was meant for a partner that is down."""
    check("T-26: mail for a partner that is down waits", send([("rerouted", "grace@down.example", "")]) == [250] and wait_for(
        10, lambda: "deferred" in str(ctl.lines(RUN, to="grace@down.example"))))
    p = subprocess.run([POSTERN, "-c", DIR + "/edge.conf", "queue", "reroute", sys.argv[4], "--domain", "down.example"],
                       capture_output=True, text=True, timeout=30, check=False)
    got = wait_for(10, lambda: hop.messages(HOPS).get("rerouted"))
    shown = [s["client"] for s in sessions("asks-too").values() if "down.example" in s["to"]]
    check("T-26: rerouted to another host, which asks, it goes there by TLS and our certificate is not shown",
          p.returncode == 0 and got and got[0]["tls"] and shown == [None], (p.stdout + p.stderr, shown))


def sharing():
    domains = ["one.example", "two.example", "three.example", "four.example"]
    rounds = 6
    for i in range(rounds):
        order = domains if i % 2 else domains[::-1]
        send([("share.%s.%d" % (d, i), "grace@" + d, "") for d in order])
        time.sleep(0.4)
    want = ["share.%s.%d" % (d, i) for d in domains for i in range(rounds)]
    check("T-41: mail under four contracts to one host is delivered",
          wait_for(20, lambda: all(w in hop.messages(HOPS) for w in want)))
    used = [s for s in sessions("shared").values() if s["to"]]
    mixed = [s["to"] for s in used if len(set(s["to"])) > 1]
    check("T-41 T-42: no two contracts share a connection", not mixed, mixed)
    check("T-41: there are at least as many connections as contracts", len(used) >= len(domains), len(used))
    check("T-41: and those of one contract are used again", len(used) < len(want), len(used))


# --- weakenings, trials, fields, what was said before TLS

def odds():
    fare = {
        "wk-expired.example": "tls", "lp-expired.example": "bounce", "wk-name.example": "tls", "lp-name.example": "bounce",
        "wk-plaintext.example": "clear", "lp-plaintext.example": "bounce", "ba.example": "tls", "trial.example": "clear",
    }
    long = "X-Long: %s\r\n" % ("x" * 900)
    check("R22: mail for connectors with weakenings is taken",
          set(send([("odd." + d, "grace@" + d, long) for d in fare])) == {250})

    def now():
        taken, bounced = hop.messages(HOPS), bounces()
        return {d: ("tls" if taken["odd." + d][0]["tls"] else "clear") if "odd." + d in taken
                else "bounce" if "grace@" + d in bounced else "nothing" for d in fare}
    wait_for(30, lambda: now() == fare)
    got = now()
    names = {
        "wk-expired.example": "R21: allow \"expired\" until tomorrow lets an expired certificate pass",
        "lp-expired.example": "R21: until yesterday it does not",
        "wk-name.example": "R21: allow \"name\" until tomorrow lets another name pass",
        "lp-name.example": "R21: until yesterday it does not",
        "wk-plaintext.example": "R21: allow \"plaintext\" until tomorrow lets mail go in clear",
        "lp-plaintext.example": "R21: until yesterday it does not",
        "ba.example": "T-03: what the server promised before TLS is forgotten",
        "trial.example": "R22: mode = test: mail goes as without the connector",
    }
    for domain, name in names.items():
        check(name, got[domain] == fare[domain], got[domain])
    weak = str([x for x in ctl.lines(RUN, to="grace@wk-expired.example") if x["event"] == "delivered"])
    check("R21: the trace says that it was a weakening", "weak" in weak and "clinic/wk-expired" in weak, weak)
    trial = str(ctl.lines(RUN, to="grace@trial.example"))
    check("R22: mode = test: the trace tells what it would have been", "clinic/trial" in trial, trial)


def field():
    codes = send([("by-field", "grace@anywhere.example", "X-Route-Via: secure\r\n"),
                  ("other-field", "grace@anywhere.example", "X-Route-Via: insecure\r\n"),
                  ("no-field", "grace@anywhere.example", "")])
    ok = wait_for(15, lambda: all(i in hop.messages(HOPS) for i in ("by-field", "other-field", "no-field")))
    where = {i: r[0]["hop"] for i, r in hop.messages(HOPS).items() if i.endswith("-field")}
    check("R22: mail with the field goes by the connector that wants it, other mail does not",
          codes == [250] * 3 and ok and where == {"by-field": "asks.hop.example", "other-field": "far.hop.example",
                                                  "no-field": "far.hop.example"}, where)


# --- all mail of an organisation by its own server, and out again

def central():
    n = 6
    peer_mails = [("central.%d" % i, "grace@outside.example", "") for i in range(n)]
    check("R9: central: mail that the organisation's users send is taken",
          set(send(peer_mails, "ada@central.example", "127.0.0.12")) == {250})
    good = wait_for(30, lambda: all("central.%d" % i in hop.messages(HOPS) for i in range(n)))
    taken = hop.messages(HOPS)
    check("R9: central: it comes out at the other end", good, [i for i in range(n) if "central.%d" % i not in taken])
    time.sleep(2)
    copies = {i: len(taken["central.%d" % i]) for i in range(n) if len(taken["central.%d" % i]) != 1}
    check("R9: central: each once", not copies, copies)
    received = [r["text"].split("\r\n\r\n")[0].count("by edge.example") for i in range(n) for r in taken["central.%d" % i]]
    check("R9: central: no loop: it passed us twice, before and behind the organisation's server", set(received) == {2},
          received)


# --- receivers as docs/cookbook/ sets them up

def book():
    page = sys.argv[4]
    folder = sys.argv[5]
    log = sys.argv[6]
    codes = send([("book-" + page, "grace@lab.example", "")], "ada@hospital.example")
    check("docs/cookbook/%s.md: mail for the partner is delivered" % page,
          codes == [250] and wait_for(20, in_maildir, folder, "book-" + page), codes)
    check("docs/cookbook/%s.md: who is not the hospital's server may not send by us" % page,
          send([("not-ours", "grace@lab.example", "")], "ada@hospital.example", "127.0.0.11") == [550])
    for name, tls, shows in (("in clear", False, None), ("without a certificate", True, None),
                             ("with another certificate", True, "other"), ("with an unknown CA's", True, "gateway-unknown")):
        text = impostor(int(sys.argv[7]), tls, shows)
        check("docs/cookbook/%s.md: who says to be the hospital %s is refused" % (page, name),
              re.search(r"^5\d\d ", text), text)
    text = impostor(int(sys.argv[7]), False, None, "ada@somebody.example")
    check("docs/cookbook/%s.md: others are not" % page, text.startswith("250"), text)
    if page == "exim":
        with open(log, errors="replace") as f:
            check("docs/cookbook/exim.md: Exim says that it has verified us",
                  re.search(r"<= ada@hospital\.example .* CV=yes", f.read()))


def own_port():
    """A port of Postfix that demands a certificate."""
    folder, port = sys.argv[4], int(sys.argv[5])
    codes = send([("own-port", "grace@lab.example", "")], "ada@hospital.example")
    check("docs/cookbook/postfix.md: the port of its own takes our mail", codes == [250] and wait_for(
        20, in_maildir, folder, "own-port"), codes)
    try:
        text = impostor(port, True, None)
    except (OSError, Gone) as e:
        text = "gone: %s" % e
    check("docs/cookbook/postfix.md: there, who has no certificate does not get in", not text.startswith("2"), text)
    text = impostor(port, False, None)
    check("docs/cookbook/postfix.md: nor who has no TLS", text.startswith("5"), text)


def impostor(port, tls, shows, sender="ada@hospital.example"):
    """What the partner's server answers to RCPT, or to MAIL if that is refused."""
    peer = Peer(port)
    peer.ehlo()
    if tls:
        context = client_context()
        if shows:
            context.load_cert_chain("%s/pki/%s.pem" % (DIR, shows), "%s/pki/%s.key" % (DIR, shows))
        peer.starttls(context=context)
        peer.ehlo()
    code, lines = peer.cmd("MAIL FROM:<%s>" % sender)
    if code == 250:
        code, lines = peer.cmd("RCPT TO:<grace@lab.example>")
    peer.quit()
    return lines[-1]


# --- explain says what happened

def explained():
    there = cases()
    for case, level in ((c, level) for c in ("good", "named", "expired", "plain") for level in LEVELS if c in there):
        to = address(case, level)
        p = subprocess.run([POSTERN, "-c", DIR + "/edge.conf", "explain", "--from", ADA, "--to", to],
                           capture_output=True, text=True, timeout=30, check=False)
        happened = re.findall(r"clinic/[a-z0-9_-]+", str([x for x in ctl.lines(RUN, to=to) if x["event"] != "accepted"]))
        told = re.findall(r"clinic/%s-%s\b" % (case, level), p.stdout)
        check("postern explain names the connector of %s, %s, which the trace has too" % (case, level),
              p.returncode == 0 and told and set(happened) == {told[0]}, (p.stdout[-400:], happened))


PARTS = {f.__name__: f for f in (levels, identity, rerouted, sharing, odds, field, central, book, own_port, explained)}

if __name__ == "__main__":
    for part in PART.split(","):
        attempt(part + " runs to its end", PARTS[part])
