"""HTTP and WebSocket for the tests, by their specifications and nothing else: a GET with any header, and a WebSocket whose
frames can be read and written one by one."""
import base64
import hashlib
import http.client
import json
import os
import socket
import struct
import threading

PATIENCE = 120


def get(port, path, host="127.0.0.1", method="GET", **headers):
    """Status, headers, body. A header name is written with underscores for dashes; Host=None sends none."""
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        if value is not None:
            connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), body


def get_json(port, path, **headers):
    status, kinds, body = get(port, path, **headers)
    assert status == 200, (path, status, body)
    assert kinds["content-type"] == "application/json", kinds
    return json.loads(body)


class Refused(Exception):
    """The server did not upgrade; its HTTP status is in args[0]."""


class WebSocket:
    """Client side. Messages are read by a thread into `messages`, as bytes or text."""

    def __init__(self, port, path="/", host="127.0.0.1", read=True, buffer=None, **headers):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect((host, port))
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: {headers.pop('Host', f'{host}:{port}')}", "Upgrade: websocket",
                 "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.stream = self.socket.makefile("rb")
        status = self.stream.readline().split()
        answer = {}
        while True:
            line = self.stream.readline().decode().strip()
            if not line:
                break
            name, _, value = line.partition(":")
            answer[name.lower()] = value.strip()
        if not status or status[1] != b"101":
            self.socket.close()
            raise Refused(int(status[1]) if status else 0)
        digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        assert answer["sec-websocket-accept"] == base64.b64encode(digest).decode(), answer
        self.messages = []
        self.closed = False
        self.changed = threading.Condition()
        if read:
            threading.Thread(target=self.read, daemon=True).start()

    def frame(self, kind, payload, final=True):
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([kind | (0x80 if final else 0)])
        head += bytes([0x80 | size]) if size < 126 else struct.pack(">BH", 0xFE, size) if size < 65536 else struct.pack(">BQ", 0xFF, size)
        self.socket.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def send(self, text):
        self.frame(1, text.encode())

    def command(self, command, path):
        self.send(json.dumps({"COMMAND": command, "DATA": path}))

    def exactly(self, size):
        data = self.stream.read(size)
        if len(data) != size:
            raise EOFError
        return data

    def read_frame(self):
        kind, size = self.exactly(2)
        if size == 126:
            size, = struct.unpack(">H", self.exactly(2))
        elif size == 127:
            size, = struct.unpack(">Q", self.exactly(8))
        return kind, self.exactly(size)

    def read(self):
        whole = b""
        try:
            while True:
                kind, payload = self.read_frame()
                if kind & 15 == 9:
                    self.frame(10, payload)
                elif kind & 15 == 8:
                    break
                elif kind & 15 < 3:
                    whole += payload
                    if kind & 0x80:
                        self.keep(whole)
                        whole = b""
        except (OSError, EOFError, ValueError):
            pass
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def keep(self, message):
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()

    def wait_for(self, wanted, since=0):
        """Index and content of the first message from `since` on for which wanted(message) holds."""
        found = []
        seen = since

        def look():
            nonlocal seen
            while seen < len(self.messages):
                if wanted(self.messages[seen]):
                    found.append(seen)
                    return True
                seen += 1
            return self.closed

        with self.changed:
            assert self.changed.wait_for(look, PATIENCE) and found, f"no such message in {self.messages[-10:]}"
        return found[0], self.messages[found[0]]

    def wait_closed(self):
        with self.changed:
            assert self.changed.wait_for(lambda: self.closed, PATIENCE), "still open"

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
