"""lmtp.py DIR PORT - see test_lmtp.sh."""

import glob
import re
import sys

import ctl
from smtp import Peer, check, message, wait_for

DIR, PORT = sys.argv[1], int(sys.argv[2])
RUN = DIR + "/edge/run"


def mails(user):
    ret = []
    for path in glob.glob("%s/dovecot/mail/%s/Maildir/new/*" % (DIR, user)):
        with open(path, "rb") as f:
            ret.append(f.read().replace(b"\r\n", b"\n"))
    return ret


def has(user, ident):
    return sum(b"X-Test-Id: %s\n" % ident.encode() in m for m in mails(user))


def bounces(ident):
    ret = []
    for path in glob.glob(DIR + "/mail/bounces/new/*"):
        with open(path, "rb") as f:
            text = f.read().decode("utf-8", "replace")
        if ident + "@example.net" in text:
            ret.append(text)
    return ret


def send(ident, *to, body="Hello.\r\n"):
    peer = Peer(PORT)
    peer.ehlo()
    code = peer.envelope("ada@example.net", *to)
    code = peer.data(message(ident, body=body))[0] if code == 250 else code
    peer.quit()
    return code


def recipients(kind):
    ident = "some-" + kind
    names = ["one", "refused", "two", "three"]
    check("%s: mail for four users is accepted" % kind, send(ident, *["%s@%s.example" % (n, kind) for n in names]) == 250)
    check("%s: the three that exist have it" % kind,
          wait_for(15, lambda: all(has(n, ident) == 1 for n in ("one", "two", "three"))), [has(n, ident) for n in names])
    check("%s: one bounce is made" % kind, wait_for(10, lambda: len(bounces(ident)) == 1), len(bounces(ident)))
    text = "".join(bounces(ident))
    finals = re.findall(r"(?m)^Final-Recipient: rfc822; ?(\S+?)\r?$", text)
    check("%s: it is about the one that was refused, and says what Dovecot said" % kind,
          finals == ["refused@%s.example" % kind] and re.search(r"(?m)^Diagnostic-Code: smtp; ?550", text), text[:1500])
    events = sorted((x["to"].split("@")[0], x["event"]) for x in ctl.lines(RUN, to="refused@%s.example" % kind)
                    if x["event"] in ("delivered", "bounced"))
    check("%s: the trace has a result for each recipient" % kind,
          events == [("one", "delivered"), ("refused", "bounced"), ("three", "delivered"), ("two", "delivered")], events)


def all_refused():
    check("all refused: the mail is accepted", send("none", "refused@unix.example", "refused-too@unix.example") == 250)
    check("all refused: the bounce names both", wait_for(
        10, lambda: len(re.findall(r"(?m)^Final-Recipient: ", "".join(bounces("none")))) == 2), bounces("none"))


def body_as_it_was():
    body = ".\r\n..\r\n.x\r\n\r\nFrom here\r\n" + "x" * 500 + "\r\n" + "y" * 70 + "\r\n"
    check("a body with dots is accepted", send("dots", "four@tcp.example", body=body) == 250)
    check("it arrives as it was", wait_for(
        10, lambda: any(m.endswith(body.replace("\r\n", "\n").encode()) for m in mails("four"))), mails("four"))


def big():
    body = ("z" * 70 + "\r\n") * 70000
    check("a mail of 5 MB is accepted", send("big", "one@unix.example", "two@tcp.example", body=body) == 250)
    check("it arrives over both", wait_for(20, lambda: has("one", "big") == 1 and has("two", "big") == 1))


def over_tls():
    check("mail that demands TLS is accepted", send("tls", "three@tls.example") == 250)
    check("R10: LMTP over TCP uses STARTTLS", wait_for(10, lambda: has("three", "tls") == 1))
    for to in ("three@tls.example", "one@tcp.example"):
        lines = [x for x in ctl.lines(RUN, to=to) if x["event"] == "delivered"]
        check("R10: the trace says so (%s)" % to, lines and lines[0]["tls"].startswith("TLSv1."), lines)


def nobody_there():
    check("mail for a socket that is not there is accepted", send("gone", "one@gone.example") == 250)
    check("it is given up in the end, with a bounce", wait_for(20, bounces, "gone"))
    events = [x["event"] for x in ctl.lines(RUN, to="one@gone.example")]
    check("it was deferred before", events.count("deferred") >= 2 and "expired" in events, events)


recipients("unix")
recipients("tcp")
all_refused()
body_as_it_was()
big()
over_tls()
nobody_there()
check("the queue is empty", wait_for(10, lambda: not ctl.queue(RUN)))
