"""A server on this machine that answers HTTP ranges, and fails as it is told to."""

import contextlib
import http.server
import re
import threading
from collections.abc import Iterator


class RangeServer:
    """What is served, and how. Change it while it runs.

    content: the bytes of the one file, at `url`. ranges: False ignores ranges and
    sends all of it. refuse: the numbers of the next answers, each instead of content.
    cut: of the next answers that send content, after how many bytes to hang up.
    asked: (first, last) of each range that was answered with content. sent: bytes.
    """

    def __init__(self, content: bytes):
        self.content, self.ranges, self.url = content, True, ""
        self.refuse: list[int] = []
        self.cut: list[int] = []
        self.asked: list[tuple[int, int]] = []
        self.sent = 0


@contextlib.contextmanager
def serving(content: bytes) -> Iterator[RangeServer]:
    """A RangeServer that runs until the end of the block."""
    server = RangeServer(content)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self.headers_of(200, len(server.content))

        def do_GET(self):
            if server.refuse:
                self.headers_of(server.refuse.pop(0), 0)
                return
            size = len(server.content)
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if not (server.ranges and found):
                self.headers_of(200, size)
                self.body(server.content)
                return
            first, last = int(found[1]), min(int(found[2]), size - 1)
            if first > last:
                self.headers_of(416, 0, f"bytes */{size}")
                return
            server.asked.append((first, last))
            self.headers_of(206, last + 1 - first, f"bytes {first}-{last}/{size}")
            self.body(server.content[first : last + 1])

        def headers_of(self, code, length, content_range=None):
            self.send_response(code)
            self.send_header("Content-Length", str(length))
            if content_range:
                self.send_header("Content-Range", content_range)
            self.end_headers()

        def body(self, content):
            if server.cut:
                content = content[: server.cut.pop(0)]
                self.close_connection = True
            for start in range(0, len(content), 65536):
                piece = content[start : start + 65536]
                server.sent += len(piece)  # before a test that has it looks here
                self.wfile.write(piece)

        def log_message(self, *args):
            pass

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, request, address):
            pass  # who asked has hung up, which is what several tests are about

    httpd = Quiet(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{httpd.server_port}/folder/archive.tar"
    threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
