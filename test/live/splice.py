"""splice.py DIR STARTTLS IMPLICIT SENDER THROUGH EARLY TO_IMPLICIT TO_STARTTLS - see test_splice.sh. The last four
are ports where somebody on the path listens."""

import glob
import os
import smtplib
import socket
import ssl
import sys
import threading
import time

import ctl
from smtp import Gone, Peer, attempt, check, client_context, message, wait_for

DIR = sys.argv[1]
STARTTLS, IMPLICIT, SENDER, THROUGH, EARLY, TO_IMPLICIT, TO_STARTTLS = [int(p) for p in sys.argv[2:]]
LEVELS = ["may", "enc", "dom"]
RUN = DIR + "/sender/run"


class Middle(threading.Thread):
    """Somebody on the path. way: "implicit" plays a STARTTLS server in clear, then splices into IMPLICIT;
    "starttls" plays a client in clear, then splices into STARTTLS, "pipelined" without waiting for answers;
    "honest" only carries. clear: all that clients said to it in clear; sessions: how many came."""

    def __init__(self, port, way):
        super().__init__(daemon=True)
        self.way, self.clear, self.sessions = way, b"", 0
        self.listener = socket.create_server(("127.0.0.1", port))
        self.start()

    def run(self):
        while True:
            sock, _ = self.listener.accept()
            self.sessions += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, client):
        try:
            first = b""
            if self.way == "implicit":
                server = socket.create_connection(("127.0.0.1", IMPLICIT), 20)
                if not self.play_server(client):
                    return
            else:
                server = socket.create_connection(("127.0.0.1", STARTTLS), 20)
            if self.way == "starttls":
                self.play_client(server)
            if self.way == "pipelined":
                Middle.answer(server)
                first = b"EHLO middle.example\r\nSTARTTLS\r\n"
            client.settimeout(20)
            threading.Thread(target=self.carry, args=(server, client), daemon=True).start()
            self.carry(client, server, first)
        except OSError:
            pass
        finally:
            client.close()

    def play_server(self, client):
        """Until the client begins TLS: True; or until it goes."""
        client.sendall(b"220 edge.example ESMTP\r\n")
        for line in client.makefile("rb", buffering=0):
            self.clear += line
            if line.upper().startswith(b"STARTTLS"):
                client.sendall(b"220 2.0.0 Go ahead\r\n")
                return True
            client.sendall(b"250-edge.example\r\n250-STARTTLS\r\n250 PIPELINING\r\n")
        return False

    @staticmethod
    def answer(server):
        text = b""
        while not text.endswith(b"\n") or text.splitlines()[-1][3:4] == b"-":
            got = server.recv(4096)
            if not got:
                raise OSError("gone")
            text += got

    @staticmethod
    def play_client(server):
        Middle.answer(server)
        for command in (b"EHLO middle.example\r\n", b"STARTTLS\r\n"):
            server.sendall(command)
            Middle.answer(server)

    @staticmethod
    def carry(source, target, first=b""):
        try:
            while True:
                got = source.recv(65536)
                if not got:
                    break
                target.sendall(first + got)
                first = b""
        except OSError:
            pass
        try:
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def mails(local, domain="example.example"):
    return len(glob.glob("%s/mail/%s/%s/new/*" % (DIR, domain, local)))


def trusting():
    """A client that checks the certificate and its name: TLS is not what is broken."""
    return client_context(DIR + "/ca/ca.pem")


def library_says(function, *args):
    """What smtplib makes of it; "sent" when it believes that."""
    try:
        smtp = function(*args)
        smtp.sendmail("ada@example.net", ["library@example.example"], message("library"))
    except (smtplib.SMTPException, OSError) as e:
        return "%s %s" % (type(e).__name__, e)
    return "sent"


# --- a client of STARTTLS, spliced into implicit TLS

def library_starttls(port):
    smtp = smtplib.SMTP("127.0.0.1", port, timeout=10)
    smtp._host = "edge.example"  # the name to check, as if it had been looked up
    smtp.ehlo()
    smtp.starttls(context=trusting())
    return smtp


def lax(port):
    """A client that takes any 2xx to be the answer it waits for: what it hears to each command."""
    peer = Peer(port)
    peer.ehlo()
    peer.starttls("edge.example", context=trusting())
    heard = {}
    for line in ("EHLO client.example", "MAIL FROM:<ada@example.net>", "RCPT TO:<lax@example.example>", "DATA"):
        heard[line.split(" ")[0]] = peer.cmd(line)
    return peer, heard


def starttls_into_implicit():
    said = library_says(library_starttls, STARTTLS)
    check("T-52: a library that is not spliced sends its mail", said == "sent" and wait_for(5, mails, "library") == 1,
          said)
    said = library_says(library_starttls, TO_IMPLICIT)
    check("T-52: STARTTLS into implicit TLS: a library gives up", said != "sent", said)
    peer, heard = lax(TO_IMPLICIT)
    codes = {verb: reply[0] for verb, reply in heard.items()}
    check("T-52: STARTTLS into implicit TLS: EHLO hears a second greeting, 220",
          codes["EHLO"] == 220 and "ESMTP" in heard["EHLO"][1][0], heard)
    check("T-52: who goes on all the same is never told to send a body", codes["DATA"] == 250, heard)
    peer.send(b"RSET\r\nQUIT\r\n")
    peer.close()
    time.sleep(1)
    check("T-52: STARTTLS into implicit TLS: no message is taken", mails("library") == 1 and mails("lax") == 0)


# --- a client of implicit TLS, spliced into STARTTLS

def library_implicit(port):
    smtp = smtplib.SMTP_SSL(timeout=10, context=trusting())
    smtp._host = "edge.example"
    smtp._get_socket = lambda host, port, timeout: smtp.context.wrap_socket(
        socket.create_connection(("127.0.0.1", port), timeout), server_hostname="edge.example")
    smtp.connect("edge.example", port)
    return smtp


def connected(port):
    peer = Peer(port, greet=False)
    peer.tls("edge.example", context=trusting())
    return peer


def implicit_into_starttls():
    peer = connected(TO_STARTTLS)
    begun = time.monotonic()
    code, lines = peer.reply()
    took = time.monotonic() - begun
    check("T-52: implicit TLS into STARTTLS: no greeting comes, and after 3 s the server hangs up",
          code == 421 and 2 < took < 6 and peer.at_end(), (code, lines, took))
    peer = connected(TO_STARTTLS)
    code = peer.cmd("MAIL FROM:<ada@example.net>")[0]
    check("T-52: what was said in clear by somebody else is no EHLO", code == 503, code)
    peer = connected(TO_STARTTLS)
    code = peer.ehlo()[0]
    check("T-52: who speaks before the greeting hears 250 where it needs 220", code == 250, code)
    peer.close()
    try:
        peer = connected(EARLY)
        refused = peer.at_end()
    except OSError:
        refused = True
    check("T-52, T-01: with STARTTLS and the hello in one segment there is no handshake", refused)


def library_into_starttls():
    """Apart from the rest: it hears 421, and could take that for what it likes."""
    before = mails("library")
    said = library_says(library_implicit, IMPLICIT)
    check("T-52: implicit TLS that is not spliced sends its mail",
          said == "sent" and wait_for(5, lambda: mails("library") == before + 1), said)
    said = library_says(library_implicit, TO_STARTTLS)
    check("T-52: implicit TLS into STARTTLS: a library gives up", said != "sent" and mails("library") == before + 1,
          said)


def https_into_starttls():
    context = trusting()
    context.set_alpn_protocols(["h2", "http/1.1"])
    peer = Peer(TO_STARTTLS, greet=False)
    peer.tls("edge.example", context=context)
    chosen = peer.sock.selected_alpn_protocol()
    peer.send(b"POST / HTTP/1.1\r\nHost: edge.example\r\nContent-Length: 90\r\n\r\nEHLO x\r\nMAIL FROM:<a@b.example>\r\n"
              b"RCPT TO:<https@example.example>\r\nDATA\r\n\r\nx\r\n.\r\n")
    said = b""
    try:
        while True:
            got = peer.recv()
            if not got:
                break
            said += got
    except Gone:
        pass
    check("T-52, T-51: HTTPS into STARTTLS gets no protocol and is hung up on at its first line",
          chosen is None and b"250" not in said and mails("https") == 0, (chosen, said))


# --- our own client

def log():
    with open(DIR + "/sender.log", errors="replace") as f:
        return f.read()


def deferred(level):
    return [a for a in ctl.attempts(DIR + "/sender.log")
            if a["to"] == "grace@%s.example" % level and a["result"] == "deferred"]


def our_client(through):
    peer = Peer(SENDER)
    peer.ehlo()
    for level in LEVELS:
        peer.envelope("ada@example.net", "grace@%s.example" % level)
        peer.data(message(level))
    peer.quit()
    for level in LEVELS:
        tried = wait_for(15, deferred, level)
        lines = str(ctl.lines(RUN, to="grace@%s.example" % level))
        check("T-52: our client, %s: spliced, it stops at the second greeting and the mail waits" % level,
              bool(tried) and "a reply of the wrong kind to EHLO" in lines, lines)
    time.sleep(2)  # attempts go on
    check("T-52: none of it arrived, and none was said in clear",
          not sum(mails("grace", level + ".example") for level in LEVELS)
          and b"MAIL" not in through.clear.upper() and through.sessions >= 3, (through.sessions, through.clear[-300:]))
    check("T-52: a splice is no reason to go on without TLS",
          ctl.counters(RUN)["postern_plaintext_after_tls_failed_total"] == 0
          and ctl.counters(RUN)["postern_plaintext_out_total"] == 0, ctl.counters(RUN))
    through.way = "honest"
    check("T-52: when nobody meddles all of it arrives, once",
          wait_for(20, lambda: all(mails("grace", level + ".example") == 1 for level in LEVELS)
                   and not ctl.queue(RUN)), ctl.queue(RUN))
    texts = [open(f).read() for f in glob.glob(DIR + "/mail/*/grace/new/*")]
    check("T-52: by TLS", len(texts) == 3 and all("with ESMTPS" in t for t in texts), texts[:1])


def main():
    os.environ["LC_ALL"] = "C"
    through = Middle(THROUGH, "implicit")
    Middle(TO_IMPLICIT, "implicit")
    Middle(TO_STARTTLS, "starttls")
    Middle(EARLY, "pipelined")
    for part in (starttls_into_implicit, implicit_into_starttls, library_into_starttls, https_into_starttls):
        attempt(part.__name__ + " runs to its end", part)
    attempt("our_client runs to its end", our_client, through)


main()
