"""examples.py EXAMPLE DIR PORT [BYTES SERVER] - the clients and servers of test_examples.sh.

In CLIENTS stands for each example of docs/examples.md who comes, how, and what happens; what is shown is as
in connectors.py. SERVER is who is at the other end, BYTES how much it had heard in clear before it was."""

import glob
import re
import ssl
import sys
import warnings

import ctl
import hop
from connectors import ask, cert_args, client, s_client, said, shown_as
from smtp import Gone, Peer, attempt, check, client_context, message, wait_for

EXAMPLE, DIR, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])
SERVER = sys.argv[5] if len(sys.argv) > 5 else ""
HOPS, RUN = DIR + "/hop", DIR + "/edge/run"
BANK, BRANCH, OTHER = "ada@bank.example", "ada@west.bank.example", "ada@other.example"
LOCAL, BANKS, SERVICE = "127.0.0.1", "127.0.21.5", "127.0.22.5"
OK, NO_TLS, BAD_CHAIN, NO_CERT = (250, "2.1.5"), (454, "4.7.0"), (454, "4.7.0"), (550, "5.7.51")
BAD_NAME = BAD_ADDRESS = NO_CERT
NO_RELAY = (550, "5.7.1")
TO = EXAMPLE + "@hospital.example"

CERTIFICATE = [
    ("bank", LOCAL, BANK, OK), ("bank", BANKS, BRANCH, OK), ("bank-chain", LOCAL, BANK, OK),
    (None, LOCAL, BANK, NO_TLS), (None, LOCAL, BRANCH, NO_TLS), ("", LOCAL, BANK, NO_CERT),
    ("other", LOCAL, BANK, BAD_NAME), ("bank-expired", LOCAL, BANK, BAD_CHAIN),
    ("bank-unknown", LOCAL, BANK, BAD_CHAIN), ("bank-self", LOCAL, BANK, BAD_CHAIN),
    ("bank-leaf", LOCAL, BANK, BAD_CHAIN),
    (None, LOCAL, OTHER, OK), ("", LOCAL, OTHER, OK), (None, LOCAL, "", OK),
]

# Example: what is shown, from where, MAIL FROM, the answer to RCPT [, RCPT TO]
CLIENTS = {
    "partner-tls": [
        ("", LOCAL, BANK, OK), ("bank", LOCAL, BANK, OK), ("bank-self", LOCAL, BRANCH, OK), ("other", LOCAL, BANK, OK),
        (None, LOCAL, BANK, NO_TLS), (None, LOCAL, BRANCH, NO_TLS), (None, BANKS, BANK, NO_TLS),
        (None, LOCAL, OTHER, OK), (None, LOCAL, "ada@notbank.example", OK),
    ],
    "partner-certificate": CERTIFICATE,
    "partner-addresses": [
        (None, BANKS, BANK, OK), ("", BANKS, BRANCH, OK), (None, "127.0.21.255", BANK, OK),
        (None, LOCAL, BANK, BAD_ADDRESS), ("bank", LOCAL, BANK, BAD_ADDRESS), (None, SERVICE, BRANCH, BAD_ADDRESS),
        (None, LOCAL, OTHER, OK),
    ],
    "service-only": [
        (None, SERVICE, BANK, OK), ("", SERVICE, OTHER, OK), (None, SERVICE, "", OK),
        (None, LOCAL, BANK, BAD_ADDRESS), (None, LOCAL, OTHER, BAD_ADDRESS), (None, LOCAL, "", BAD_ADDRESS),
        ("bank", BANKS, BANK, BAD_ADDRESS), (None, LOCAL, "ada@hospital.example", BAD_ADDRESS),
    ],
    "partner-addresses-tls": [
        ("", BANKS, BANK, OK), ("bank-self", BANKS, BRANCH, OK),
        (None, BANKS, BANK, NO_TLS), (None, LOCAL, BANK, NO_TLS), ("", LOCAL, BANK, BAD_ADDRESS),
        ("bank", SERVICE, BANK, BAD_ADDRESS), (None, LOCAL, OTHER, OK), (None, BANKS, OTHER, OK),
    ],
    "from-own-server": [
        ("own", LOCAL, "ada@hospital.example", OK, "grace@far.example"), ("own", LOCAL, "", OK, "grace@far.example"),
        ("own", SERVICE, "ada@hospital.example", OK),
        (None, LOCAL, "ada@hospital.example", NO_RELAY, "grace@far.example"),
        ("", LOCAL, "ada@hospital.example", NO_RELAY, "grace@far.example"),
        ("bank", LOCAL, "ada@hospital.example", NO_RELAY, "grace@far.example"),
        ("own-expired", LOCAL, "ada@hospital.example", BAD_CHAIN, "grace@far.example"),
        ("own-unknown", LOCAL, "ada@hospital.example", BAD_CHAIN, "grace@far.example"),
    ],
    "from-partner": [
        ("bank-1", LOCAL, BANK, OK), ("bank-2", LOCAL, BRANCH, OK), ("bank-3", LOCAL, BANK, OK),
        (None, LOCAL, BANK, NO_TLS), ("", LOCAL, BANK, NO_CERT), ("bank", LOCAL, BANK, BAD_NAME),
        ("other", LOCAL, BANK, BAD_NAME), (None, LOCAL, OTHER, OK),
    ],
}
RULES = {"partner-tls": "R22", "from-own-server": "R27"}
SHOWN = {"partner-certificate": ("bank", "other"), "from-partner": ("bank-1", "bank"), "from-own-server": ("own", "own-unknown")}


def found(ident):
    for path in glob.glob(DIR + "/mail/**/new/*", recursive=True):
        with open(path, "rb") as f:
            text = f.read().replace(b"\r\n", b"\n").decode("utf-8", "replace")
        if "X-Test-Id: %s\n" % ident in text:
            return text
    taken = hop.messages(HOPS).get(ident)
    return taken[0]["text"] if taken else None


def arrives(ident, shows, source, sender, to):
    """Sends the whole mail; is it delivered, as it came?"""
    peer = client(shows, source)
    code = peer.envelope(sender, to)
    if code == 250:
        code = peer.data(message(ident, to=to))[0]
    peer.quit()
    text = wait_for(10, found, ident) if code == 250 else ""
    return bool(text) and ("with ESMTPS" in text) == (shows is not None)


def persists(ident, shows, source, sender, to):
    """Somebody who goes on after the refusal: does any of it get in?"""
    peer = client(shows, source)
    peer.cmd("MAIL FROM:<%s>" % sender)
    peer.cmd("RCPT TO:<%s>" % to)
    code = peer.cmd("DATA")[0]
    peer.quit()
    return code != 354 and not found(ident)


def clients():
    rule = RULES.get(EXAMPLE, "R24")
    for i, (shows, source, sender, want, *rest) in enumerate(CLIENTS[EXAMPLE]):
        to = (rest or [TO])[0]
        name = "%s: %s: %s from %s as <%s>: %s" % (rule, EXAMPLE, shown_as(shows), source, sender, said(want))
        got, text = ask(shows, sender, to, source)
        ident = "%s.%d" % (EXAMPLE, i)
        then = (arrives if want == OK else persists)(ident, shows, source, sender, to)
        check(name + (", and it is delivered" if want == OK else ", and DATA is refused"), got == want and then,
              (got, text, then))
    if EXAMPLE not in SHOWN:
        return
    right, wrong = SHOWN[EXAMPLE]
    sender = "ada@hospital.example" if EXAMPLE == "from-own-server" else BANK
    to = "grace@far.example" if EXAMPLE == "from-own-server" else TO
    for shows, good in ((right, True), (wrong, False)):
        text = s_client(*cert_args(shows), to=to, sender=sender)
        check("%s: %s: openssl s_client with %s %s" % (rule, EXAMPLE, shows, "is let in" if good else "is not"),
              ("250 2.1.5" in text) == good and (good or re.search(r"(?m)^(454|550) ", text)), text[-400:])


def old_tls():
    """TLS 1.1 and nothing newer: no handshake, so nothing of a mail."""
    context = client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    peer = Peer(PORT)
    peer.ehlo()
    try:
        peer.starttls("edge.example", context=context)
        code = 0
    except (ssl.SSLError, OSError, Gone) as e:
        code = str(e)
    peer.close()
    check("R13: %s: TLS 1.1 has no handshake" % EXAMPLE, code != 0, code)


# --- what goes out: SERVER is who is there

TRANSACTION = rb"(?im)^(?:MAIL FROM|RCPT TO|DATA|BDAT)|X-Test-Id|Subject:"


def fared(to):
    events = [x["event"] for x in ctl.lines(RUN, to=to)]
    return next((e for e in ("delivered", "expired", "deferred") if e in events), "")


def servers():
    ident = "%s.%s" % (EXAMPLE, SERVER)
    own = EXAMPLE == "to-own-server"
    to = "%s@%s.example" % (SERVER, "hospital" if own else "bank")
    sender = "ada@outside.example" if own else "ada@hospital.example"
    peer = Peer(PORT, source=(LOCAL if own else "127.0.23.5", 0))
    peer.ehlo()
    code = peer.envelope(sender, to)
    code = peer.data(message(ident, to=to))[0] if code == 250 else code
    peer.quit()
    good = SERVER == "good"

    want = "delivered" if good else "deferred"
    got = wait_for(15, fared, to)
    taken = hop.messages(HOPS).get(ident)
    check("R21: %s: the server is %s: %s" % (EXAMPLE, SERVER, want),
          code == 250 and got in (want, "delivered" if good else "expired") and bool(taken) == good
          and (not good or taken[0]["tls"]), (code, got, taken))
    said_there = hop.clear(HOPS, SERVER + ".hop.example")[int(sys.argv[4]):]
    check("R21: %s: %s: the line was listened to, and no MAIL and no byte of the mail was in clear" % (EXAMPLE, SERVER),
          said_there and not re.search(TRANSACTION, said_there), said_there[-300:])


def returned():
    """None of what was deferred was delivered at last."""
    domain = "hospital" if EXAMPLE == "to-own-server" else "bank"
    with open(DIR + "/servers") as f:
        names = [line.split()[0] for line in f]
    to = {n: "%s@%s.example" % (n, domain) for n in names if n not in ("good", "far")}
    wait_for(20, lambda: all(fared(a) == "expired" for a in to.values()))
    left = {n: fared(a) for n, a in to.items() if fared(a) != "expired"}
    taken = [i for i in hop.messages(HOPS) if i.startswith(EXAMPLE) and i != EXAMPLE + ".good"]
    check("R21: %s: all of it is returned in the end" % EXAMPLE, not left and not taken, (left, taken))


if __name__ == "__main__":
    attempt(EXAMPLE + " runs to its end", returned if SERVER == "returned" else servers if SERVER else clients)
    if EXAMPLE in ("partner-tls", "partner-certificate"):
        attempt("old_tls runs to its end", old_tls)
