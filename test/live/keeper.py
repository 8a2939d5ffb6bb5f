"""keeper.py FOLDER PORT SUPERVISOR - where the private keys are, and what happens without the keeper."""

import glob
import os
import re
import signal
import subprocess
import sys
import time

from smtp import Gone, Peer, attempt, check, children, message, wait_for

DIR, PORT, SUPERVISOR = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
KEYS = {"edge": DIR + "/ca/edge.example-ec.key", "edge-rsa": DIR + "/ca/edge.example-rsa.key", "rsa": DIR + "/rsa.key", "p384": DIR + "/p384.key", "ed": DIR + "/ed.key"}


def keeper():
    there = children(SUPERVISOR, "--keeper")
    return there[0] if len(there) == 1 else None


def log():
    with open(DIR + "/edge.log", errors="replace") as f:
        return f.read()


def numbers(path):
    """The secret numbers of a key, as openssl prints them."""
    text = subprocess.run(["openssl", "pkey", "-in", path, "-noout", "-text"], capture_output=True, text=True).stdout
    ret = {}
    for name, digits in re.findall(r"(?m)^(priv|privateExponent|prime1|prime2|exponent1):\n((?:    .*\n)+)", text):
        ret[name] = bytes.fromhex(re.sub(r"[^0-9a-f]", "", digits)).lstrip(b"\0")
    return ret


def patterns(path):
    """Pieces of a key as they may lie in memory: numbers in either order of bytes, and lines of the PEM."""
    ret = {}
    for name, number in numbers(path).items():
        piece = number[:24]
        ret[name] = piece
        ret[name + " reversed"] = piece[::-1]
    with open(path) as f:
        lines = [line.strip() for line in f if "-----" not in line]
    # the first line of a PKCS #8 file has little of the key in it
    ret["its file"] = (lines[1] if len(lines) > 1 else lines[0][-32:]).encode()
    return ret


def memory(pid):
    with open("/proc/%d/maps" % pid) as f:
        rows = [line.split() for line in f]
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as mem:
        for row in rows:
            first, last = (int(x, 16) for x in row[0].split("-"))
            if "r" not in row[1] or row[-1] in ("[vvar]", "[vsyscall]") or last - first > 1 << 34:
                continue
            try:
                mem.seek(first)
                yield mem.read(last - first) or b""
            except OSError:
                pass


def found(pid):
    """Which of the keys have a piece in that process."""
    want = {(k, p): what for k, path in KEYS.items() for p, what in patterns(path).items()}
    there = set()
    for block in memory(pid):
        there |= {kp for kp, what in want.items() if what in block}
    return there


def serial(name, version=None):
    command = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % PORT, "-starttls", "smtp", "-servername", name]
    shown = subprocess.run(command + ([version] if version else []), input="QUIT\r\n", capture_output=True, text=True,
                           timeout=30).stdout
    return re.search(r"subject=.*CN ?= ?(\S+)", shown), re.search(r"(?m)^ *Protocol *: (\S+)|New, (TLSv\S+),", shown)


def peer():
    p = Peer(PORT)
    p.ehlo()
    p.starttls("edge.example", DIR + "/ca/ca.pem")
    p.ehlo()
    return p


def mail(ident):
    p = peer()
    p.envelope("ada@example.net", "grace@example.org")
    code = p.data(message(ident))[0]
    p.quit()
    return code


def mails():
    return len(glob.glob(DIR + "/mail/example.org/grace/new/*"))


def handshakes():
    for name in ("edge.example", "rsa.example", "p384.example", "ed.example"):
        for version in ("-tls1_3", "-tls1_2"):
            subject, how = serial(name, version)
            check("R29: %s, %s: the keeper signs" % (name, version), subject and subject.group(1) == name and how, subject)
    check("R29: mail comes over it", mail("first") == 250 and wait_for(10, lambda: mails() == 1))


def where_keys_are():
    for pid in children(SUPERVISOR):
        check("T-27: no byte of a key is in a worker's memory", found(pid) == set(), found(pid))
    there = {key for key, _ in found(keeper())}
    check("T-27: control: the keeper's memory has them", there == set(KEYS), there)


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def shut_in():
    pid = keeper()
    s = status(pid)
    check("T-27: it is not root", s["Uid"].split()[0] != "0" and set(s["Groups"].split()) <= {s["Gid"].split()[0]}, s)
    check("T-27: it can gain nothing, and its calls are filtered", (s["NoNewPrivs"], s["Seccomp"]) == ("1", "2"), s)
    check("T-27: nothing is left of its capabilities", int(s["CapEff"], 16) == 0, s["CapEff"])
    owner = os.stat("/proc/%d/environ" % pid).st_uid
    check("T-27: others of its user cannot look inside, and it leaves no core", owner == 0, owner)
    names = [os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid) if fd not in "012"]
    with open("/proc/%d/net/unix" % pid) as f:
        unix = {line.split()[6] for line in f.readlines()[1:]}
    strange = [n for n in names if not (n.startswith("socket:[") and n[8:-1] in unix)]
    check("T-27: it holds nothing but its links", names and not strange, names)


def killed():
    for i in range(5):
        pid = keeper()
        os.kill(pid, signal.SIGKILL)
        said = set()
        for _ in range(20):
            p = Peer(PORT)
            p.ehlo()
            said.add(p.cmd("STARTTLS")[0])
            p.close()
        check("T-27: while it is away STARTTLS is answered, and no worker waits", said <= {454, 220}, said)
        check("T-27: another takes its place", wait_for(20, lambda: keeper() not in (None, pid)))
        check("T-27: and signs for every worker", wait_for(20, attempt_mails, i), i)
    check("T-27: no worker died of it", "worker.died" not in log())
    check("T-27: no mail was lost", wait_for(20, lambda: mails() == 1 + 5 * 4), mails())


def attempt_mails(i):
    """Four in a row: some are for the other worker."""
    done = 0
    while done < 4:
        try:
            if mail("after %d.%d" % (i, done)) != 250:
                return False
            done += 1
        except (Gone, OSError, AssertionError):
            time.sleep(0.05)
    return True


def hangs():
    pid = keeper()
    os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    p = Peer(PORT, timeout=30)
    p.ehlo()
    try:
        p.starttls("edge.example", DIR + "/ca/ca.pem")
        failed = False
    except (Gone, OSError, AssertionError):
        failed = True
    took = time.monotonic() - begun
    check("T-27: a keeper that hangs: the handshake fails", failed)
    print("# after %.1f s" % took)
    check("T-27: it is killed, and another takes its place",
          wait_for(40, lambda: "keeper.hangs" in log() and keeper() not in (None, pid)))
    check("T-27: which signs", wait_for(20, lambda: attempt_one() == 250))


def attempt_one():
    try:
        return mail("after it hung")
    except (Gone, OSError, AssertionError):
        return 0


def reload():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", DIR + "/rsa.key", "-out",
                    DIR + "/rsa.pem", "-days", "30", "-subj", "/CN=rsa.example/O=anew", "-addext",
                    "subjectAltName=DNS:rsa.example"], stderr=subprocess.DEVNULL, check=True)
    before = log().count("config.reloaded")
    os.kill(SUPERVISOR, signal.SIGHUP)
    check("R29: a new key by reload", wait_for(20, lambda: log().count("config.reloaded") >= before + 2))
    shown = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % PORT, "-starttls", "smtp",
                            "-servername", "rsa.example"], input="QUIT\r\n", capture_output=True, text=True).stdout
    check("R29: is signed with at once", "anew" in shown and "BEGIN CERTIFICATE" in shown and "Verif" in shown, shown[-300:])
    where_keys_are()


for part in (handshakes, where_keys_are, shut_in, killed, hangs, reload):
    attempt(part.__name__, part)
