"""The programs of examples/deploy run on an exported file and pictures: in Python, in C++, in a browser."""

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ROOT / "examples/deploy"
TOOLS = ROOT / "build/deploy-tools"
"""What `.ci/tools` brings."""

BROWSER_S = 300
"""How long a browser may take for all pictures."""

AT_ONCE = 100
"""Pictures handed to the page at once."""


def missing_for_cpp() -> str:
    """What building the C++ program lacks here; empty for nothing."""
    programs = [name for name in ("cmake", "c++") if shutil.which(name) is None]
    files = [Path("/usr/include/jpeglib.h"), TOOLS / "onnxruntime/include", TOOLS / "onnxruntime/lib"]
    return ", ".join([*programs, *(str(path) for path in files if not path.exists())])


def missing_for_browser() -> str:
    """What the page in a browser lacks here; empty for nothing."""
    package = TOOLS / "node_modules/onnxruntime-web"
    found = {"chromium": shutil.which("chromium"), str(package): package.is_dir()}
    return ", ".join(name for name, there in found.items() if not there)


def by_python(model: Path, pictures: Sequence[Path]) -> list[str]:
    """What `classify.py` prints: a line for each picture."""
    return lines_of([sys.executable, "-I", str(PROGRAMS / "classify.py"), str(model), *map(str, pictures)])


def built_cpp(folder: Path) -> Path:
    """The C++ program, built in a folder."""
    configure = ["cmake", "-S", str(PROGRAMS), "-B", str(folder), "-DCMAKE_BUILD_TYPE=Release"]
    lines_of([*configure, f"-DONNXRUNTIME={TOOLS / 'onnxruntime'}"])
    lines_of(["cmake", "--build", str(folder)])
    return folder / "classify"


def by_cpp(program: Path, model: Path, pictures: Sequence[Path]) -> list[str]:
    """What the C++ program prints: a line for each picture."""
    return lines_of([str(program), str(model), *map(str, pictures)])


def by_browser(model: Path, pictures: Sequence[Path]) -> list[str]:
    """What `index.html` lists in Chromium: a line for each picture, which begins with its name without the folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for source, target in (
            (PROGRAMS / "index.html", "index.html"),
            (model, "model.onnx"),
            (model.with_suffix(".json"), "model.json"),
            (TOOLS / "node_modules", "node_modules"),
        ):
            (folder / target).symlink_to(source.resolve())
        for number, picture in enumerate(pictures):
            (folder / f"{number}").symlink_to(picture.resolve())
        names = json.dumps([picture.name for picture in pictures])
        (folder / "test.html").write_text(_DRIVER.format(names=names, at_once=AT_ONCE))
        with _served(folder) as (address, answer), _chromium(f"{address}/test.html", folder / "profile"):
            return answer()


_DRIVER = """<!doctype html>
<iframe src="index.html"></iframe>
<script type="module">
const names = {names};
const page = await new Promise((done) => {{
  const frame = document.querySelector("iframe");
  const look = () => {{
    const input = frame.contentDocument?.querySelector("input");
    input?.onchange && !input.disabled ? done(frame.contentDocument) : setTimeout(look, 20);
  }};
  look();
}});
const input = page.querySelector("input");
const items = () => page.querySelectorAll("li");
for (let start = 0; start < names.length; start += {at_once}) {{
  const chosen = new DataTransfer();
  const some = names.slice(start, start + {at_once});
  for (const [offset, name] of some.entries())
    chosen.items.add(new File([await (await fetch(String(start + offset))).blob()], name));
  input.files = chosen.files;
  input.dispatchEvent(new Event("change"));
  while (items().length < start + some.length) await new Promise((done) => setTimeout(done, 20));
}}
const lines = Array.from(items(), (item) => item.textContent);
await fetch("answer", {{ method: "POST", body: lines.join("\\n") }});
</script>
"""
"""Does what a person does: chooses pictures in the page, and reads what it lists."""


@contextmanager
def _served(folder: Path) -> Iterator[tuple[str, "Answer"]]:
    """A server of a folder's files at this machine's own address, and a function that waits for what is sent to it."""
    answer = Answer()

    class Handler(SimpleHTTPRequestHandler):
        def do_POST(self) -> None:
            answer.give(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", answer
    finally:
        server.shutdown()
        server.server_close()


class Answer:
    """Lines that another thread gives."""

    def __init__(self) -> None:
        self._text, self._there = "", threading.Event()

    def give(self, text: str) -> None:
        """Hand them over."""
        self._text = text
        self._there.set()

    def __call__(self) -> list[str]:
        """The lines, once they are there."""
        if not self._there.wait(BROWSER_S):
            raise TimeoutError(f"the page in the browser gave no answer within {BROWSER_S} s")
        return self._text.split("\n")


@contextmanager
def _chromium(address: str, profile: Path) -> Iterator[None]:
    """Chromium, without a window, on a page."""
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    own = {"HOME": str(profile), "XDG_CONFIG_HOME": str(profile), "XDG_CACHE_HOME": str(profile)}
    started = subprocess.Popen(
        ["chromium", *flags, f"--user-data-dir={profile}", address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | own,
    )
    try:
        yield
    finally:
        started.terminate()
        started.wait()


def lines_of(command: Sequence[str]) -> list[str]:
    """What a program prints; it must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return done.stdout.splitlines()
