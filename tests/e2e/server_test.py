#!/usr/bin/env python3
"""Talks to the real server over sockets. usage: server_test.py PATH_TO_SACCADE SOURCE_DIR [TEST...]"""

import contextlib
import http.client
import http.server
import json
import pathlib
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings
import zlib

PROGRAM = sys.argv[1]
ROOT = pathlib.Path(sys.argv[2]).resolve()
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from server_process import ServerProcess, data_url  # noqa: E402

MODEL = ROOT / "models" / "saccade-mini.gguf"
DEMO = [json.loads(line) for line in (ROOT / "samples" / "demo.jsonl").read_text().splitlines()]
PICTURE = ROOT / "samples" / DEMO[0]["image"]
QUESTION = DEMO[0]["question"]
JSON = {"content-type": "application/json"}
# A high temperature hardly ever draws the token that ends an answer.
LONG = {"messages": [{"role": "user", "content": "Hello"}], "temperature": 100, "max_tokens": 1500, "seed": 1, "n": 16}


def user(text):
    return {"messages": [{"role": "user", "content": text}]}


def about(url, **part):
    content = [{"type": "image_url", "image_url": {"url": url}, **part}, {"type": "text", "text": QUESTION}]
    return {"messages": [{"role": "user", "content": content}]}


def raw_request(body, path="/v1/chat/completions", fields=""):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n{fields}\r\n"
    return head.encode() + text


def padded_png(path, num_bytes):
    """The same picture, with so many bytes in chunks that no reader looks at."""
    png = pathlib.Path(path).read_bytes()
    body = b"saCc" + bytes(range(256)) * 200
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    header_end = 33
    return png[:header_end] + chunk * (num_bytes // len(chunk)) + png[header_end:]


@contextlib.contextmanager
def web_server(handle):
    """Another server on this machine; handle(path) is (status, fields, body)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, fields, body = handle(self.path)
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):  # the client may have seen enough
                for piece in [body] if isinstance(body, bytes) else body:
                    self.wfile.write(piece)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class ServerTest(unittest.TestCase):
    def start(self, *flags, **options):
        server = ServerProcess(PROGRAM, MODEL, "--threads", 2, *flags, **options)
        self.addCleanup(server.stop)
        return server

    def folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return pathlib.Path(folder.name)

    def ask(self, server, body, path="/v1/chat/completions", method="POST", **fields):
        connection = http.client.HTTPConnection(server.host, server.port, timeout=120)
        text = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        connection.request(method, path, text, {"content-type": "application/json", **fields})
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        self.assertTrue(response.headers["x-request-id"].startswith("req-"))
        return response.status, json.loads(answer)

    def answers(self, server, body, **options):
        status, answer = self.ask(server, body, **options)
        self.assertEqual(status, 200, answer)
        return answer

    def fails(self, server, body, status, param=None, **options):
        got, answer = self.ask(server, body, **options)
        self.assertEqual(got, status, answer)
        self.assertEqual(set(answer["error"]), {"message", "type", "param", "code"})
        if param:
            self.assertEqual(answer["error"]["param"], param, answer)
        return answer["error"]

    def connect(self, server, data=b""):
        connection = socket.create_connection((server.host, server.port), timeout=120)
        self.addCleanup(connection.close)
        connection.sendall(data)
        return connection

    def read_all(self, connection):
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                got += piece
        return got


class Addresses(ServerTest):
    @classmethod
    def setUpClass(cls):
        cls.server = ServerProcess(PROGRAM, MODEL, "--threads", 2, "--served-name", "eyes", "--served-name", "mini")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def test_says_how_it_is(self):
        for path in ("/health", "/ready"):
            self.assertEqual(self.answers(self.server, None, path=path, method="GET"), {"status": "ok"})
        models = self.answers(self.server, None, path="/v1/models", method="GET")["data"]
        self.assertEqual([model["id"] for model in models], ["eyes", "mini"])
        self.assertEqual(self.answers(self.server, user("Hello"))["model"], "eyes")
        self.assertEqual(self.answers(self.server, {**user("Hello"), "model": "mini"})["model"], "mini")

    def test_refuses_what_is_not_there(self):
        self.assertEqual(self.fails(self.server, None, 404, path="/v1/nothing", method="GET")["code"], "unknown_url")
        self.fails(self.server, user("x"), 404, path="/v1/completions")
        self.fails(self.server, None, 405, method="GET")
        self.fails(self.server, user("x"), 405, path="/health")
        self.assertEqual(self.fails(self.server, {**user("x"), "model": "gpt-4o"}, 404, "model")["code"], "model_not_found")
        connection = http.client.HTTPConnection(self.server.host, self.server.port)
        for fields in ({"content-type": "application/x-www-form-urlencoded"}, {}):
            connection.request("POST", "/v1/chat/completions", b"a=b", fields)
            response = connection.getresponse()
            self.assertEqual(response.status, 415)
            response.read()
        connection.request("HEAD", "/health")
        response = connection.getresponse()
        self.assertEqual((response.status, response.read()), (200, b""))
        connection.close()

    def test_counts_tokens(self):
        for body in (user("How many?"), about(data_url(PICTURE)), about(data_url(PICTURE), detail="low")):
            usage = self.answers(self.server, body)["usage"]
            counted = self.answers(self.server, body, path="/tokenize")
            self.assertEqual(counted["count"], usage["prompt_tokens"])
            self.assertEqual(counted["image_tokens"], usage["prompt_tokens_details"]["image_tokens"])
        words = self.answers(self.server, {"text": "some words"}, path="/tokenize")
        self.assertGreater(words["count"], 0)
        self.assertEqual(words["count"], words["text_tokens"])
        self.fails(self.server, {}, 400, "messages", path="/tokenize")

    def test_explains_its_plan(self):
        body = {**about(data_url(PICTURE)), "saccade": {"max_latency_ms": 60_000}}
        plan = self.answers(self.server, body, path="/v1/plan")
        self.assertEqual(sum(considered["chosen"] for considered in plan["plans"]), 1)
        self.assertGreater(plan["compared"], 1)

    def test_logs_each_request(self):
        answer = self.answers(self.server, user("Hello"))
        entry = self.server.logged(answer["id"])
        self.assertEqual((entry["method"], entry["path"], entry["status"]), ("POST", "/v1/chat/completions", 200))
        self.assertEqual(entry["prompt_tokens"], answer["usage"]["prompt_tokens"])
        self.assertEqual(entry["completion_tokens"], answer["usage"]["completion_tokens"])
        self.assertFalse(entry["cancelled"])

    def test_streams_events(self):
        connection = self.connect(self.server, raw_request({**user("Hello"), "stream": True}, fields="Connection: close\r\n"))
        got = self.read_all(connection).decode()
        head, body = got.split("\r\n\r\n", 1)
        self.assertIn("Content-Type: text/event-stream", head)
        self.assertTrue(body.endswith("data: [DONE]\n\n\r\n0\r\n\r\n"), body)

    def test_tells_an_error_in_a_stream_that_has_not_begun_by_its_status(self):
        error = self.fails(self.server, {**user("word " * 5000), "stream": True}, 413)
        self.assertIn("context", error["message"])

    def test_counts_the_time_of_the_upload(self):
        request = raw_request({**user("Hello"), "saccade": {"max_latency_ms": 60_000}}, fields="Connection: close\r\n")
        connection = self.connect(self.server, request[:-1])
        pause_s = 0.2
        time.sleep(pause_s)
        connection.sendall(request[-1:])
        answer = json.loads(self.read_all(connection).split(b"\r\n\r\n", 1)[1])
        self.assertGreaterEqual(answer["saccade"]["budget"]["asked"]["waited_ms"], 1000 * pause_s)


class Hostile(ServerTest):
    @classmethod
    def setUpClass(cls):
        cls.server = ServerProcess(PROGRAM, MODEL, "--threads", 2, "--max-body", "1MiB", "--max-connections", 64)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def status_of(self, data):
        got = self.read_all(self.connect(self.server, data))
        self.assertTrue(got.startswith(b"HTTP/1.1 "), got)
        json.loads(got.split(b"\r\n\r\n", 1)[1])
        return int(got.split()[1])

    def tearDown(self):
        self.answers(self.server, user("Hello"))  # it is still there

    def test_refuses_what_is_too_large(self):
        self.assertEqual(self.status_of(b"GET /health HTTP/1.1\r\nlong: " + b"x" * 100_000), 431)
        self.assertEqual(self.status_of(b"GET /" + b"x" * 100_000), 431)
        self.assertEqual(self.status_of(b"GET /health HTTP/1.1\r\n" + b"a: b\r\n" * 20_000), 431)
        self.fails(self.server, b"x" * (2 << 20), 413)
        chunked = b"POST /v1/chat/completions HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.assertEqual(self.status_of(chunked + b"fffffff\r\n"), 413)
        self.assertEqual(self.status_of(chunked + b"80000\r\n" + b"x" * 0x80000 + b"\r\n90000\r\n"), 413)

    def test_refuses_what_is_not_http(self):
        for data in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET\r\n\r\n", b"GET /health HTTP/1.1\r\n: x\r\n\r\n",
                     b"POST /v1/chat/completions HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
                     b"POST /v1/chat/completions HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdefgh\r\n",
                     b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"):
            self.assertEqual(self.status_of(data), 400, data)

    def test_drops_those_who_take_their_time(self):
        server = self.start("--read-timeout", 300)
        head = b"POST /v1/chat/completions HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n"
        slow = [self.connect(server, data) for data in (b"GET /hea", raw_request(user("x"))[:-1], *[head] * 32)]
        for connection in slow:
            self.assertIn(b" 408 ", self.read_all(connection))

    def test_does_not_mind_clients_that_leave(self):
        for length in (0, 10, 100, 10_000):
            request = raw_request(b'{"messages": "' + b"x" * 20_000)
            self.connect(self.server, request[:length]).close()
        for _ in range(8):
            self.connect(self.server, raw_request(LONG)).close()

    def test_answers_pipelined_requests_in_order(self):
        requests = [raw_request(user(str(i))) for i in range(8)]
        last = raw_request(user("last"), fields="Connection: close\r\n")
        got = self.read_all(self.connect(self.server, b"".join(requests) + last))
        self.assertEqual(got.count(b"HTTP/1.1 200 OK"), 9)

    def test_refuses_connections_over_its_limit(self):
        held = [self.connect(self.server) for _ in range(64)]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:  # until all of them were accepted
            got = self.read_all(self.connect(self.server, b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n"))
            if b" 503 " in got or got == b"":
                break
        else:
            self.fail("connections have no limit")
        for connection in held:
            connection.close()
        while time.monotonic() < deadline:
            got = self.read_all(self.connect(self.server, b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n"))
            if b" 200 " in got:
                return
        self.fail("the server did not recover")

    def test_refuses_damaged_bodies(self):
        whole = json.dumps({**about(data_url(PICTURE)), "max_tokens": 4}).encode()
        for length in range(1, len(whole), 97):
            self.fails(self.server, whole[:length], 400)
        self.fails(self.server, b"\xff\xfe", 400)
        self.fails(self.server, b"[" * 100_000, 400)
        self.fails(self.server, b'{"messages":' * 50_000, 400)


class Pictures(ServerTest):
    def test_reads_files_of_its_folder_only(self):
        folder = self.folder()
        (folder / "open").mkdir()
        (folder / "open" / "a.png").write_bytes(PICTURE.read_bytes())
        (folder / "secret.png").write_bytes(PICTURE.read_bytes())
        (folder / "open" / "link.png").symlink_to(folder / "secret.png")
        server = self.start("--media-dir", folder / "open")
        whole = self.answers(server, about(data_url(PICTURE)))["choices"][0]["message"]["content"]
        for url in ("a.png", str(folder / "open" / "a.png"), f"file://{folder}/open/a.png"):
            self.assertEqual(self.answers(server, about(url))["choices"][0]["message"]["content"], whole)
        for url in ("../secret.png", str(folder / "secret.png"), "file:///etc/passwd", "link.png", "b.png"):
            error = self.fails(server, about(url), 400, "messages[0].content[0].image_url.url")
            self.assertNotIn(str(folder), error["message"].replace(url, ""))

    def test_fetches_from_hosts_of_its_list(self):
        png = PICTURE.read_bytes()
        asked = []

        def handle(path):
            asked.append(path)
            if path == "/missing":
                return 404, {}, b"no"
            if path.startswith("/to/"):
                number = int(path.split("/")[2])
                return 302, {"location": f"/to/{number - 1}" if number else "/a.png"}, b""
            if path == "/away":
                return 302, {"location": f"http://localhost:{port}/a.png"}, b""
            if path == "/file":
                return 302, {"location": "file:///etc/passwd"}, b""
            return 200, {"content-type": "image/png"}, png

        with web_server(handle) as port:
            server = self.start("--media-host", f"127.0.0.1:{port}", "--media-private")
            base = f"http://127.0.0.1:{port}"
            whole = self.answers(server, about(data_url(PICTURE)))["choices"][0]["message"]["content"]
            for path in ("/a.png", "/to/2"):
                self.assertEqual(self.answers(server, about(base + path))["choices"][0]["message"]["content"], whole)
            for path in ("/missing", "/to/3", "/to/9", "/away", "/file"):
                self.fails(server, about(base + path), 400, "messages[0].content[0].image_url.url")
            asked.clear()
            self.fails(server, about(f"http://localhost:{port}/a.png"), 400)
            self.fails(server, about(f"http://127.0.0.1:{port}@example.com/a.png"), 400)
            self.assertEqual(asked, [])

    def test_connects_to_no_private_address_unless_it_may(self):
        with web_server(lambda path: (200, {}, b"secret")) as port:
            server = self.start("--media-host", f"localhost:{port}", "--media-host", f"127.0.0.1:{port}")
            for host in ("localhost", "127.0.0.1"):
                error = self.fails(server, about(f"http://{host}:{port}/a.png"), 400)
                self.assertIn("--media-private", error["message"])

    def test_fetches_no_more_than_it_may(self):
        def endless():
            while True:
                yield bytes(1 << 20)

        with web_server(lambda path: (200, {}, endless())) as port:
            server = self.start("--media-host", f"127.0.0.1:{port}", "--media-private")
            self.fails(server, about(f"http://127.0.0.1:{port}/a.png"), 413)

    def test_waits_no_longer_than_it_may(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            server = self.start("--media-host", f"127.0.0.1:{port}", "--media-private", "--media-timeout", 200)
            self.fails(server, about(f"http://127.0.0.1:{port}/a.png"), 400)

    def test_keeps_pictures_by_uuid_up_to_its_limit(self):
        size = PICTURE.stat().st_size
        server = self.start("--media-memory", size)
        self.answers(server, about(data_url(PICTURE), uuid="one"))
        self.answers(server, about("", uuid="one"))
        self.answers(server, about(data_url(PICTURE), uuid="two"))
        self.fails(server, about("", uuid="one"), 400, "messages[0].content[0].uuid")
        self.answers(server, about("", uuid="two"))

    def test_holds_a_large_picture_once(self):
        server = self.start()
        for _ in range(2):
            self.answers(server, about(data_url(PICTURE)))
        picture = self.folder() / "large.png"
        picture.write_bytes(padded_png(PICTURE, 20_000_000))
        body = json.dumps(about(data_url(picture))).encode()
        self.assertGreater(len(body), 26_000_000)
        whole = self.answers(server, about(data_url(PICTURE)))["choices"][0]["message"]["content"]
        for is_chunked in (False, True, False):
            idle = server.memory_bytes()
            server.reset_peak_memory()
            pieces = (body[i : i + 100_000] for i in range(0, len(body), 100_000)) if is_chunked else [body]
            connection = http.client.HTTPConnection(server.host, server.port, timeout=120)
            fields = {"content-type": "application/json"}
            if not is_chunked:
                fields["content-length"] = str(len(body))
            connection.request("POST", "/v1/chat/completions", pieces, fields, encode_chunked=is_chunked)
            response = connection.getresponse()
            answer = json.loads(response.read())
            connection.close()
            self.assertEqual(response.status, 200, answer)
            self.assertEqual(answer["choices"][0]["message"]["content"], whole)
            peak = server.memory_bytes("VmHWM") - idle
            self.assertLess(peak, 60e6, f"a picture of 20 MB took {peak / 1e6:.1f} MB")
            deadline = time.monotonic() + 60
            while server.memory_bytes() - idle > 8e6:
                self.assertLess(time.monotonic(), deadline, "its memory did not come back")
                time.sleep(0.01)


class Ledger(ServerTest):
    def test_keeps_receipts_and_takes_feedback(self):
        ledger = self.folder() / "requests.ledger"
        server = self.start("--ledger", ledger, "--prices", ROOT / "samples" / "prices.toml")
        answer = self.answers(server, about(data_url(PICTURE)))
        self.assertGreater(answer["saccade"]["cost"]["usd"], 0)
        several = self.answers(server, {**user("Hello"), "n": 2})
        self.fails(server, {**about(data_url(PICTURE)), "saccade": {"max_latency_ms": 0.001, "mode": "strict"}}, 429)
        said = self.answers(server, {"request_id": answer["id"], "right": True}, path="/v1/feedback")
        self.assertEqual(said, {"request_id": answer["id"], "score": 1})
        self.fails(server, {"request_id": "req-none", "score": 1}, 404, "request_id", path="/v1/feedback")
        self.fails(server, {"request_id": answer["id"], "score": 2}, 400, "score", path="/v1/feedback")
        with contextlib.closing(sqlite3.connect(ledger)) as database:
            rows = database.execute("SELECT request_id, status FROM entries ORDER BY time_us").fetchall()
        self.assertEqual([row[0] for row in rows[:3]], [answer["id"], several["id"], several["id"] + "-2"])
        self.assertEqual(len(rows), 4)
        report = subprocess.run([PROGRAM, "report", ledger, "--json"], capture_output=True, text=True, check=True)
        self.assertEqual(json.loads(report.stdout)["total"]["requests"], 4)

    def test_refuses_accounts_that_spent_what_they_may(self):
        folder = self.folder()
        (folder / "prices.toml").write_text("per_million_tokens = { text = 1e6 }\n[accounts.acme]\nday_usd = 1\n")
        server = self.start("--ledger", folder / "a.ledger", "--prices", folder / "prices.toml", "--account", "acme")
        error = self.fails(server, user("Hello"), 429)
        self.assertEqual(error["code"], "budget_exceeded")

    def test_says_that_there_is_no_ledger(self):
        self.fails(self.start(), {"request_id": "x", "score": 1}, 400, path="/v1/feedback")


class Keys(ServerTest):
    def new_key(self, name):
        made = subprocess.run([PROGRAM, "keys", "new", name], capture_output=True, text=True, check=True)
        key = made.stderr.split()[-1]
        self.assertTrue(key.startswith("sk-saccade-"))
        self.assertNotIn(key, made.stdout)
        return key, made.stdout

    def write_keys(self, **limits):
        """A file of one key for each name; the keys by name."""
        path = self.folder() / "keys.toml"
        made = {name: self.new_key(name) for name in limits}
        path.write_text("".join(made[name][1] + lines + "\n" for name, lines in limits.items()))
        return path, {name: key for name, (key, _) in made.items()}

    @staticmethod
    def bearer(key):
        return {"authorization": f"Bearer {key}"}

    def test_makes_and_checks_keys(self):
        path, _ = self.write_keys(acme="requests_per_minute = 5\npriority = 2\nexpires = 2020-01-01", free="")
        check = subprocess.run([PROGRAM, "keys", "check", path], capture_output=True, text=True, check=True)
        self.assertEqual(check.stdout, "acme: 5 requests a minute, priority 2, expired on 2020-01-01\nfree: no limits\n")
        path.write_text(path.read_text() + "speed = 5\n")
        check = subprocess.run([PROGRAM, "keys", "check", path], capture_output=True, text=True)
        self.assertEqual(check.returncode, 4)
        self.assertIn("keys.free.speed", check.stderr)
        for flags in ([], ["--json"]):
            made = subprocess.run([PROGRAM, "keys", "new", "a b", *flags], capture_output=True, text=True)
            self.assertEqual(made.returncode, 2)
        made = subprocess.run([PROGRAM, "keys", "new", "acme", "--json"], capture_output=True, text=True, check=True)
        self.assertEqual(set(json.loads(made.stdout)), {"name", "key", "sha256"})

    def test_asks_for_a_key(self):
        path, keys = self.write_keys(acme="", old="expires = 2020-01-01")
        server = self.start("--keys", path, "--host", "0.0.0.0")  # which needs no --insecure-public
        self.assertEqual(self.answers(server, None, path="/health", method="GET"), {"status": "ok"})
        self.assertEqual(self.answers(server, None, path="/ready", method="GET"), {"status": "ok"})
        for fields in ({}, self.bearer("sk-saccade-none"), self.bearer(keys["old"]), {"authorization": keys["acme"]}):
            for address in ("/v1/chat/completions", "/v1/embeddings", "/tokenize", "/v1/plan", "/v1/feedback", "/nothing"):
                error = self.fails(server, user("Hello"), 401, path=address, **fields)
                self.assertEqual(error["code"], "invalid_api_key")
            self.fails(server, None, 401, path="/v1/models", method="GET", **fields)
        answer = self.answers(server, user("Hello"), **self.bearer(keys["acme"]))
        self.assertEqual(server.logged(answer["id"])["account"], "acme")
        self.answers(server, None, path="/v1/models", method="GET", **self.bearer(keys["acme"]))
        # Before the body: of this one nothing ever comes.
        head = "POST /v1/chat/completions HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 9999999\r\n\r\n"
        connection = self.connect(server, head.encode())
        self.assertIn(b" 401 ", connection.recv(65536))
        self.assertNotIn("sk-saccade-", json.dumps(server.log()))

    def test_holds_accounts_to_their_limits(self):
        # Limits of which a minute's share of one is not filled up again in this test.
        path, keys = self.write_keys(
            few="requests_per_minute = 1", short="tokens_per_minute = 1", narrow="max_concurrent = 1", free=""
        )
        server = self.start("--keys", path)
        def refused(name):
            connection = http.client.HTTPConnection(server.host, server.port, timeout=120)
            connection.request("POST", "/v1/chat/completions", json.dumps(user("Hello")), {**JSON, **self.bearer(keys[name])})
            response = connection.getresponse()
            error = json.loads(response.read())["error"]
            connection.close()
            self.assertEqual((response.status, error["code"]), (429, "rate_limit_exceeded"))
            self.assertGreaterEqual(int(response.headers["retry-after"]), 1)
            return response.headers, error["message"]

        connection = http.client.HTTPConnection(server.host, server.port, timeout=120)
        for is_streamed in (False, True):
            body = json.dumps({**user("Hello"), "stream": is_streamed, "max_tokens": 2})
            name = "short" if is_streamed else "few"
            connection.request("POST", "/v1/chat/completions", body, {**JSON, **self.bearer(keys[name])})
            response = connection.getresponse()
            self.assertEqual(response.status, 200)
            kind = "tokens" if is_streamed else "requests"
            self.assertEqual(response.headers[f"x-ratelimit-limit-{kind}"], "1")
            self.assertEqual(response.headers[f"x-ratelimit-remaining-{kind}"], "1" if is_streamed else "0")
            self.assertIn(f"x-ratelimit-reset-{kind}", response.headers)
            request_id = response.headers["x-request-id"]
            response.read()
            server.logged(request_id)  # its tokens are counted
        connection.close()
        headers, message = refused("few")
        self.assertIn("1 requests a minute", message)
        self.assertEqual(headers["x-ratelimit-remaining-requests"], "0")
        headers, message = refused("short")
        self.assertIn("1 tokens a minute", message)
        self.assertGreater(int(headers["retry-after"]), 60)
        busy = self.connect(server, raw_request({**LONG, "stream": True}, fields=f"Authorization: Bearer {keys['narrow']}\r\n"))
        got = b""
        while b"data: " not in got:
            got += busy.recv(65536)
        self.assertIn("1 requests at a time", refused("narrow")[1])
        request_id = got.split(b"x-request-id: ")[1].split()[0].decode()
        busy.close()
        server.logged(request_id)
        self.answers(server, user("Hello"), **self.bearer(keys["narrow"]))
        for _ in range(3):
            self.answers(server, user("Hello"), **self.bearer(keys["free"]))

    def test_counts_what_accounts_spend(self):
        folder = self.folder()
        (folder / "prices.toml").write_text("per_million_tokens = { text = 1e6 }\n")
        path, keys = self.write_keys(poor="usd_per_day = 1", rich="usd_per_month = 1e9")
        flags = ("--keys", path, "--prices", folder / "prices.toml")
        run = subprocess.run([PROGRAM, "serve", MODEL, "--port", "0", *flags], capture_output=True, text=True)
        self.assertEqual(run.returncode, 2)
        self.assertIn("--ledger", run.stderr)
        server = self.start(*flags, "--ledger", folder / "a.ledger")
        for asked, address in ((user("Hello"), "/v1/chat/completions"), ({"input": "Hello"}, "/v1/embeddings")):
            error = self.fails(server, asked, 429, path=address, **self.bearer(keys["poor"]))
            self.assertEqual(error["code"], "budget_exceeded")
            self.assertIn("of this day's 1.00 USD", error["message"])
        answer = self.answers(server, user("Hello"), **self.bearer(keys["rich"]))
        vectors = self.answers(server, {"input": "Hello"}, path="/v1/embeddings", **self.bearer(keys["rich"]))
        feedback = {"request_id": answer["id"], "right": True}
        self.fails(server, feedback, 404, "request_id", path="/v1/feedback", **self.bearer(keys["poor"]))
        self.answers(server, feedback, path="/v1/feedback", **self.bearer(keys["rich"]))
        with contextlib.closing(sqlite3.connect(folder / "a.ledger")) as database:
            rows = database.execute("SELECT account, cost_usd FROM entries WHERE request_id IN (?, ?)",
                                    (answer["id"], vectors["saccade"]["request_id"])).fetchall()
        self.assertEqual([row[0] for row in rows], ["rich", "rich"])
        self.assertTrue(all(row[1] >= 1 for row in rows))

    def test_keeps_accounts_pictures_apart(self):
        path, keys = self.write_keys(one="", two="")
        server = self.start("--keys", path)
        self.answers(server, about(data_url(PICTURE), uuid="mine"), **self.bearer(keys["one"]))
        self.answers(server, about("", uuid="mine"), **self.bearer(keys["one"]))
        self.fails(server, about("", uuid="mine"), 400, "messages[0].content[0].uuid", **self.bearer(keys["two"]))

    def test_reads_keys_and_prices_anew(self):
        folder = self.folder()
        prices = folder / "prices.toml"
        prices.write_text("per_million_tokens = { output = 1e6 }\n")
        path, keys = self.write_keys(one="requests_per_minute = 100")
        server = self.start("--keys", path, "--prices", prices)
        answer = self.answers(server, user("Hello"), **self.bearer(keys["one"]))
        self.assertAlmostEqual(answer["saccade"]["cost"]["usd"], answer["usage"]["completion_tokens"])
        long = raw_request({**LONG, "n": 1, "max_tokens": 400, "stream": True},
                           fields=f"Authorization: Bearer {keys['one']}\r\nConnection: close\r\n")
        busy = self.connect(server, long)
        begun = busy.recv(100)
        other, section = self.new_key("two")
        path.write_text(section)
        prices.write_text("per_million_tokens = { output = 2e6 }\n")
        self.assertEqual([level for level, _ in server.reload(2)], ["info", "info"])
        self.fails(server, user("Hello"), 401, **self.bearer(keys["one"]))
        answer = self.answers(server, user("Hello"), **self.bearer(other))
        self.assertAlmostEqual(answer["saccade"]["cost"]["usd"], 2 * answer["usage"]["completion_tokens"])
        self.assertIn(b"data: [DONE]", begun + self.read_all(busy), "what was begun goes on")
        path.write_text(section + "speed = 5\n")
        prices.write_text("per_million_tokens = { output = -1 }\n")
        for (level, message), file in zip(server.reload(2), (prices, path)):
            self.assertEqual(level, "error")
            self.assertIn(f"{file}:", message)
        answer = self.answers(server, user("Hello"), **self.bearer(other))
        self.assertAlmostEqual(answer["saccade"]["cost"]["usd"], 2 * answer["usage"]["completion_tokens"])


class Tls(ServerTest):
    def make_certificate(self, folder, name):
        paths = folder / f"{name}.pem", folder / f"{name}.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-out", paths[0], "-keyout", paths[1]],
            check=True, capture_output=True,
        )
        return paths

    def secure(self, server, trusted, **options):
        """A connection whose certificate was verified."""
        context = ssl.create_default_context(cafile=str(trusted))
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # what is refused, the server refuses
        for name, value in options.items():
            setattr(context, name, value)
        connection = socket.create_connection((server.host, server.port), timeout=120)
        self.addCleanup(connection.close)
        secured = context.wrap_socket(connection, server_hostname=server.host)
        self.addCleanup(secured.close)
        return secured

    def test_speaks_tls_alone(self):
        folder = self.folder()
        certificate, key = self.make_certificate(folder, "one")
        server = self.start("--tls-cert", certificate, "--tls-key", key, "--max-body", "1MiB", "--read-timeout", 500)
        self.assertTrue(server.url.startswith("https://"))
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            connection = self.secure(server, certificate, maximum_version=version)
            connection.sendall(raw_request({**about(data_url(PICTURE)), "stream": True}) +
                               raw_request(user("Hello"), fields="Connection: close\r\n"))
            got = self.read_all(connection)
            self.assertIn(b"data: [DONE]", got)
            self.assertEqual(got.count(b"HTTP/1.1 200 OK"), 2)
        large = self.secure(server, certificate)
        with contextlib.suppress(OSError):  # it may have been refused by then
            large.sendall(raw_request(b"x" * (2 << 20)))
        self.assertIn(b" 413 ", self.read_all(large))
        self.assertNotIn(b"HTTP/1.1", self.read_all(self.connect(server, raw_request(user("Hello")))))
        self.assertEqual(self.read_all(self.connect(server, b"\x16\x03\x01\x02")), b"", "a handshake has its time")
        with warnings.catch_warnings(), self.assertRaisesRegex(ssl.SSLError, "(?i)alert.protocol.version"):
            warnings.simplefilter("ignore", DeprecationWarning)
            self.secure(server, certificate, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
        with self.assertRaises(ssl.SSLError):
            self.secure(server, self.make_certificate(folder, "other")[0])
        for i in range(0, 600, 40):  # clients that leave in the middle of it
            self.connect(server, bytes(range(i % 256)) or b"x").close()
        self.secure(server, certificate).close()

    def test_reads_its_certificate_anew(self):
        folder = self.folder()
        first, key = self.make_certificate(folder, "first")
        second, second_key = self.make_certificate(folder, "second")
        used, used_key = folder / "used.pem", folder / "used.key"
        used.write_text(first.read_text())
        used_key.write_text(key.read_text())
        server = self.start("--tls-cert", used, "--tls-key", used_key)
        before = self.secure(server, first)
        used.write_text(second.read_text())
        [(level, message)] = server.reload(1)
        self.assertEqual(level, "error")
        self.assertIn("is not the key of the certificate", message)
        self.secure(server, first)
        used_key.write_text(second_key.read_text())
        self.assertEqual(server.reload(1)[0][0], "info")
        self.secure(server, second)
        with self.assertRaises(ssl.SSLError):
            self.secure(server, first)
        before.sendall(raw_request(user("Hello"), fields="Connection: close\r\n"))
        self.assertIn(b"HTTP/1.1 200 OK", self.read_all(before))

    def test_says_what_is_wrong_with_its_files(self):
        folder = self.folder()
        certificate, key = self.make_certificate(folder, "one")
        _, other_key = self.make_certificate(folder, "other")
        locked = folder / "locked.key"
        subprocess.run(["openssl", "ec", "-in", key, "-aes128", "-passout", "pass:x", "-out", locked], check=True, capture_output=True)
        (folder / "broken.pem").write_text("no certificate")
        for flags, code, named in (
            (["--tls-cert", certificate], 2, "--tls-key"), (["--tls-key", key], 2, "--tls-cert"),
            (["--tls-cert", folder / "none.pem", "--tls-key", key], 3, "none.pem"),
            (["--tls-cert", folder / "broken.pem", "--tls-key", key], 4, "broken.pem"),
            (["--tls-cert", certificate, "--tls-key", folder / "broken.pem"], 4, "broken.pem"),
            (["--tls-cert", certificate, "--tls-key", locked], 4, "locked.key"),
            (["--tls-cert", certificate, "--tls-key", other_key], 2, "is not the key"),
        ):
            run = subprocess.run([PROGRAM, "serve", MODEL, "--port", "0", *flags], capture_output=True, text=True,
                                 stdin=subprocess.DEVNULL)
            self.assertEqual(run.returncode, code, run.stderr)
            self.assertIn(named, run.stderr)


class Life(ServerTest):
    def test_refuses_to_be_public_by_chance(self):
        run = subprocess.run([PROGRAM, "serve", MODEL, "--host", "0.0.0.0", "--port", "0"], capture_output=True, text=True)
        self.assertEqual(run.returncode, 2)
        self.assertIn("--insecure-public", run.stderr)
        self.start("--host", "0.0.0.0", "--insecure-public")

    def test_says_what_keeps_it_from_starting(self):
        server = self.start()
        run = subprocess.run([PROGRAM, "serve", MODEL, "--port", str(server.port)], capture_output=True, text=True)
        self.assertEqual(run.returncode, 6)
        self.assertIn(str(server.port), run.stderr)
        run = subprocess.run([PROGRAM, "serve", "nothing.gguf", "--port", "0"], capture_output=True, text=True)
        self.assertEqual(run.returncode, 3)
        self.assertIn("nothing.gguf", run.stderr)

    def begin_long_answer(self, server):
        connection = self.connect(server, raw_request({**LONG, "stream": True}))
        got = b""
        while b"data: " not in got:
            got += connection.recv(65536)
        return connection

    def test_lets_answers_come_to_their_end(self):
        server = self.start()
        idle = self.connect(server)
        busy = self.begin_long_answer(server)
        server.signal(signal.SIGTERM)
        self.assertEqual(self.read_all(idle), b"")
        with self.assertRaises(ConnectionRefusedError):
            for _ in range(6000):
                socket.create_connection((server.host, server.port)).close()
                time.sleep(0.01)
        self.assertIn(b"data: [DONE]", self.read_all(busy))
        self.assertEqual(server.wait(), 0)

    def test_cuts_answers_that_take_too_long_to_end(self):
        server = self.start("--drain-timeout", 1)
        busy = self.begin_long_answer(server)
        server.signal(signal.SIGINT)
        got = self.read_all(busy)
        self.assertIn(b'data: {"error"', got)
        self.assertNotIn(b"[DONE]", got)
        self.assertEqual(server.wait(), 130)

    def test_ends_at_once_at_the_second_signal(self):
        server = self.start()
        self.begin_long_answer(server)
        server.signal(signal.SIGTERM)
        with self.assertRaises(ConnectionRefusedError):  # the first was seen
            for _ in range(6000):
                socket.create_connection((server.host, server.port)).close()
                time.sleep(0.01)
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(), -signal.SIGTERM)

    def test_stops_computing_for_clients_that_left(self):
        server = self.start()
        for is_streamed in (True, False):
            connection = http.client.HTTPConnection(server.host, server.port)
            connection.request("POST", "/v1/chat/completions", json.dumps({**LONG, "stream": is_streamed}), JSON)
            if is_streamed:
                connection.getresponse().read(10)
            connection.close()
        deadline = time.monotonic() + 60
        while sum(entry["cancelled"] for entry in server.log()) < 2:
            self.assertLess(time.monotonic(), deadline, server.log())
            time.sleep(0.01)
        self.assertTrue(all(entry["completion_tokens"] < 16 * 1500 for entry in server.log()))

    def test_refuses_more_than_may_wait(self):
        server = self.start("--parallel", 1, "--max-waiting", 0)
        self.begin_long_answer(server)
        connection = http.client.HTTPConnection(server.host, server.port)
        connection.request("POST", "/v1/chat/completions", json.dumps(user("Hello")), JSON)
        response = connection.getresponse()
        self.assertEqual(response.status, 429)
        self.assertGreaterEqual(int(response.headers["retry-after"]), 1)
        self.assertEqual(json.loads(response.read())["error"]["code"], "overloaded")
        connection.request("GET", "/health")  # what asks nothing of the model is answered
        self.assertEqual(connection.getresponse().status, 200)
        connection.close()

    def test_takes_little_memory_for_waiting_streams(self):
        server = self.start("--max-waiting", 600)
        self.answers(server, user("Hello"))
        idle = server.memory_bytes()
        streams = [self.connect(server, raw_request({**LONG, "stream": True})) for _ in range(500)]
        deadline = time.monotonic() + 60
        task = pathlib.Path(f"/proc/{server.pid}/task")
        while len(list(task.iterdir())) < 500:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        self.assertLess(server.memory_bytes() - idle, 100 << 20)
        for stream in streams:
            stream.close()


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
