"""Traffic of the bench: one sender, or the server. The only argument is a plan in JSON; times are nanoseconds of the guest's clock.

    {"do": "serve", "phases": [[FROM, TO], ...], "tcp": [PORT...], "udp": [PORT...], "streams": [PORT...], "until": T,
     "source": [PORT...], "echo": [PORT...]}
        counts what arrives at each port in each phase; a source sends to whoever connects, an echo returns what it gets.
        Prints READY when it listens, then {"bytes": {PORT: [of each phase]}, "arrivals": {PORT: [[PHASE, NUMBER, LATENCY], ...]}}
    {"do": "tcp", "host": H, "ports": [PORT...], "until": T}                       connections that always have something to send
    {"do": "udp", "host": H, "ports": [PORT...], "from": T, "until": T, "rate": R, "size": B}
        datagrams at a constant rate, port after port
    {"do": "stream", "host": H, "port": P, "starts": [T...], "count": N, "interval": NS, "size": B}
        N numbered datagrams in each phase, one each interval; each carries the time of sending
    {"do": "sink", "host": H, "ports": [PORT...], "phases": [...]}                 connections to sources; prints {"bytes": {...}}
    {"do": "call", ...as stream, "until": T}                                       a stream to an echo; prints {"arrivals": {...}} of the way there and back
"""

import contextlib
import json
import selectors
import socket
import struct
import sys
import time

# test/lab/traffic.py: the guest has both in one directory.
from traffic import SO_TIMESTAMPNS, connect_udp, udp_socket, wait_until

# Phase, number, time of sending.
HEADER = struct.Struct("!IIQ")
NS = 1_000_000_000
READY = "ready"


def main():
    plan = json.loads(sys.argv[1])
    {"serve": serve, "tcp": send_tcp, "udp": send_udp, "stream": send_stream, "sink": sink, "call": call}[plan["do"]](plan)


class Counter:
    """Bytes by port and phase."""

    def __init__(self, phases, ports):
        self.phases = phases
        self.bytes = {port: [0] * len(phases) for port in ports}

    def add(self, port, size):
        now = time.time_ns()
        for number, (start, end) in enumerate(self.phases):
            if start <= now < end:
                self.bytes[port][number] += size
        return size


def serve(plan):
    selector = selectors.DefaultSelector()
    counter = Counter(plan["phases"], plan["tcp"] + plan["udp"])
    arrivals = {port: [] for port in plan["streams"]}
    buffer = bytearray(1 << 18)

    def on_readable(what, action):
        selector.register(what, selectors.EVENT_READ, action)

    def listen(port, accepted):
        listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        on_readable(listener, lambda: accepted(listener.accept()[0], port))

    def count(connection, port):
        on_readable(connection, lambda: counter.add(port, connection.recv_into(buffer)) or selector.unregister(connection))

    def feed(connection, port):
        connection.setblocking(False)
        send_always(selector, connection)

    def echo(receiver):
        received, sender = receiver.recvfrom(2048)
        receiver.sendto(received, sender)

    for port in plan["tcp"]:
        listen(port, count)
    for port in plan["source"]:
        listen(port, feed)
    for port in plan["udp"]:
        receiver = udp_socket(port)
        on_readable(receiver, lambda receiver=receiver, port=port: counter.add(port, receiver.recv_into(buffer)))
    for port in plan["streams"]:
        receiver = udp_socket(port)
        receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        on_readable(receiver, lambda receiver=receiver, port=port: arrivals[port].append(receive(receiver)))
    for port in plan["echo"]:
        receiver = udp_socket(port)
        on_readable(receiver, lambda receiver=receiver: echo(receiver))
    print(READY, flush=True)
    run(selector, plan["until"])
    print(json.dumps({"bytes": counter.bytes, "arrivals": arrivals}))


def receive(receiver):
    """One packet of a stream: phase, number, and how long it was on the way until the kernel had it."""
    data, ancillary, _, _ = receiver.recvmsg(2048, 64)
    seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
    phase, number, sent = HEADER.unpack_from(data)
    return [phase, number, seconds * NS + nanoseconds - sent]


def run(selector, until):
    while (left := until - time.time_ns()) > 0:
        for key, _ in selector.select(left / NS):
            key.data()


def send_always(selector, connection):
    """Sends whenever there is room; a connection that cannot be made, or ends, is left alone."""
    data = bytes(1 << 16)

    def send():
        try:
            connection.send(data)
        except BlockingIOError:
            pass
        except OSError:
            selector.unregister(connection)

    selector.register(connection, selectors.EVENT_WRITE, send)


def send_tcp(plan):
    selector = selectors.DefaultSelector()
    family = socket.AF_INET6 if ":" in plan["host"] else socket.AF_INET
    for port in plan["ports"]:
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        # In a class that starves, the answer may never come.
        connection.connect_ex((plan["host"], port))
        send_always(selector, connection)
    run(selector, plan["until"])


def send_udp(plan):
    senders = [connect_udp(plan["host"], port) for port in plan["ports"]]
    data = bytes(plan["size"])
    # A rate is that of the frames: 14 bytes Ethernet, 20 or 40 IP, 8 UDP.
    frame = plan["size"] + 22 + (40 if ":" in plan["host"] else 20)
    interval = frame * 8 * NS // plan["rate"]
    due = plan["from"]
    number = 0
    while due < plan["until"]:
        wait_until(due)
        # Where nobody listens (any more), the answer to an earlier one.
        with contextlib.suppress(ConnectionRefusedError):
            senders[number % len(senders)].send(data)
        number += 1
        due += interval


def send_stream(plan):
    sender = connect_udp(plan["host"], plan["port"])
    data = bytearray(plan["size"])
    for phase, start in enumerate(plan["starts"]):
        for number in range(plan["count"]):
            wait_until(start + number * plan["interval"])
            HEADER.pack_into(data, 0, phase, number, time.time_ns())
            with contextlib.suppress(ConnectionRefusedError):
                sender.send(data)


def sink(plan):
    selector = selectors.DefaultSelector()
    counter = Counter(plan["phases"], plan["ports"])
    buffer = bytearray(1 << 18)
    for port in plan["ports"]:
        connection = socket.create_connection((plan["host"], port))
        read = lambda connection=connection, port=port: counter.add(port, connection.recv_into(buffer)) or selector.unregister(connection)
        selector.register(connection, selectors.EVENT_READ, read)
    run(selector, plan["phases"][-1][1])
    print(json.dumps({"bytes": counter.bytes}))


def call(plan):
    """Sends and receives in one thread: the next packet is due much later than any answer takes to read."""
    sender = connect_udp(plan["host"], plan["port"])
    sender.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    data = bytearray(plan["size"])
    arrivals = []
    selector = selectors.DefaultSelector()
    selector.register(sender, selectors.EVENT_READ, lambda: arrivals.append(receive(sender)))
    for phase, start in enumerate(plan["starts"]):
        for number in range(plan["count"]):
            run(selector, start + number * plan["interval"])
            HEADER.pack_into(data, 0, phase, number, time.time_ns())
            with contextlib.suppress(ConnectionRefusedError):
                sender.send(data)
    run(selector, plan["until"])
    print(json.dumps({"arrivals": {plan["port"]: arrivals}}))


main()
