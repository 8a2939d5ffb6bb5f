"""requiretls_hop.py FOLDER - next hops as partner_hop.py has them, some of which know REQUIRETLS (RFC 8689).

    keyword         announces it under TLS, and takes it with MAIL
    early           announces it in clear and no more under TLS
    late            as keyword; answers MAIL with 451 until FOLDER/late exists
"""

import os
import sys

import hop
import partner_hop

hop.ANSWERS.update({"keyword": {}, "early": {}, "late": {}})


class Session(partner_hop.Session):
    def announces(self):
        if self.hop.behaviour == "early":
            return not self.secure
        return self.hop.behaviour in ("keyword", "late") and self.secure

    def ehlo(self, arg):
        if not self.announces():
            super().ehlo(arg)
            return
        more = [] if self.secure or self.cert == "-" else ["STARTTLS"]
        offers = [self.hop.name] + hop.OFFERS + more + ["REQUIRETLS"]
        self.say("\r\n".join(["250-" + o for o in offers[:-1]] + ["250 " + offers[-1]]))

    def mail(self, arg):
        if self.hop.behaviour == "late" and not os.path.exists(self.hop.folder + "/late"):
            self.say("451 4.3.0 later")
            return
        super().mail(arg)


class Hop(partner_hop.Hop):
    session = Session


if __name__ == "__main__":
    hop.main(sys.argv[1], Hop)
