"""line.py FOLDER NAME_A NAME_B - a bad line between two tun devices, where the kernel has no netem.

FOLDER/shape says how bad: JSON with "delay" and "jitter" in ms, and the shares "loss", "duplicate" and
"corrupt" of packets. Jitter brings packets into another order. The devices may be moved into network
namespaces when FOLDER/line.ready is there; FOLDER/line.count tells at the end what was done to how many."""

import fcntl
import heapq
import json
import os
import random
import select
import signal
import struct
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


class Line:
    def __init__(self, folder, names):
        self.folder, self.shape, self.shape_at = folder, {}, 0
        self.count = dict.fromkeys(("packets", "lost", "duplicated", "corrupted"), 0)
        self.waiting, self.serial = [], 0
        self.ends = []
        for name in names:
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
            self.ends.append(fd)

    def look(self):
        """The shape may change at any time."""
        if time.monotonic() - self.shape_at < 0.05:
            return
        self.shape_at = time.monotonic()
        try:
            with open(self.folder + "/shape") as f:
                self.shape = json.load(f)
        except (OSError, ValueError):
            pass

    def chance(self, what):
        return random.random() < self.shape.get(what, 0)

    def take(self, packet, to):
        self.count["packets"] += 1
        if self.chance("loss"):
            self.count["lost"] += 1
            return
        copies = 1
        if self.chance("duplicate"):
            self.count["duplicated"] += 1
            copies = 2
        if self.chance("corrupt"):
            self.count["corrupted"] += 1
            at = random.randrange(20, len(packet))
            packet = packet[:at] + bytes([packet[at] ^ 1 << random.randrange(8)]) + packet[at + 1:]
        for _ in range(copies):
            delay = self.shape.get("delay", 0) + random.uniform(-1, 1) * self.shape.get("jitter", 0)
            self.serial += 1
            heapq.heappush(self.waiting, (time.monotonic() + max(delay, 0) / 1000, self.serial, packet, to))

    def give(self):
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, _, packet, to = heapq.heappop(self.waiting)
            try:
                os.write(to, packet)
            except OSError:
                pass  # the device is down, or full: lost as well

    def run(self):
        while True:
            self.look()
            wait = min(max(self.waiting[0][0] - time.monotonic(), 0), 0.05) if self.waiting else 0.05
            ready, _, _ = select.select(self.ends, [], [], wait)
            for fd in ready:
                try:
                    packet = os.read(fd, 65536)
                except OSError:
                    continue
                if len(packet) > 20:
                    self.take(packet, self.ends[1 - self.ends.index(fd)])
            self.give()

    def tell(self, *_):
        with open(self.folder + "/line.count", "w") as f:
            json.dump(self.count, f)
        sys.exit(0)


line = Line(sys.argv[1], sys.argv[2:4])
signal.signal(signal.SIGTERM, line.tell)
with open(sys.argv[1] + "/line.ready", "w"):
    pass
line.run()
