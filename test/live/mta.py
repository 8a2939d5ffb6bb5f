"""mta.py hops DIR PORT [utf8] - mail through Postern to each case of DIR/cases under each contract.
mta.py sender DIR PORT NAME WANT - mail by the server on PORT to Postern. See mta.sh."""

import glob
import os
import re
import sys
import time

import ctl
from smtp import Peer, check, message, wait_for

DIR, PORT = sys.argv[2], int(sys.argv[3])
RUN = DIR + "/edge/run"
LEVELS = ["may", "enc", "dom"]

# How mail fares under opportunistic, encrypt, domain; and the requirement that says so.
CASES = {
    "tls": ("R10", ("tls", "tls", "tls")),
    "plain": ("R11 R20 R21", ("clear", "bounce", "bounce")),
    "self-signed": ("R19 R21", ("tls", "tls", "bounce")),
    "other-host": ("R19 R21", ("tls", "tls", "bounce")),
    "old": ("R13 R20 R21", ("clear", "bounce", "bounce")),
    "454": ("R20 R21", ("clear", "bounce", "bounce")),
}


def cases():
    with open(DIR + "/cases") as f:
        return dict(line.split() for line in f)


def found(folder, ident):
    """Files below folder that are the mail `ident`, not a bounce about it."""
    ret = []
    for path in glob.glob(folder + "/**/new/*", recursive=True):
        with open(path, "rb") as f:
            head = f.read().replace(b"\r\n", b"\n").split(b"\n\n")[0]
        if re.search(rb"(?m)^X-Test-Id: %s$" % re.escape(ident.encode()), head):
            ret.append(path)
    return ret


def wire(case):
    try:
        with open(DIR + "/wire/" + case, "rb") as f:
            return f.read()
    except OSError:
        return b""


def send(port, pairs, secure):
    """One session with a mail for each (ident, address)."""
    peer = Peer(port)
    peer.ehlo()
    if secure:
        peer.starttls()
        peer.ehlo()
    codes = []
    for ident, to in pairs:
        code = peer.envelope("ada@example.net", to)
        codes.append(peer.data(message(ident, to=to))[0] if code == 250 else code)
    peer.quit()
    return codes


def bounces():
    ret = {}
    for path in glob.glob(DIR + "/mail/bounces/new/*"):
        with open(path, "rb") as f:
            text = f.read().decode("utf-8", "replace")
        for to in re.findall(r"(?m)^Final-Recipient: rfc822; ?(\S+?)\r?$", text):
            ret[to] = text
    return ret


def address(case, level):
    return "grace@%s.%s.example" % (case, level)


def fate(case, folder, level):
    """tls, clear, bounce, or none of them."""
    ident, to = case + "." + level, address(case, level)
    if found(folder, ident):
        return "clear" if b"RCPT TO:<" + to.encode() + b">" in wire(case) else "tls"
    return "bounce" if to in bounces() else "nothing"


def judge_case(case, folder):
    rule, want = CASES[case]
    get = lambda: tuple(fate(case, folder, level) for level in LEVELS)
    wait_for(25, lambda: get() == want)
    check("%s: %s: %s" % (rule, case, ", ".join(want)), get() == want, get())
    text = wire(case)
    said = [level for level in LEVELS[1:] if b"." + level.encode() + b".example" in text]
    check("R21: %s: not a byte of mail in clear where TLS is demanded" % case, not said, said)
    copies = [len(found(folder, case + "." + level)) for level in LEVELS]
    check("%s: no mail arrives twice" % case, max(copies) <= 1, copies)


def judge_words(case):
    """What the trace and the bounce say when TLS could not be had."""
    lines = ctl.lines(RUN, to=address(case, "may"))
    done = [x for x in lines if x["event"] == "delivered"]
    check("R7: R15: %s: the trace says that the mail left in clear" % case, done and done[-1].get("tls") == "none", lines)
    if case != "plain":
        check("R20: %s: the trace says why" % case, "TLS failed, plaintext is allowed" in done[-1].get("channel", ""),
              lines)
    lines = ctl.lines(RUN, to=address(case, "enc"))
    kinds = [x["event"] for x in lines]
    check("R21: %s: deferred at first, then given up" % case, kinds.count("deferred") >= 2 and "expired" in kinds, kinds)
    text = bounces().get(address(case, "enc"), "")
    check("R21: %s: the bounce says that TLS was required" % case,
          re.search(r"(?m)^Status: 5\.4\.317\r?$", text) and "TLS is required" in text, text[:2000])


def judge_tls(case):
    lines = [x for x in ctl.lines(RUN, to=address(case, "enc")) if x["event"] == "delivered"]
    check("R10: %s: the trace has version, suite and group" % case,
          lines and lines[0].get("tls", "").startswith("TLSv1.") and "TLS_" in lines[0].get("suite", ""), lines)


def utf8(folder, wanted):
    """An SMTPUTF8 mail: delivered where the next hop can, else it bounces."""
    peer = Peer(PORT)
    peer.ehlo()
    peer.starttls()
    peer.ehlo()
    ident, to = "utf8", "grüße@tls.may.example"
    text = message(ident, extra="X-Greek: Ελλάδα\r\n", to=to).decode("latin-1")
    text = message(ident, to="grace@tls.may.example").replace(b"Subject: test", "Subject: Ελλάδα".encode())
    code = peer.envelope("ada@example.net", to, params=" SMTPUTF8 BODY=8BITMIME")
    check("SMTPUTF8 mail is accepted", code == 250 and peer.data(text)[0] == 250, code)
    peer.quit()
    if wanted:
        check("SMTPUTF8 mail arrives", wait_for(15, found, folder, ident))
    else:
        check("SMTPUTF8 mail bounces, as the next hop cannot take it", wait_for(
            15, lambda: "5.6.7" in "".join(bounces().values())), list(bounces()))


def session_of_many(folder):
    """Twenty mails in a row, sizes to 1 MB; all arrive, the bytes of the body as they were."""
    peer = Peer(PORT)
    peer.ehlo()
    sizes = [0, 1, 100, 5000, 70000, 300000, 1000000] * 3
    for i, n in enumerate(sizes):
        body = ("%04d " % i + "x" * 60 + "\r\n") * (n // 67 + 1) + ".\r\n..\r\n"
        if peer.envelope("ada@example.net", "many@tls.may.example") != 250 or \
                peer.data(message("many-%d" % i, body=body))[0] != 250:
            check("a session of %d mails is accepted" % len(sizes), False, i)
            return
    peer.quit()
    want = ["many-%d" % i for i in range(len(sizes))]
    check("a session of %d mails arrives" % len(sizes), wait_for(30, lambda: all(found(folder, w) for w in want)),
          [w for w in want if not found(folder, w)])


def hops(has_utf8):
    begun = time.monotonic()
    there = cases()
    pairs = [(c + "." + level, address(c, level)) for c in there for level in LEVELS]
    codes = send(PORT, pairs, True)
    check("R7: mail for %d next hops and contracts comes in over TLS" % len(pairs), set(codes) == {250}, codes)
    for case, folder in there.items():
        judge_case(case, folder)
    for case in there:
        if CASES[case][1][0] == "clear":
            judge_words(case)
        else:
            judge_tls(case)
    if "tls" in there:
        session_of_many(there["tls"])
        utf8(there["tls"], has_utf8)
    check("the queue is empty", wait_for(15, lambda: not ctl.queue(RUN)), ctl.queue(RUN))
    print("hops: %.0f s" % (time.monotonic() - begun))


# --- the other way

def sender(name, want):
    ident = "from-" + name
    codes = send(PORT, [(ident, ident + "@example.org"), (ident + "-b", ident + "@example.org")], False)
    check("%s takes mail for us" % name, codes == [250, 250], codes)
    folder = DIR + "/mail/" + ident
    if want == "waits":
        time.sleep(4)
        check("%s: nothing arrives" % name, not os.path.exists(folder))
        return
    both = lambda: found(folder, ident) + found(folder, ident + "-b")
    if not check("%s: both mails arrive" % name, len(wait_for(20, lambda: len(both()) == 2 and both()) or []) == 2):
        return
    for path in both():
        with open(path, "rb") as f:
            text = f.read().decode("latin-1")
        field = re.sub(r"\s+", " ", re.search(r"(?ms)^Received: (.*?)\r?\n(?![ \t])", text).group(1))
        check("%s: our Received says %s" % (name, want), re.search(" with %s id " % want, field), field)


if sys.argv[1] == "hops":
    hops("utf8" in sys.argv[4:])
else:
    sender(sys.argv[4], sys.argv[5])
