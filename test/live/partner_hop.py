"""partner_hop.py FOLDER - next hops as hop.py has them, and more of what partners are like.

The certificate of a hop may have "?" behind its name: it asks for the client's, and "!": it demands one, of
the CA FOLDER/ca/clients.pem. Every record of hops.log has the session's number, that of a handshake also
"resumed" and the names of the client's certificate ("client", null where none was shown). More behaviours:

    before-after    before TLS it promises SIZE 10 and SMTPUTF8, after it neither
    old-tls         has nothing newer than TLS 1.1
    junk            answers the client's hello with bytes that are no TLS
"""

import itertools
import ssl
import sys

import hop

hop.ANSWERS.update({"before-after": {}, "old-tls": {"old": True}, "junk": {"junk": True}})


class Session(hop.Session):
    numbers = itertools.count(1)

    def __init__(self, of, sock):
        super().__init__(of, sock)
        self.number = next(Session.numbers)
        self.asks = self.cert[-1] if self.cert[-1] in "?!" else ""
        self.cert = self.cert.rstrip("?!")

    def note(self, event, **more):
        super().note(event, session=self.number, **more)

    def context(self):
        if self.way.get("junk"):
            self.record()
            self.sock.sendall(b"\x16\x03\x03\x00\x20" + b"junk" * 8)
            raise hop.Over("junk")
        if not self.hop.context:
            self.hop.context = self.new_context()
        return self.hop.context

    def new_context(self):
        """One a hop: its tickets are good at the next connection."""
        context = super().context()
        if self.way.get("old"):
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        if self.asks:
            context.load_verify_locations(self.hop.folder + "/ca/clients.pem")
            context.verify_mode = ssl.CERT_REQUIRED if self.asks == "!" else ssl.CERT_OPTIONAL
        return context

    def shown(self):
        cert = self.sock.getpeercert() if self.asks else None
        return {"client": [v for k, v in cert.get("subjectAltName", ()) if k == "DNS"] if cert else None,
                "resumed": self.sock.session_reused}

    def ehlo(self, arg):
        if self.hop.behaviour != "before-after":
            super().ehlo(arg)
        elif self.secure:
            self.say("250-%s\r\n250 PIPELINING" % self.hop.name)
        else:
            self.say("250-%s\r\n250-SMTPUTF8\r\n250-SIZE 10\r\n250 STARTTLS" % self.hop.name)


class Hop(hop.Hop):
    session = Session
    context = None


if __name__ == "__main__":
    hop.main(sys.argv[1], Hop)
