#!/usr/bin/env python3
"""Render HTML pages to 256 x 256 PNG pictures with headless Chromium.

One Chromium is started with an empty profile and driven over its debugging
pipe; every page is loaded from disk, measured and photographed in turn.
Needs: Python 3.9+, Chromium (Debian package `chromium`), and optionally
`pngquant` for smaller pictures.
"""

import argparse
import base64
import fnmatch
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--font-render-hinting=none",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
]

# Runs in the page: every visible run of text with its box and type size.
MEASURE = """
document.fonts.ready.then(() => {
  const runs = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode;
    const parent = node.parentElement;
    if (!node.data.trim() || parent.closest('style,script,title')) continue;
    const style = getComputedStyle(parent);
    if (style.visibility === 'hidden') continue;
    const range = document.createRange();
    const words = /\\S+/g;
    for (let m; (m = words.exec(node.data));) {
      range.setStart(node, m.index);
      range.setEnd(node, m.index + m[0].length);
      const r = range.getBoundingClientRect();
      if (!r.width || !r.height) continue;
      runs.push({word: m[0], x: r.left, y: r.top, w: r.width, h: r.height,
                 px: parseFloat(style.fontSize)});
    }
  }
  for (const input of document.querySelectorAll('input,textarea')) {
    if (input.type === 'checkbox' || input.type === 'radio') continue;
    const r = input.getBoundingClientRect();
    runs.push({word: input.value, x: r.left, y: r.top, w: r.width, h: r.height,
               px: parseFloat(getComputedStyle(input).fontSize),
               clipped: input.scrollWidth > input.clientWidth + 1});
  }
  const e = document.documentElement;
  return JSON.stringify({width: e.scrollWidth, height: e.scrollHeight, runs});
})
"""


class Browser:
    """A headless Chromium spoken to over its debugging pipe."""

    def __init__(self, binary, profile, size):
        to_read, self.writer = os.pipe()
        self.reader, to_write = os.pipe()
        command = [binary, *FLAGS, f"--window-size={size},{size}", f"--user-data-dir={profile}"]
        # The browser expects the pipe on its file descriptors 3 and 4.
        script = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        self.process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command],
            pass_fds=(to_read, to_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self.buffer = b""
        self.number = 0
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=size, height=size, deviceScaleFactor=1, mobile=False,
        )

    def receive(self):
        while b"\0" not in self.buffer:
            chunk = os.read(self.reader, 1 << 20)
            if not chunk:
                raise RuntimeError("the browser closed its pipe")
            self.buffer += chunk
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, until=None, **params):
        """Send one command; return its result once `until` (an event) was seen too."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.writer, json.dumps(message).encode() + b"\0")
        result = None
        while result is None or until is not None:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result = answer["result"]
            elif until is not None and answer.get("method") == until:
                until = None
        return result

    def shoot(self, path):
        """Load the page at `path`; return its picture (PNG bytes) and its measures."""
        self.call("Page.navigate", until="Page.loadEventFired", url=path.resolve().as_uri())
        measured = self.call("Runtime.evaluate", expression=MEASURE, awaitPromise=True)
        picture = self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(picture["data"]), json.loads(measured["result"]["value"])

    def close(self):
        self.session = None
        try:
            self.call("Browser.close")
        except (RuntimeError, OSError):
            pass
        self.process.wait(timeout=20)
        os.close(self.writer)
        os.close(self.reader)


def shrink(picture):
    """Give the PNG a palette where that is nearly lossless; else return it unchanged."""
    done = subprocess.run(
        ["pngquant", "--quality=85-100", "--speed=3", "--strip", "-"],
        input=picture, capture_output=True, check=False,
    )
    return done.stdout if done.returncode == 0 and done.stdout else picture


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--html", type=Path, default=ROOT / "samples/browser/html",
                        help="folder of *.html pages (default: samples/browser/html)")
    parser.add_argument("--out", type=Path, default=ROOT / "samples/browser",
                        help="folder for the PNG pictures (default: samples/browser)")
    parser.add_argument("--only", default="*", metavar="GLOB",
                        help="render only pages whose name matches, such as '04*'")
    parser.add_argument("--size", type=int, default=256, help="width and height in pixels")
    parser.add_argument("--chromium", default="chromium", help="the browser's command")
    parser.add_argument("--full-colour", action="store_true",
                        help="keep full-colour PNG even where pngquant is installed")
    parser.add_argument("--measures", type=Path, metavar="FILE",
                        help="also write every word's box and type size as JSON (for check.py)")
    args = parser.parse_args()

    pages = [p for p in sorted(args.html.glob("*.html")) if fnmatch.fnmatch(p.stem, args.only)]
    if not pages:
        sys.exit(f"no pages match in {args.html}")
    binary = shutil.which(args.chromium)
    if not binary:
        sys.exit(f"{args.chromium}: not found")
    quantise = shutil.which("pngquant") and not args.full_colour
    args.out.mkdir(parents=True, exist_ok=True)

    measures = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(binary, profile, args.size)
        try:
            for page in pages:
                picture, measures[page.stem] = browser.shoot(page)
                if quantise:
                    picture = shrink(picture)
                (args.out / f"{page.stem}.png").write_bytes(picture)
        finally:
            browser.close()
    if args.measures:
        args.measures.write_text(json.dumps(measures, indent=1) + "\n")
    print(f"rendered {len(pages)} pages to {args.out}")


if __name__ == "__main__":
    main()
