"""clients.py DIR PORT IMPLICIT CLEAR - extensions, Received lines and plaintext, see test_clients.sh."""

import email
import email.policy
import glob
import re
import smtplib
import socket
import ssl
import sys

import ctl
from smtp import Gone, Peer, attempt, check, client_context, message, wait_for

DIR, PORT, IMPLICIT, CLEAR = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
CA, RUN = DIR + "/ca/ca.pem", DIR + "/edge/run"


def files(box):
    return sorted(glob.glob("%s/mail/%s/new/*" % (DIR, box)))


def fetch(box):
    """The one message in this box, when it is there."""
    found = wait_for(10, files, box)
    if len(found) != 1:
        raise Gone("%d messages in %s" % (len(found), box))
    with open(found[0], "rb") as f:
        return f.read()


def received(box):
    """The Received field on top, unfolded."""
    text = fetch(box)
    field = re.search(rb"(?ms)^Received: (.*?)\r?\n(?![ \t])", text).group(1)
    return re.sub(r"\s+", " ", field.decode())


def secure_peer():
    peer = Peer(PORT)
    peer.ehlo()
    peer.starttls("edge.example", CA)
    return peer, peer.ehlo()[1]


def send(peer, box, body=None, params="", rcpt_params=""):
    code = peer.cmd("MAIL FROM:<ada@example.net>" + params)[0]
    code = code == 250 and peer.cmd("RCPT TO:<%s@example.org>%s" % (box, rcpt_params))[0]
    return peer.data(body or message(box))[0] if code == 250 else code


# --- what is offered

def offers():
    peer = Peer(PORT)
    clear = {line[4:].split()[0] for line in peer.ehlo()[1][1:]}
    peer.starttls("edge.example", CA)
    secure = {line[4:].split()[0] for line in peer.ehlo()[1][1:]}
    peer.quit()
    both = {"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME", "DSN", "ENHANCEDSTATUSCODES"}
    check("EHLO offers %s in clear and over TLS" % ", ".join(sorted(both)), both <= clear and both <= secure,
          (clear, secure))
    check("STARTTLS is offered in clear only", "STARTTLS" in clear and "STARTTLS" not in secure)


# --- Received

def received_esmtps():
    for version in ("TLSv1_2", "TLSv1_3"):
        context = client_context(CA)
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
        peer = Peer(PORT)
        peer.ehlo()
        peer.starttls("edge.example", context=context)
        peer.ehlo()
        box = "received-" + version.lower().replace("_", "-")
        send(peer, box)
        suite = peer.sock.cipher()[0].replace("-", "_").replace("ECDHE_ECDSA_", "ECDHE_ECDSA_WITH_")
        peer.quit()
        line = received(box)
        name = version.replace("_", ".")
        suite = suite.replace("AES256", "AES_256").replace("AES128", "AES_128")
        check("R1: Received says ESMTPS, %s, suite, group and forward secrecy" % name,
              " with ESMTPS id " in line and name in line and suite in line and
              re.search(r"key-exchange (X25519|secp256r1|P-256|prime256v1)", line) and "forward secrecy: yes" in line,
              line)
        check("R1: Received names client and recipient (%s)" % name,
              line.startswith("from client.example ") and "[127.0.0.1]" in line and "for <%s@example.org>" % box in line,
              line)


def received_plain():
    before = ctl.counters(RUN)["postern_mail_in_plaintext_total"]
    for port, box in ((PORT, "plain-esmtp"), (CLEAR, "plain-off")):
        peer = Peer(port)
        peer.ehlo()
        check("R14: plaintext is accepted (%s)" % box, send(peer, box) == 250)
        peer.quit()
        line = received(box)
        check("R14: Received says ESMTP and nothing of TLS (%s)" % box,
              " with ESMTP id " in line and "using" not in line, line)
    peer = Peer(PORT)
    peer.cmd("HELO client.example")
    check("R14: plaintext by HELO is accepted", send(peer, "plain-helo") == 250)
    peer.quit()
    check("R14: Received says SMTP after HELO", " with SMTP id " in received("plain-helo"), received("plain-helo"))
    after = ctl.counters(RUN)["postern_mail_in_plaintext_total"]
    check("R15: plaintext is counted", after - before == 3, (before, after))
    traced = [line.get("tls") for line in ctl.lines(RUN, to="plain-helo@example.org") if line["event"] == "accepted"]
    check("R15: the trace says that there was no TLS", traced == ["none"], traced)
    with open(DIR + "/edge.log", errors="replace") as f:
        log = f.read()
    check("R15: the log says so for each mail", len(re.findall(r"mail\.accepted .*tls=none", log)) >= 3)


def received_implicit():
    peer = Peer(IMPLICIT, greet=False)
    peer.tls("edge.example", CA)
    check("implicit TLS greets over TLS", peer.reply()[0] == 220)
    peer.ehlo()
    check("implicit TLS takes mail", send(peer, "implicit") == 250)
    peer.quit()
    check("Received says ESMTPS for implicit TLS", " with ESMTPS id " in received("implicit"), received("implicit"))
    peer = Peer(IMPLICIT, greet=False, timeout=5)
    peer.send(b"EHLO client.example\r\n")
    check("implicit TLS closes for a client in clear", peer.at_end())
    peer.close()


# --- extensions

def eight_bit():
    peer, _ = secure_peer()
    body = message("eight-bit", body="Grüße.\r\n")
    check("8BITMIME is taken", send(peer, "eight-bit", body, " BODY=8BITMIME") == 250)
    peer.quit()
    check("8BITMIME: the bytes arrive as they were", body in fetch("eight-bit"))


def smtputf8():
    with smtplib.SMTP("localhost", PORT, "client.example", timeout=15) as s:
        s.starttls(context=ssl.create_default_context(cafile=CA))
        m = email.message.EmailMessage(policy=email.policy.SMTPUTF8)
        m["From"], m["To"], m["Subject"] = "Ada <äda@example.net>", "<grüße@example.org>", "Ελλάδα"
        m["X-Test-Id"] = "utf8"
        m.set_content("你好\n")
        s.send_message(m, "äda@example.net", ["grüße@example.org"])
    text = fetch("grüße").decode()
    check("SMTPUTF8: address and header arrive as they were", "Ελλάδα" in text and "<grüße@example.org>" in text)
    line = received("grüße")
    check("SMTPUTF8: Received says UTF8SMTPS", " with UTF8SMTPS id " in line, line)
    peer, _ = secure_peer()
    peer.cmd("MAIL FROM:<ada@example.net>")
    check("an address in UTF-8 without SMTPUTF8 is refused", peer.cmd("RCPT TO:<grüße@example.org>")[0] in (501, 553))
    peer.quit()


def dsn():
    peer, _ = secure_peer()
    code = send(peer, "dsn", None, " RET=HDRS ENVID=QQ+2B314159",
                " NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;dsn+2Borig@example.org")
    peer.quit()
    check("DSN parameters are taken", code == 250, code)
    text = fetch("sender-ada").decode()
    check("DSN: a success is reported to the sender", re.search(r"(?im)^Action: delivered\r?$", text), text[:3000])
    check("DSN: it carries ENVID and ORCPT, decoded",
          re.search(r"(?im)^Original-Envelope-Id: QQ\+314159\r?$", text) and
          re.search(r"(?im)^Original-Recipient: rfc822; ?dsn\+2?B?orig@example.org\r?$", text), text[:3000])
    check("DSN: RET=HDRS returns the header only", "text/rfc822-headers" in text and "Hello." not in text)
    check("DSN: it is from nobody", "Return-Path: <>" in text)


def chunking():
    peer, _ = secure_peer()
    body = message("chunking", body="x" * 70 + "\r\n" + ".\r\n" + "y" * 200000 + "\r\n")
    peer.envelope("ada@example.net", "chunking@example.org")
    check("CHUNKING: chunks of 1000 are taken", peer.bdat(body, 1000)[0] == 250)
    peer.envelope("ada@example.net", "chunking-one@example.org")
    check("CHUNKING: one chunk is taken", peer.bdat(body)[0] == 250)
    peer.quit()
    check("CHUNKING: the bytes arrive as they were", body in fetch("chunking") and body in fetch("chunking-one"))


def pipelining():
    peer, _ = secure_peer()
    envelope = b"MAIL FROM:<ada@example.net>\r\nRCPT TO:<pipe-%d@example.org>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\n"
    peer.send(envelope % 1)
    codes = [peer.reply()[0] for _ in range(4)]
    check("PIPELINING: a group in one write is answered in order", codes in ([250, 250, 250, 354], [250, 250, 550, 354]),
          codes)
    peer.send(message("pipe-1") + b".\r\n" + envelope.replace(b"RCPT TO:<x@elsewhere.example>\r\n", b"") % 2)
    codes = [peer.reply()[0] for _ in range(4)]
    check("PIPELINING: the next group right behind the body", codes == [250, 250, 250, 354], codes)
    peer.send(message("pipe-2") + b".\r\nQUIT\r\n")
    codes = [peer.reply()[0] for _ in range(2)]
    check("PIPELINING: QUIT right behind the body", codes == [250, 221], codes)
    peer.close()
    check("PIPELINING: both arrive", b"pipe-1" in fetch("pipe-1") and b"pipe-2" in fetch("pipe-2"))


def bdat_pipelined():
    peer, _ = secure_peer()
    body = message("pipe-bdat")
    half = len(body) // 2
    peer.send(b"MAIL FROM:<ada@example.net>\r\nRCPT TO:<pipe-bdat@example.org>\r\nBDAT %d\r\n%sBDAT %d LAST\r\n%sQUIT\r\n"
              % (half, body[:half], len(body) - half, body[half:]))
    codes = [peer.reply()[0] for _ in range(5)]
    peer.close()
    check("PIPELINING: a whole session with BDAT in one write", codes == [250, 250, 250, 250, 221], codes)
    check("PIPELINING: it arrives", body in fetch("pipe-bdat"))


def half_close():
    """A client that says all and closes its side at once still gets its answers."""
    peer = Peer(CLEAR)
    peer.send(b"EHLO c\r\nMAIL FROM:<ada@example.net>\r\nRCPT TO:<half@example.org>\r\nDATA\r\n" + message("half")
              + b".\r\nQUIT\r\n")
    peer.sock.shutdown(socket.SHUT_WR)
    codes = [peer.reply()[0] for _ in range(6)]
    peer.close()
    check("a client that half-closes after QUIT gets its answers", codes == [250, 250, 250, 354, 250, 221], codes)
    check("its mail arrives", b"half" in fetch("half"))


for test in (offers, received_esmtps, received_plain, received_implicit, eight_bit, smtputf8, dsn, chunking, pipelining,
             bdat_pipelined, half_close):
    attempt(test.__name__, test)
