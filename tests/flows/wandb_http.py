"""How the W&B server of the tests is spoken to: requests and replies, nothing of what they mean."""

from __future__ import annotations

import gzip
import json
from http.server import BaseHTTPRequestHandler
from typing import Any

HANG_SECONDS = 300.0
"""How long a server that hangs does; tests end before."""


class Handler(BaseHTTPRequestHandler):
    """GraphQL, the stream of a run's lines, uploads; ``server.memory`` is a ``WandbServer``."""

    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: Any) -> None:
        """Nothing on the tests' stderr."""

    def do_POST(self) -> None:
        body = self._body()
        memory = self.server.memory
        memory.sent.append(f"{self.path} {dict(self.headers)} ".encode() + body)
        if self._is_refused(memory):
            return
        if self.path == "/graphql":
            asked = json.loads(body)
            data = memory.graphql(asked["query"], asked.get("variables") or {})
            if data is None:
                self._reply(400, {"errors": [{"message": "this server was not written to answer that"}]})
            else:
                self._reply(200, {"data": data})
        elif self.path.endswith("/file_stream"):
            self._reply(200, memory.stream(self.path, json.loads(body)))
        else:
            self._reply(404, {})

    def do_PUT(self) -> None:
        body = self._body()
        memory = self.server.memory
        memory.sent.append(f"{self.path} {dict(self.headers)} ".encode() + body)
        if not self._is_refused(memory):
            memory.put(self.path, body)
            self._reply(200, {})

    def do_GET(self) -> None:
        self._reply(404, {})

    def _is_refused(self, memory: Any) -> bool:
        if memory.refusal is None or not memory.refuses.search(self.path):
            return False
        if memory.refusal == "hang":
            memory.released.wait(HANG_SECONDS)
        else:
            self._reply(memory.refusal, {"errors": [{"message": "refused"}]})
        return True

    def _reply(self, status: int, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            parts = []
            while size := int(self.rfile.readline().strip() or b"0", 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
