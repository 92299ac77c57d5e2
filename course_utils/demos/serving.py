"""A folder shown on this machine, to this machine alone."""

import errno
import functools
import http.server
import importlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from course_utils.locale import _

HOST = "127.0.0.1"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files by their right types, always fresh, without a line for each of them."""

    # Our own table, since that of a Windows registry may say text/plain.
    extensions_map = {  # noqa: RUF012  a copy of the standard library's own
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".mjs": "text/javascript; charset=utf-8",
        ".json": "application/json",
        ".wasm": "application/wasm",  # else it is not compiled while it arrives
        ".onnx": "application/octet-stream",
        ".svg": "image/svg+xml",
    }

    def end_headers(self) -> None:
        # A page built anew at the same address must not be mixed with the one before.
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *args) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    # On Windows it would let two servers have one port.
    allow_reuse_address = os.name != "nt"
    daemon_threads = True

    def handle_error(self, request, client_address) -> None:
        pass  # a visitor who closes the page in the middle is no fault of ours


@dataclass(frozen=True, eq=False)
class Site:
    """A folder that is being served.

    address: to open, on this machine. folder: what is served. stop(): ends it.
    """

    address: str
    folder: Path
    server: Server
    thread: threading.Thread

    def stop(self) -> None:
        """End it, at once. A second call does nothing."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __repr__(self) -> str:
        return _("{address} (its method stop() ends it)").format(address=self.address)


def serve(folder: str | Path, port: int = 0) -> Site:
    """Show a folder on this machine, in the background, and say where and how to stop.

    folder: with an index.html. port: to listen on, 0..65535; 0, or one that is taken,
        which it says: any that is free.
    Returns at once; the site lasts until `stop()` or the end of Python. In Colab the
    address is the one that leads to Colab's machine. Raises ValueError for a folder
    without a page and for a port out of range.
    """
    folder = Path(folder).expanduser().absolute()
    if not (folder / "index.html").is_file():
        raise ValueError(
            _(
                "serve: there is no index.html in {folder}: build the page first."
            ).format(folder=folder)
        )
    if not 0 <= port <= 65535:
        raise ValueError(
            _("serve: port must be 0 .. 65535, got {port}.").format(port=port)
        )
    server = _listen(folder, port)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    site = Site(_address(server.server_port), folder, server, thread)
    print(_("The page is at {address}").format(address=site.address))
    return site


def _listen(folder: Path, port: int) -> Server:
    handler = functools.partial(Handler, directory=str(folder))
    try:
        return Server((HOST, port), handler)
    except OSError as error:
        if port == 0 or error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
    print(
        _("Port {port} is taken or not allowed: another one is used.").format(port=port)
    )
    return Server((HOST, 0), handler)


def _address(port: int) -> str:
    """Where a browser finds the port: in Colab that is not this machine's own."""
    try:
        output = importlib.import_module("google.colab.output")
    except ImportError:
        return f"http://{HOST}:{port}/"
    return output.eval_js(f"google.colab.kernel.proxyPort({port})")
