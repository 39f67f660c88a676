"""The real server as a child, for tests that talk to it."""

import base64
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time


def data_url(path):
    return "data:image/png;base64," + base64.b64encode(pathlib.Path(path).read_bytes()).decode()


class ServerProcess:
    """Listens on a free port of this machine. Use with `with`."""

    def __init__(self, program, model, *flags, waits_until_ready=True):
        self._log_file = tempfile.NamedTemporaryFile("r", prefix="saccade_server_", suffix=".log")
        with open(self._log_file.name, "w") as log:
            self._process = subprocess.Popen(
                [program, "serve", str(model), "--port", "0", "--log-json", *map(str, flags)],
                stdout=subprocess.PIPE, stderr=log, text=True,
            )
        line = self._process.stdout.readline()
        if not line.startswith("listening on http"):
            self._process.wait()
            raise RuntimeError(f"the server did not start: {line}{self._log_file.read()}")
        self.url = line.split()[-1]
        self.host, port = self.url.split("//")[1].rsplit(":", 1)
        self.port = int(port)
        if waits_until_ready:
            self.wait_until_ready()

    def wait_until_ready(self):
        line = self._process.stdout.readline()
        if not line.startswith("ready: "):
            raise RuntimeError(f"the server is not ready: {line}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self._process.pid

    def log(self):
        """What was logged so far, one object a request."""
        return [entry for entry in self._log_entries() if "request_id" in entry]

    def _log_entries(self):
        text = pathlib.Path(self._log_file.name).read_text()
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def reload(self, num_messages, timeout_s=60):
        """Has the server read its files anew; so many messages that it logs of it, as (level, message)."""
        before = len([entry for entry in self._log_entries() if "message" in entry])
        self.signal(signal.SIGHUP)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            messages = [entry for entry in self._log_entries() if "message" in entry][before:]
            if len(messages) == num_messages:
                return [(entry["level"], entry["message"]) for entry in messages]
            time.sleep(0.01)
        raise TimeoutError("the server did not say what it read")

    def logged(self, request_id, timeout_s=60):
        """The line of a request, once it is there."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for entry in self.log():
                if entry["request_id"] == request_id:
                    return entry
            time.sleep(0.01)
        raise TimeoutError(f"{request_id} is not in the log")

    def memory_bytes(self, name="VmRSS"):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        raise KeyError(name)

    def reset_peak_memory(self):
        """From here on VmHWM counts anew."""
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def signal(self, number):
        os.kill(self.pid, number)

    def wait(self, timeout_s=60):
        return self._process.wait(timeout_s)

    def stop(self):
        """The exit code."""
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
        code = self._process.wait(60)
        self._process.stdout.close()
        self._log_file.close()
        return code
