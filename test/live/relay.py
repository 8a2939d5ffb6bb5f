"""relay.py nobody|trusted HOST PORT SOURCE - every way to write a recipient that once made some server relay."""

import sys

from smtp import Gone, Peer, check

ELSEWHERE = "victim.example"
# What ends in a domain of ours is refused for its local part, all else for its domain.
TRICKS = [
    "a@victim.example", "a@VICTIM.Example", "a@victim.example.",
    "a%victim.example@example.org", "a%victim.example@edge.example", "a%victim.example@[198.18.53.1]",
    "a%victim.example@[127.0.0.1]", "a%b%victim.example@example.org", "a%victim.example",
    "victim.example!a@example.org", "victim.example!a", "victim.example!a@edge.example", "a!b!c@example.org",
    '"a@victim.example"@example.org', '"a@victim.example"', '"a@victim.example"@edge.example',
    '"a%victim.example"@example.org', '"a%victim.example"', '"victim.example!a"@example.org',
    "@example.org:a@victim.example", "@example.org,@edge.example:a@victim.example", "@victim.example:a@victim.example",
    "@edge.example:a@victim.example",
    "a@victim.example@example.org", "a@victim.example@edge.example", "a@victim.example@[198.18.53.1]",
    "a@[198.51.100.9]", "a@[198.18.53.1]", "a@[127.0.0.1]", "a@[IPv6:2001:db8:53::9]", "a@[IPv6:::1]", "a@[]",
    "a@198.51.100.9", "a@127.0.0.1", "a@localhost", "a@edge.example", "a@victim.example ", " a@victim.example",
    "a@notexample.org", "a@example.org.victim.example", "a@sub.example.org.victim.example", "a@xsub.example.org",
    "a@example.org\0.victim.example", "a@victim.example\0@example.org", "a@.example.org", "a@example..org", "a@",
    "a@*.sub.example.org", "a@bücher.example", "a@xn--bcher-kva.example", "a", "@victim.example", "", "<>",
    "postmaster@victim.example", "abuse@victim.example",
]
SENDERS = ["ada@victim.example", "ada@example.org", "postmaster@edge.example", "", "MAILER-DAEMON"]
OURS = ["grace@example.org", "grace@EXAMPLE.org", "grace@a.sub.example.org", "postmaster@example.org",
        '"grace hopper"@example.org']


def connect(host, port, source, tls):
    peer = Peer(port, host, (source, 0))
    peer.ehlo()
    if tls:
        peer.starttls()
        peer.ehlo()
    return peer


def rcpt(host, port, source, sender, to, tls=False):
    """The code that a recipient gets, 0 when hung up on."""
    peer = connect(host, port, source, tls)
    try:
        code = peer.cmd("MAIL FROM:<%s>%s" % (sender, "" if to.isascii() else " SMTPUTF8"))[0]
        return code if code != 250 else peer.cmd("RCPT TO:<%s>" % to)[0]
    except Gone:
        return 0
    finally:
        peer.close()


def nobody(host, port, source):
    taken = []
    for sender in SENDERS:
        for to in TRICKS:
            code = rcpt(host, port, source, sender, to, sender == "")
            if code and not 500 <= code <= 599:
                taken.append((sender, to, code))
    check("no relay for %s: %d spellings, %d senders" % (source, len(TRICKS), len(SENDERS)), not taken, taken)
    peer = connect(host, port, source, True)
    peer.cmd("MAIL FROM:<ada@victim.example>")
    codes = [peer.cmd("RCPT TO:<a@victim.example>")[0] for _ in range(3)]
    data = peer.cmd("DATA")[0]
    check("without a recipient there is no DATA for %s" % source, codes == [550] * 3 and data in (503, 554), (codes, data))
    refused = [to for to in OURS if rcpt(host, port, source, "ada@victim.example", to) != 250]
    check("our own domains take mail from %s" % source, not refused, refused)


def trusted(host, port, source):
    for to in ("a@victim.example", "a@VICTIM.example", "grace@example.org"):
        code = rcpt(host, port, source, "ada@example.org", to)
        check("%s is trusted with <%s>" % (source, to), code == 250, code)
    odd = ["a%victim.example@example.org", "victim.example!a@example.org", '"a@victim.example"@example.org']
    codes = [rcpt(host, port, source, "ada@example.org", to) for to in odd]
    check("%s: routed local parts of our own domains are refused to friends, too" % source,
          all(500 <= c <= 599 for c in codes), codes)


{"nobody": nobody, "trusted": trusted}[sys.argv[1]](sys.argv[2], int(sys.argv[3]), sys.argv[4])
