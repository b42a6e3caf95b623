"""Traffic of the lab: one sender or the server, ended by the clock. All times are nanoseconds of the guest's clock.

    traffic.py serve FROM TO TCP_PORTS UDP_PORTS PROBE_PORTS  count what arrives from FROM to TO; prints one line of JSON
    traffic.py tcp HOST PORT UNTIL                            one connection that always has something to send
    traffic.py udp HOST PORT UNTIL BITS_PER_SECOND BYTES [FLOWS [DSCP]]
                                                              datagrams of BYTES payload at a constant rate, in turn from
                                                              as many sockets
    traffic.py probe HOST PORT START COUNT INTERVAL BYTES     a call: COUNT datagrams, one each INTERVAL
    traffic.py mix START COUNT INTERVAL BYTES FLOW...         COUNT datagrams on each flow, one each INTERVAL, whatever the
                                                              network says; a flow is HOST/PORT/DSCP or, with a forged
                                                              address, HOST/PORT/DSCP/SOURCE
    traffic.py echo HOST PORT                                 sends every datagram back, from the address HOST
    traffic.py ask HOST PORT COUNT                            datagrams to an echo, one after another; prints how many
                                                              came back within a second

A datagram of a mix that is larger than a frame leaves as one super-packet of many.

A probe carries its number and the time of sending; the server takes the time at which the kernel received it.
"""

import contextlib
import itertools
import json
import selectors
import socket
import struct
import sys
import time

# linux/socket.h; Python's socket module does not name it.
SO_TIMESTAMPNS = 35
# linux/udp.h, linux/in.h, linux/in6.h: neither are these.
UDP_SEGMENT = 103
IP_TRANSPARENT = 19
IPV6_TRANSPARENT = 75
# Of a super-packet, one frame's share.
SEGMENT = 1400
# Longer than anything can wait in the modem's queue.
DRAIN_NS = 1_500_000_000
PROBE_HEADER = struct.Struct("!QQ")


def main():
    command, *args = sys.argv[1:]
    commands = {
        "serve": serve,
        "tcp": send_tcp,
        "udp": send_udp,
        "probe": send_probe,
        "mix": send_mix,
        "echo": echo,
        "ask": ask,
    }
    commands[command](*args)


def serve(start, end, tcp_ports, udp_ports, probe_ports):
    server = Server(int(start), int(end))
    for port in tcp_ports.split(","):
        server.listen(int(port))
    for port in udp_ports.split(","):
        server.count(int(port))
    for port in probe_ports.split(","):
        server.probe(int(port))
    server.run()
    print(json.dumps({"bytes": server.bytes, "latencies": server.latencies}))


class Server:
    def __init__(self, start, end):
        self.start = start
        self.end = end
        self.bytes = {}
        self.latencies = {}
        self.selector = selectors.DefaultSelector()
        self.buffer = bytearray(1 << 18)

    def listen(self, port):
        self.bytes[port] = 0
        listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        self.selector.register(listener, selectors.EVENT_READ, lambda: self.accept(listener, port))

    def accept(self, listener, port):
        connection, _ = listener.accept()
        read = lambda: self.add(port, connection.recv_into(self.buffer)) or self.selector.unregister(connection)
        self.selector.register(connection, selectors.EVENT_READ, read)

    def count(self, port):
        self.bytes[port] = 0
        receiver = udp_socket(port)
        self.selector.register(receiver, selectors.EVENT_READ, lambda: self.add(port, receiver.recv_into(self.buffer)))

    def add(self, port, size):
        if self.start <= time.time_ns() < self.end:
            self.bytes[port] += size
        return size

    def probe(self, port):
        latencies = self.latencies[port] = []
        receiver = udp_socket(port)
        receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.selector.register(receiver, selectors.EVENT_READ, lambda: self.receive_probe(receiver, latencies))

    @staticmethod
    def receive_probe(receiver, latencies):
        data, ancillary, _, _ = receiver.recvmsg(2048, 64)
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
        number, sent = PROBE_HEADER.unpack_from(data)
        latencies.append([number, seconds * 1_000_000_000 + nanoseconds - sent])

    def run(self):
        while (left := self.end + DRAIN_NS - time.time_ns()) > 0:
            for key, _ in self.selector.select(left / 1e9):
                key.data()


def udp_socket(port):
    receiver = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    receiver.bind(("::", port))
    return receiver


def send_tcp(host, port, until):
    connection = socket.create_connection((host, int(port)))
    connection.settimeout(1)
    data = bytes(1 << 16)
    while time.time_ns() < int(until):
        try:
            connection.send(data)
        except TimeoutError:
            pass


def send_udp(host, port, until, rate, size, flows="1", dscp="0"):
    sockets = [connect_udp(host, port) for _ in range(int(flows))]
    for sender in sockets:
        set_dscp(sender, int(dscp))
    senders = itertools.cycle(sockets)
    data = bytes(int(size))
    # A rate is that of the frames: 14 bytes Ethernet, 20 or 40 IP, 8 UDP.
    frame = int(size) + 22 + (40 if ":" in host else 20)
    interval = frame * 8 * 1_000_000_000 // int(rate)
    due = time.time_ns()
    while due < int(until):
        wait_until(due)
        # The answer to an earlier one, sent before the server listened.
        with contextlib.suppress(ConnectionRefusedError):
            next(senders).send(data)
        due += interval


def send_probe(host, port, start, count, interval, size):
    sender = connect_udp(host, port)
    data = bytearray(int(size))
    for number in range(int(count)):
        wait_until(int(start) + number * int(interval))
        PROBE_HEADER.pack_into(data, 0, number, time.time_ns())
        sender.send(data)


def send_mix(start, count, interval, size, *flows):
    senders = [open_flow(int(size), *flow.split("/")) for flow in flows]
    data = bytes(int(size))
    for number in range(int(count)):
        wait_until(int(start) + number * int(interval))
        for sender, address in senders:
            # A vif that is gone, a qube that has no network yet.
            with contextlib.suppress(OSError):
                sender.sendto(data, address)


def open_flow(size, host, port, dscp, source=None):
    is_ipv6 = ":" in host
    sender = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    set_dscp(sender, int(dscp))
    if size > SEGMENT:
        sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, SEGMENT)
    if source is not None:
        transparent = (socket.IPPROTO_IPV6, IPV6_TRANSPARENT) if is_ipv6 else (socket.IPPROTO_IP, IP_TRANSPARENT)
        sender.setsockopt(*transparent, 1)
        sender.bind((source, 0))
    return sender, (host, int(port))


def echo(host, port):
    receiver = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind((host, int(port)))
    while True:
        data, sender = receiver.recvfrom(2048)
        receiver.sendto(data, sender)


def ask(host, port, count):
    sender = connect_udp(host, port)
    sender.settimeout(1)
    answers = 0
    for number in range(int(count)):
        sender.send(str(number).encode())
        with contextlib.suppress(TimeoutError, ConnectionRefusedError):
            answers += sender.recv(2048) == str(number).encode()
    print(answers)


def connect_udp(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sender = socket.socket(family, socket.SOCK_DGRAM)
    sender.connect((host, int(port)))
    return sender


def set_dscp(sender, dscp):
    if sender.family == socket.AF_INET6:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
    else:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)


def wait_until(due):
    left = due - time.time_ns()
    if left > 0:
        time.sleep(left / 1e9)


if __name__ == "__main__":
    main()
