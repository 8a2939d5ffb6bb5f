"""queue_senders.py DIR PORT - what senders see of a queue, see test_queue.sh."""

import datetime
import email
import glob
import re
import sys

import ctl
import hop
from smtp import Peer, attempt, check, message, wait_for

DIR, PORT = sys.argv[1], int(sys.argv[2])
HOPS, RUN, LOG = DIR + "/hop", DIR + "/fast/run", DIR + "/fast.log"


def send(ident, sender, to, params="", rcpt_params=""):
    peer = Peer(PORT)
    peer.ehlo()
    peer.cmd("MAIL FROM:<%s>%s" % (sender, params))
    peer.cmd("RCPT TO:<%s>%s" % (to, rcpt_params))
    code = peer.data(message(ident))[0]
    peer.quit()
    return code


def when(record):
    return datetime.datetime.fromisoformat(record.replace("Z", "+00:00")).timestamp()


def results(to):
    return [a["result"] for a in ctl.attempts(LOG) if a["to"] == to]


def times(to):
    """When each attempt was made, by the log."""
    with open(LOG, errors="replace") as f:
        return [when(line.split()[0]) for line in f if " mail.attempt " in line and "to=%s " % to in line]


def notices(box):
    ret = []
    for path in sorted(glob.glob("%s/mail/%s/new/*" % (DIR, box))):
        with open(path, "rb") as f:
            ret.append(f.read().decode("utf-8", "replace"))
    return ret


def actions(box):
    return sorted(re.findall(r"(?m)^Action: (\S+?)\r?$", "\n".join(notices(box))))


def greylisting():
    check("greylisting: the mail arrives at the second attempt",
          wait_for(10, lambda: results("a@grey.example") == ["deferred", "delivered"]), results("a@grey.example"))
    first, second = times("a@grey.example")
    check("greylisting: after about a second", 0.8 <= second - first <= 2.5, second - first)
    check("greylisting: once", len(hop.messages(HOPS)["grey"]) == 1)


def schedule():
    """first = 1s, a half more each time, at most 4s, 15 % either way; the queue is looked at each second."""
    wait_for(15, lambda: results("a@down.example")[-1:] == ["expired"])
    at = times("a@down.example")
    gaps = [b - a for a, b in zip(at, at[1:])]
    want = [1, 1.5, 2.25, 3.375]
    good = len(gaps) >= 4 and all(w * 0.84 <= g <= w * 1.16 + 1.2 for w, g in zip(want, gaps[:-1]))
    check("the waits between attempts grow by half, from a second", good, gaps)
    check("the last attempt is made when the time is up", 8.5 <= at[-1] - at[0] <= 11, at[-1] - at[0])
    check("it ends as expired", results("a@down.example")[-1] == "expired", results("a@down.example"))


def notice_of_delay():
    check("one notice of delay, then one of failure", wait_for(15, lambda: actions("slow") == ["delayed", "failed"]),
          actions("slow"))
    text = next(t for t in notices("slow") if "Action: delayed" in t)
    check("RFC 3464: the delay has Will-Retry-Until and a status of 4",
          re.search(r"(?m)^Will-Retry-Until: ", text) and re.search(r"(?m)^Status: 4\.", text), text[:2500])
    check("it tells in words that nothing need be done yet", re.search(r"(?i)delay", text.split("\r\n\r\n")[0]), text[:600])


def notice_of_failure():
    text = next(t for t in notices("slow") if "Action: failed" in t)
    m = email.message_from_string(text)
    check("RFC 3464: multipart/report of delivery-status, three parts",
          m.get_content_type() == "multipart/report" and m.get_param("report-type") == "delivery-status"
          and len(m.get_payload()) == 3, text[:800])
    parts = [p.get_content_type() for p in m.get_payload()]
    check("RFC 3464: text, status, and the message or its header",
          parts[0] == "text/plain" and parts[1] == "message/delivery-status"
          and parts[2] in ("message/rfc822", "text/rfc822-headers"), parts)
    for field in ("Reporting-MTA: dns; ?fast.example", "Arrival-Date: ", "Final-Recipient: rfc822; ?a@down.example",
                  "Action: failed", r"Status: 5\.3\.0", "Remote-MTA: dns; ?down.hop.example",
                  "Diagnostic-Code: smtp; ?", "Last-Attempt-Date: ", "X-Test-Id: slow"):
        check("RFC 3464: %s" % field.replace("; ?", "; "), re.search(r"(?m)^%s" % field, text), text[:3000])
    check("it is from nobody, to the sender", "Return-Path: <>" in text and "slow@example.net" in m["To"], text[:800])
    check("RFC 3834: it says that it is automatic", (m["Auto-Submitted"] or "").startswith("auto-"), text[:800])


def refusal():
    check("a refusal for good is one notice, at once", wait_for(5, lambda: actions("refused") == ["failed"]),
          actions("refused"))
    text = "".join(notices("refused"))
    check("it has the status and the words of the next hop", "Status: 5.1.1" in text and "no such user" in text,
          text[:2500])


def never():
    wait_for(12, lambda: "expired" in results("never@down.example"))
    check("NOTIFY=NEVER: nobody is told", actions("quiet") == [], actions("quiet"))
    check("NOTIFY=FAILURE: no word of the delay, one of the failure", wait_for(5, lambda: actions("only") == ["failed"]),
          actions("only"))


def from_nobody():
    before = ctl.counters(RUN)["postern_dsn_sent_total"]
    wait_for(12, lambda: "expired" in results("null@down.example") and "bounced" in results("null@no.example"))
    check("mail from nobody is given up after bounce_give_up", results("null@down.example")[-1:] == ["expired"],
          results("null@down.example"))
    told = [line for line in ctl.lines(RUN, to="null@down.example") + ctl.lines(RUN, to="null@no.example")
            if line["event"] == "notification"]
    check("RFC 5321 4.5.5: nobody is told of mail from nobody", not told, (told, before))


check("mail for the slow, the refusing and the greylisting is accepted", {
    send("grey", "grey@example.net", "a@grey.example"),
    send("slow", "slow@example.net", "a@down.example"),
    send("never", "quiet@example.net", "never@down.example", "", " NOTIFY=NEVER"),
    send("only", "only@example.net", "only@down.example", "", " NOTIFY=FAILURE"),
    send("refused", "refused@example.net", "x@no.example"),
    send("null", "", "null@down.example"),
    send("null-no", "", "null@no.example")} == {250})
for test in (greylisting, refusal, schedule, notice_of_delay, notice_of_failure, never, from_nobody):
    attempt(test.__name__, test)
check("the queue is empty", wait_for(5, lambda: not ctl.queue(RUN)), ctl.queue(RUN))
