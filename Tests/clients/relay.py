"""Stands between a client and Herald: notes every request, and fails as it is told."""

import http.server
import threading

import requests


class Relay:
    """`refuse`: so many requests get a 503 and go no further. `lose`: so many are passed on, and
    answered 503 all the same, as when the answer is lost."""

    def __init__(self, target, refuse=0, lose=0):
        self.target, self.refuse, self.lose = target, refuse, lose
        self.seen = []
        self.lock = threading.Lock()
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, kind, answer = relay.handle(self.path, dict(self.headers), body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def handle(self, path, headers, body):
        with self.lock:
            refuses, loses = self.refuse > 0, self.refuse == 0 and self.lose > 0
            self.refuse -= refuses
            self.lose -= loses
        if not refuses:
            headers.pop("Host")
            answer = requests.post(self.target + path, data=body, headers=headers, timeout=30)
        status = 503 if refuses or loses else answer.status_code
        self.seen.append((status, headers, path))
        if status == 503 and (refuses or loses):
            return 503, "application/json", b'{"code":"unavailable","message":"later"}'
        return status, answer.headers["Content-Type"], answer.content

    @property
    def statuses(self):
        return [status for status, _, _ in self.seen]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
