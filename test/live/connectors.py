"""connectors.py PART DIR PORT [SECOND] - partners and own servers at the door of test_connectors.sh.

PART is one of the functions in PARTS. What a client shows: None is plaintext, "" is TLS without a
certificate, anything else is a certificate of DIR/pki."""

import json
import os
import re
import ssl
import subprocess
import sys
import time

import ctl
from smtp import Gone, Peer, attempt, check, client_context, message, wait_for

PART, DIR, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])
SECOND = int(sys.argv[4]) if len(sys.argv) > 4 else 0
PKI, RUN = DIR + "/pki/", DIR + "/edge/run"
POSTERN = os.environ.get("POSTERN", "postern")
ADA, OK = "ada@lab.example", (250, "2.1.5")
NO_CERT = BAD_NAME = BAD_ADDRESS = (550, "5.7.51")
BAD_CHAIN = NO_TLS = (454, "4.7.0")
NO_RELAY, NOT_OURS = (550, "5.7.1"), (550, "5.7.64")


def context_of(shows, version=None):
    context = client_context()
    if shows:
        context.load_cert_chain(PKI + shows + ".pem", PKI + shows + ".key")
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def client(shows, source="127.0.0.1", version=None, port=PORT):
    peer = Peer(port, source=(source, 0))
    peer.ehlo()
    if shows is not None:
        peer.starttls("edge.example", context=context_of(shows, version))
        peer.ehlo()
    return peer


def enhanced(lines):
    found = re.match(r"\d{3}[ -](\d\.\d+\.\d+)", lines[-1])
    return found.group(1) if found else ""


def rcpt(peer, to):
    code, lines = peer.cmd("RCPT TO:<%s>" % to)
    return (code, enhanced(lines)), " ".join(line[4:] for line in lines)


def ask(shows, sender, to, source="127.0.0.1", version=None, params=""):
    """The answer to RCPT, as (code, enhanced code), and its text."""
    peer = client(shows, source, version)
    code, lines = peer.cmd("MAIL FROM:<%s>%s" % (sender, params))
    answer = rcpt(peer, to) if code == 250 else ((code, enhanced(lines)), lines[-1])
    peer.quit()
    return answer


def shown_as(shows):
    return "plaintext" if shows is None else "no certificate" if shows == "" else shows


def said(want):
    return "%d %s" % want


# --- one demand an organisation: who may write as lab.example

DEMANDS = [
    # organisation, what is shown, the answer, requirement
    ("strict", "lab", OK, "R24"), ("strict", "lab-again", OK, "R25"), ("strict", "lab-chain", OK, "R24"),
    ("strict", "lab-server", OK, "R24"), ("strict", "lab-client", OK, "R24"), ("strict", "lab-upper", OK, "R24"),
    ("strict", "lab-wild", OK, "R24"), ("strict", "lab-and-bank", OK, "R24"),
    ("strict", "other", BAD_NAME, "R24"), ("strict", "evil", BAD_NAME, "R24"), ("strict", "lab-mail", BAD_NAME, "R24"),
    ("strict", "lab-subject", BAD_NAME, "R24 T-20"),
    ("strict", "lab-expired", BAD_CHAIN, "R24"), ("strict", "lab-unknown", BAD_CHAIN, "R24"),
    ("strict", "lab-self", BAD_CHAIN, "R24"), ("strict", "lab-leaf", BAD_CHAIN, "R24 T-20"),
    ("strict", "lab-own-ca", BAD_CHAIN, "R24 T-22"),
    ("strict", "", NO_CERT, "R24"), ("strict", None, NO_TLS, "R22 R24"),
    ("certificate", "lab", OK, "R24"), ("certificate", "", NO_CERT, "R24"), ("certificate", None, NO_CERT, "R24"),
    ("encrypted", None, NO_TLS, "R22"), ("encrypted", "", OK, "R22"), ("encrypted", "lab-self", OK, "R22"),
    ("encrypted", "lab-expired", OK, "R22"),
    ("pinned", "lab-self", OK, "R24"), ("pinned", "lab-self-2", BAD_NAME, "R24"), ("pinned", "lab", BAD_NAME, "R24"),
    ("pinned", "", NO_CERT, "R24"), ("pinned", None, NO_TLS, "R24"),
    ("own-ca", "lab-own-ca", OK, "R24"), ("own-ca", "lab", BAD_CHAIN, "R24"), ("own-ca", "lab-unknown", BAD_CHAIN, "R24"),
    ("own-ca", "", NO_CERT, "R24"),
    ("any-of-ca", "lab-own-ca", OK, "R24"), ("any-of-ca", "lab-elsewhere", OK, "R24"),
    ("any-of-ca", "lab", BAD_CHAIN, "R24"),
    ("client-usage", "lab", OK, "R24 T-20"), ("client-usage", "lab-client", OK, "R24 T-20"),
    ("client-usage", "lab-server", (550, "5.7.51"), "R24 T-20"),
    ("wildcard", "lab", OK, "R24"), ("wildcard", "lab-mail", OK, "R24"), ("wildcard", "lab-wild", OK, "R24"),
    ("wildcard", "other", BAD_NAME, "R24"), ("wildcard", "evil", BAD_NAME, "R24"),
    ("weak-expired", "lab-expired", OK, "R24"), ("weak-expired", "lab-unknown", BAD_CHAIN, "R24"),
    ("lapsed-expired", "lab-expired", BAD_CHAIN, "R24"),
    ("weak-plaintext", None, OK, "R22"), ("lapsed-plaintext", None, NO_TLS, "R22"),
    ("off", None, OK, "R14"), ("off", "other", OK, "R14"), ("none", None, OK, "R14"), ("none", "lab-unknown", OK, "R14"),
]


def demands():
    for org, shows, want, rule in DEMANDS:
        got, text = ask(shows, ADA, "x@%s.example" % org)
        check("%s: %s: %s: %s" % (rule, org, shown_as(shows), said(want)), got == want, (got, text))


def versions():
    for org, version, want in (("newest", ssl.TLSVersion.TLSv1_2, NO_TLS), ("newest", ssl.TLSVersion.TLSv1_3, OK),
                               ("strict", ssl.TLSVersion.TLSv1_2, OK), ("strict", ssl.TLSVersion.TLSv1_3, OK)):
        got, text = ask("lab", ADA, "x@%s.example" % org, version=version)
        check("R13 R24: %s: %s: %s" % (org, version.name, said(want)), got == want, (got, text))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        try:
            got = ask("lab-lying", ADA, "x@strict.example", version=version)
        except (OSError, Gone) as e:
            got = str(e)
        check("T-31: strict: the right certificate without its key, %s: there is no session" % version.name,
              isinstance(got, str), got)
    text = s_client("-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0", *cert_args("lab"), to="x@strict.example")
    check("R13 R24: strict: TLS 1.1 has no handshake, so there is no mail",
          "alert protocol version" in text and "250 2.1.5" not in text, text[-400:])


def addresses():
    for shows, source, org, want in (
            (None, "127.0.0.21", "addresses", OK), (None, "127.0.1.77", "addresses", OK),
            (None, "127.0.0.22", "addresses", BAD_ADDRESS), ("lab", "127.0.0.22", "addresses", BAD_ADDRESS),
            ("lab", "127.0.0.21", "both", OK), ("lab", "127.0.0.22", "both", BAD_ADDRESS),
            ("", "127.0.0.21", "both", NO_CERT), ("other", "127.0.0.21", "both", BAD_NAME)):
        got, text = ask(shows, ADA, "x@%s.example" % org, source)
        check("R24: %s: %s from %s: %s" % (org, shown_as(shows), source, said(want)), got == want, (got, text))


# --- which connector it is (T-22)

BINDING = [
    # MAIL FROM, to, what is shown, source, the answer
    ("ada@bank.example", "strict", "lab", "127.0.0.1", BAD_NAME),
    ("ada@lab.example", "strict", "bank", "127.0.0.1", BAD_NAME),
    ("ada@bank.example", "strict", "bank", "127.0.0.1", OK),
    ("ada@bank.example", "strict", "lab-and-bank", "127.0.0.1", OK),
    ("ada@LAB.Example", "strict", "", "127.0.0.1", NO_CERT),
    ("ada@LAB.Example", "strict", "lab", "127.0.0.1", OK),
    ("ada@sub.lab.example", "strict", "", "127.0.0.1", NO_CERT),
    ("ada@a.b.lab.example", "strict", "lab", "127.0.0.1", OK),
    ("ada@notlab.example", "strict", None, "127.0.0.1", OK),
    ("ada@lab.example.other.example", "strict", None, "127.0.0.1", OK),
    ("", "strict", None, "127.0.0.1", OK),
    ("ada@xn--bcher-kva.example", "idn", "", "127.0.0.1", NO_CERT),
    ("ada@XN--BCHER-KVA.example", "idn", "", "127.0.0.1", NO_CERT),
    ("ada@xn--bcher-kva.example", "idn", "lab", "127.0.0.1", OK),
    ("ada@lab.example", "layers", "lab", "127.0.0.1", OK),
    ("ada@lab.example", "layers", "", "127.0.0.1", NO_CERT),
    ("ada@sub.lab.example", "layers", "", "127.0.0.21", OK),
    ("ada@sub.lab.example", "layers", "lab", "127.0.0.1", BAD_ADDRESS),
    ("ada@foo.example", "layers", None, "127.0.0.1", NO_TLS),
    ("ada@foo.example", "layers", "", "127.0.0.1", OK),
    ("", "layers", None, "127.0.0.1", NO_TLS),
    ("", "layers", "", "127.0.0.1", OK),
    ("ada@lab.example", "two-certificates", "lab", "127.0.0.1", OK),
    ("ada@lab.example", "two-certificates", "lab-mail", "127.0.0.1", OK),
    ("ada@lab.example", "two-certificates", "other", "127.0.0.1", BAD_NAME),
    # what another organisation knows of this client counts for nothing
    ("ada@alpha.example", "beta", "alpha", "127.0.0.1", BAD_NAME),
    ("ada@alpha.example", "beta", None, "127.0.0.31", NO_CERT),
    ("ada@alpha.example", "beta", "bank", "127.0.0.1", OK),
]


def binding():
    for sender, org, shows, source, want in BINDING:
        got, text = ask(shows, sender, "x@%s.example" % org, source)
        check("T-22: <%s> to %s, %s from %s: %s" % (sender, org, shown_as(shows), source, said(want)), got == want,
              (got, text))
    got, text = ask("", "ada@lab.example.", "x@strict.example")
    check("T-22: a dot behind the domain is no way around", got[0] != 250, text)
    got, text = ask("", "ada@b\u00fccher.example", "x@idn.example", params=" SMTPUTF8")
    check("T-22: nor is the other spelling of an international name", got == NO_CERT, (got, text))
    got, text = ask(None, "@strict.example:ada@lab.example", "x@strict.example")
    check("T-22: nor is a source route", got[0] != 250, text)
    got, text = ask(None, "ada@[127.0.0.1]", "x@strict.example")
    check("T-22: an address literal is no partner", got == OK, (got, text))
    peer = client("")
    peer.cmd("MAIL FROM:<%s>" % ADA)
    answers = [rcpt(peer, "x@%s.example" % org)[0] for org in ("strict", "encrypted", "strict", "none")]
    check("R22 T-22: each recipient is judged by its own organisation", answers == [NO_CERT, OK, NO_CERT, OK], answers)
    code, lines = peer.data(message("each", to="x@encrypted.example"))
    check("T-22: and those who were admitted get it", code == 250 and wait_for(10, arrived, "encrypted", "each"), lines)
    time.sleep(1)
    check("T-22: the others do not", not arrived("strict", "each"))


def arrived(org, ident):
    """Is the mail in the Maildir of x at the organisation's domain?"""
    folder = "%s/mail/%s.example/x/new" % (DIR, org)
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        with open(folder + "/" + name, errors="replace") as f:
            text = f.read()
        if "X-Test-Id: %s\n" % ident in text.replace("\r\n", "\n"):
            return text
    return None


def before_tls():
    """T-03: nothing of before the handshake counts after it."""
    peer = Peer(PORT)
    peer.ehlo()
    peer.cmd("MAIL FROM:<ada@none.example>")
    clear = rcpt(peer, "x@none.example")[0]
    peer.cmd("RSET")
    peer.starttls("edge.example", context=context_of("lab"))
    codes = [peer.cmd("RCPT TO:<x@strict.example>")[0], peer.cmd("MAIL FROM:<%s>" % ADA)[0]]
    check("T-03: the sender of before the handshake is forgotten, and so is EHLO", clear == OK and codes == [503, 503], codes)
    peer.ehlo()
    peer.cmd("MAIL FROM:<%s>" % ADA)
    got, text = rcpt(peer, "x@strict.example")
    check("T-03: what the handshake showed counts", got == OK, text)
    peer.quit()
    peer = client(None)
    peer.cmd("MAIL FROM:<%s>" % ADA)
    first = rcpt(peer, "x@strict.example")[0]
    peer.cmd("RSET")
    peer.cmd("STARTTLS")
    peer.tls("edge.example", context=context_of("lab"))
    peer.ehlo()
    peer.cmd("MAIL FROM:<%s>" % ADA)
    got, text = rcpt(peer, "x@strict.example")
    check("T-03: nor is a refusal of before remembered", (first, got) == (NO_TLS, OK), (first, got, text))


# --- own servers (R27, T-23)

HYBRID = [
    # from, what is shown, MAIL FROM, RCPT TO, the answer, requirement
    ("127.0.0.1", "alpha", "ada@alpha.example", "x@far.example", OK, "R27"),
    ("127.0.0.31", None, "ada@alpha.example", "x@far.example", OK, "R27"),
    ("127.0.0.31", "", "ada@alpha.example", "x@far.example", OK, "R27"),
    ("127.0.0.31", "other", "ada@alpha.example", "x@far.example", OK, "R27"),
    ("127.0.0.1", None, "ada@alpha.example", "x@far.example", NO_RELAY, "R27"),
    ("127.0.0.1", "", "ada@alpha.example", "x@far.example", NO_RELAY, "R27"),
    ("127.0.0.1", "alpha", "ada@beta.example", "x@far.example", OK, "R27"),
    ("127.0.0.1", "alpha", "ada@foo.example", "x@far.example", OK, "R27"),
    ("127.0.0.31", None, "ada@beta.example", "x@far.example", NOT_OURS, "R27"),
    ("127.0.0.31", None, "ada@foo.example", "x@far.example", NOT_OURS, "R27"),
    ("127.0.0.1", "alpha", "", "x@far.example", OK, "R27"),
    ("127.0.0.31", "alpha", "", "x@far.example", OK, "R27"),
    ("127.0.0.31", None, "", "x@far.example", (550, ""), "R27"),
    ("127.0.0.31", "", "", "x@far.example", (550, ""), "R27"),
    ("127.0.0.1", "provider", "ada@gamma.example", "x@far.example", OK, "R27"),
    ("127.0.0.1", "provider", "ada@foo.example", "x@far.example", NOT_OURS, "R27"),
    ("127.0.0.1", "provider", "ada@alpha.example", "x@far.example", NOT_OURS, "R27"),
    ("127.0.0.1", "provider", "", "x@far.example", NOT_OURS, "R27"),
    ("127.0.0.33", None, "ada@delta.example", "x@far.example", NO_TLS, "R27"),
    ("127.0.0.33", "", "ada@delta.example", "x@far.example", OK, "R27"),
    ("127.0.0.32", None, "ada@beta.example", "x@beta.example", OK, "R27"),
    # one organisation's server is nobody to the next
    ("127.0.0.32", None, "ada@alpha.example", "x@far.example", NOT_OURS, "R27 T-22"),
    ("127.0.0.1", "beta", "ada@alpha.example", "x@beta.example", OK, "R27 T-22"),
    ("127.0.0.31", None, "ada@alpha.example", "x@beta.example", NO_CERT, "R27 T-22"),
    ("127.0.0.1", "alpha", "ada@lab.example", "x@strict.example", BAD_NAME, "R27 T-22"),
    # a partner's connector only restricts
    ("127.0.0.1", "lab", "ada@lab.example", "x@far.example", NO_RELAY, "R27 T-22"),
    ("127.0.0.21", "lab", "ada@lab.example", "x@far.example", NO_RELAY, "R27 T-22"),
    # certificates of public CAs are everybody's
    ("127.0.0.1", "other", "ada@alpha.example", "x@far.example", NO_RELAY, "T-23"),
    ("127.0.0.1", "lab", "ada@alpha.example", "x@far.example", NO_RELAY, "T-23"),
    ("127.0.0.1", "evil", "ada@alpha.example", "x@far.example", NO_RELAY, "T-23"),
    ("127.0.0.1", "evil", "ada@far.example", "x@far.example", NO_RELAY, "T-23"),
    ("127.0.0.1", "other", "", "x@far.example", NO_RELAY, "T-23"),
    ("127.0.0.1", "alpha-unknown", "ada@alpha.example", "x@far.example", BAD_CHAIN, "T-23"),
    ("127.0.0.1", "alpha-partner", "ada@alpha.example", "x@far.example", BAD_CHAIN, "T-23"),
]


def hybrid():
    for source, shows, sender, to, want, rule in HYBRID:
        got, text = ask(shows, sender, to, source)
        good = got == want if want[1] else got[0] == want[0]
        check("%s: %s from %s, <%s> to %s: %s" % (rule, shown_as(shows), source, sender, to, said(want).strip()), good,
              (got, text))
    before = len(ctl.trace(RUN, to="sent@far.example"))
    peer = client("alpha")
    peer.envelope("ada@alpha.example", "sent@far.example")
    code, lines = peer.data(message("own", to="sent@far.example"))
    found = wait_for(10, ctl.trace, RUN) if code == 250 else []
    text = str(ctl.trace(RUN, to="sent@far.example"))
    check("R27: mail of an own server is taken, and the trace names the connector",
          code == 250 and found and before == 0 and "alpha/server" in text, (lines, text))


# --- what is told (replies, trace, log, counters)

def log_text():
    with open(DIR + "/edge.log", errors="replace") as f:
        return f.read()


def told():
    for shows, words in (("other", ["strict/lab", "mx.lab.example", "mx.other.example"]),
                         ("", ["strict/lab", "mx.lab.example"]),
                         ("lab-expired", ["strict/lab", "mx.lab.example"]),
                         (None, ["strict/lab"])):
        got, text = ask(shows, ADA, "told@strict.example")
        missing = [w for w in words if w not in text]
        check("R24: the reply to %s says which connector, what was asked and what was shown" % shown_as(shows),
              got[0] >= 400 and not missing, (missing, text))
        found = re.search(r"\b([0-9A-Z]{13})\b", text)
        check("R24: and has an id of the trace", found, text)
        lines = str(wait_for(5, ctl.trace, RUN)) if not found else str(wait_for(
            5, lambda i=found.group(1): ctl.trace(RUN, id=i)))
        check("R24: under which the trace has the same", all(w in lines for w in words), lines[:500])
    check("R24: the log names the connector", "strict/lab" in log_text())
    got, text = ask("hostile", ADA, "told@strict.example")
    check("T-15: a name of a certificate forges no line of a reply or the log",
          got[0] >= 400 and "250" not in text.split("\n")[1:] and "forged=1" not in re.sub(r'"[^"]*"', "", log_text()),
          text)
    peer = client("lab")
    peer.envelope(ADA, "x@strict.example")
    code, lines = peer.data(message("told", to="x@strict.example"))
    traced = lambda: [x for x in ctl.lines(RUN, to="x@strict.example") if x["event"] == "accepted"]
    check("R24: the trace of admitted mail names its connector", code == 250 and wait_for(
        5, lambda: "strict/lab" in str(traced())), (lines, traced()))
    check("R24: and what was shown", "mx.lab.example" in str(traced()), traced())


def trial():
    """mode = test: everything passes, and what would be refused is counted."""
    would = lambda: sum(v for k, v in ctl.counters(RUN).items() if "would" in k)
    before = would()
    for shows in (None, "", "other", "lab-expired", "lab-unknown", "lab"):
        got, text = ask(shows, ADA, "x@trial.example")
        check("R24: mode = test: %s passes" % shown_as(shows), got == OK, (got, text))
    check("R24: mode = test: what would be refused is counted", wait_for(5, lambda: would() == before + 5),
          (before, would()))
    text = log_text()
    check("R24: mode = test: the log tells it", "trial/lab" in text)
    before = would()
    for shows in (None, "", "other"):
        ask(shows, ADA, "x@off.example")
    check("R24: mode = off: nothing is judged", would() == before and "off/lab" not in log_text())


# --- tickets (T-24)

def cert_args(shows):
    return ["-cert", PKI + shows + ".pem", "-cert_chain", PKI + shows + ".pem", "-key", PKI + shows + ".key"]


def s_client(*args, to, port=PORT, sender=ADA):
    """openssl s_client says MAIL and RCPT; what it prints. To it, lines that begin with R and Q are commands."""
    argv = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, "-starttls", "smtp", "-servername", "edge.example",
            "-crlf", "-ign_eof"] + list(args)
    p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for line in ("ehlo client.example", "mail from:<%s>" % sender, "rcpt to:<%s>" % to, "quit"):
            time.sleep(0.3)
            p.stdin.write(line.encode() + b"\n")
            p.stdin.flush()
    except OSError:
        pass
    try:
        return p.communicate(timeout=15)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        p.kill()
        return p.communicate()[0].decode(errors="replace") + "\n(timeout)"


def by_s_client():
    for shows, want in (("lab", "250 2.1.5"), ("lab-chain", "250 2.1.5"), ("other", "550 5.7.51"), ("lab-expired", "454 4.7.0"),
                        ("lab-unknown", "454 4.7.0"), ("lab-self", "454 4.7.0"), ("", "550 5.7.51")):
        text = s_client(*(cert_args(shows) if shows else []), to="x@strict.example")
        check("R24: openssl s_client: %s: %s" % (shown_as(shows), want), want in text, text[-300:])
    text = s_client("-cert", PKI + "lab-leaf.pem", "-key", PKI + "lab-leaf.key", to="x@strict.example")
    check("R24: openssl s_client: without the intermediate: 454 4.7.0", "454 4.7.0" in text, text[-300:])


def tickets():
    for version in ("-tls1_2", "-tls1_3"):
        ticket = DIR + "/ticket" + version

        def take(shows="lab", v=version, t=ticket):
            return s_client(v, "-sess_out", t, *cert_args(shows), to="x@strict.example")

        def offer(to, port=PORT, *args, v=version, t=ticket, sender=ADA):
            text = s_client(v, "-sess_in", t, *args, to=to, port=port, sender=sender)
            return "Reused, " in text, re.findall(r"(?m)^(?:250|454|550) [245]\.[17]\.\d+.*?$", text)[-1:], text[-300:]
        name = version[1:]
        text = take()
        check("T-24: %s: with the certificate: 250" % name, "250 2.1.5" in text, text[-300:])
        resumed, answer, text = offer("x@strict.example")
        check("T-24: %s: its ticket, where it was given, still says who that was" % name,
              resumed and answer and answer[0].startswith("250 2.1.5"), (resumed, answer, text))
        take()
        resumed, answer, text = offer("x@pinned.example")
        check("T-24: %s: and admits to nothing else than the certificate did" % name,
              resumed and answer and answer[0].startswith("550 5.7.51"), (resumed, answer, text))
        take()
        resumed, answer, text = offer("x@strict.example", SECOND)
        check("T-24: %s: at another listener it is not resumed, and nobody is known" % name,
              not resumed and answer and answer[0].startswith("550 5.7.51"), (resumed, answer, text))
        take("alpha")
        resumed, answer, text = offer("x@far.example", SECOND, sender="ada@alpha.example")
        check("T-24: %s: nor does an own server's ticket relay there" % name,
              not resumed and answer and answer[0].startswith("550 5.7.1 "), (resumed, answer, text))
    s_client("-tls1_3", "-sess_out", DIR + "/ticket.alpha", *cert_args("alpha"), to="x@far.example",
             sender="ada@alpha.example")
    s_client("-tls1_2", "-sess_out", DIR + "/ticket.alpha-1.2", *cert_args("alpha"), to="x@far.example",
             sender="ada@alpha.example")


def tickets_after():
    """The connector that knew alpha was turned off since."""
    for name, version in (("ticket.alpha", "-tls1_3"), ("ticket.alpha-1.2", "-tls1_2")):
        text = s_client(version, "-sess_in", DIR + "/" + name, to="x@far.example", sender="ada@alpha.example")
        check("T-24: %s: after a reload that turns the connector off the ticket is worthless" % version[1:],
              "Reused, " not in text and "550 5.7.1 " in text, text[-300:])
    got, text = ask("alpha", "ada@alpha.example", "x@far.example")
    check("R27: and so is the certificate", got == NO_RELAY, (got, text))
    got, text = ask("lab", ADA, "x@strict.example")
    check("R24: other connectors are as before", got == OK, (got, text))


def held_session():
    """A session from before a reload."""
    peer = client("alpha")
    with open(DIR + "/held.ready", "w"):
        pass
    if not wait_for(20, os.path.exists, DIR + "/held.go"):
        check("T-24: the reload happens", False)
        return
    peer.cmd("MAIL FROM:<ada@alpha.example>")
    got, text = rcpt(peer, "x@far.example")
    print("# a session of before the reload: %s %s" % (got, text))
    check("T-24: a session from before the reload gets a clear answer", got in (OK, NO_RELAY), (got, text))


# --- explain says what happens

def names_of(shows):
    out = subprocess.run(["openssl", "x509", "-in", PKI + shows + ".pem", "-noout", "-ext", "subjectAltName"],
                         capture_output=True, text=True, check=True).stdout
    return ",".join(re.findall(r"DNS:([^,\s]+)", out))


def explain(shows, source, sender, to):
    """What `postern explain` says of the way in."""
    argv = [POSTERN, "-c", DIR + "/edge.conf", "explain", "--json", "--from", sender or "<>", "--to", to, "--client-addr", source]
    if shows is None:
        argv += ["--client-plaintext"]
    elif shows:
        chain = "expired" if shows == "lab-expired" else "untrusted" if shows in UNTRUSTED else "ok"
        argv += ["--client-names", names_of(shows), "--client-chain", chain]
    p = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    try:
        return json.loads(p.stdout)["inbound"]
    except (ValueError, KeyError):
        return {"reply": p.stdout + p.stderr}


UNTRUSTED = ("lab-unknown", "lab-self", "lab-leaf", "alpha-unknown", "alpha-partner")
NOT_EXPLAINED = ("pinned", "own-ca", "any-of-ca", "client-usage")  # what explain is not told: keys, CAs, usages


def explained():
    """The same verdict, connector and reply as at the door."""
    asked = [(shows, "127.0.0.1", ADA, "x@%s.example" % org) for org, shows, _, _ in DEMANDS if org not in NOT_EXPLAINED
             and shows not in ("lab-subject", "lab-own-ca")]
    asked += [(shows, source, sender, "x@%s.example" % org) for sender, org, shows, source, _ in BINDING]
    asked += [(shows, source, sender, to) for source, shows, sender, to, _, _ in HYBRID]
    wrong = []
    for shows, source, sender, to in asked:
        got, text = ask(shows, sender, to, source)
        told = explain(shows, source, sender, to)
        named = re.search(r"connector (\S+):", text)
        good = told.get("admitted") == (got == OK) and (got == OK or told["reply"].startswith("%d %s" % got))
        if not good or named and named.group(1) != told["connector"]:
            wrong.append((shows, source, sender, to, got, text, told))
    check("T-22: postern explain says what happens at the door and names its connector, %d times" % len(asked), not wrong,
          wrong[:2])


# --- swaks

def swaks(*args, to):
    p = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(PORT), "--from", ADA, "--to", to, "--quit-after", "RCPT",
                        *args], capture_output=True, text=True, timeout=30, check=False)
    found = re.findall(r"<[~*-]\*?\*? +(\d{3} \d\.\d+\.\d+)", p.stdout)
    return found[-1] if found else "", p.stdout + p.stderr


def by_swaks():
    for shows, want in (("lab", "250 2.1.5"), ("other", "550 5.7.51"), ("lab-expired", "454 4.7.0"), ("lab-unknown", "454 4.7.0"),
                        ("lab-leaf", "454 4.7.0"), ("", "550 5.7.51"), (None, "454 4.7.0")):
        args = [] if shows is None else ["--tls"]
        args += ["--tls-cert", PKI + shows + ".pem", "--tls-key", PKI + shows + ".key"] if shows else []
        answers = re.findall(r"(?m)^<..? +(\d{3} \d\.\d+\.\d+)", swaks(*args, to="x@strict.example")[1])
        check("R24: swaks: %s: %s" % (shown_as(shows), want), want in answers, answers)


PARTS = {f.__name__: f for f in (demands, versions, addresses, binding, before_tls, hybrid, told, trial, by_s_client, by_swaks,
                                 tickets, tickets_after, held_session, explained)}

if __name__ == "__main__":
    for part in PART.split(","):
        attempt(part + " runs to its end", PARTS[part])
