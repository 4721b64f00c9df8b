#!/usr/bin/env python3
"""A Python that has imported torch, MLflow and their like: commands fork off it and start seconds sooner.

    python preloaded.py serve SOCKET            # ends with the process that started it
    MEDGAN_PRELOADED=SOCKET preloaded.py -m pipelines.train

Nothing of medgan is imported before the fork, so a command runs the code of the folder that it is called in. The second
form takes the place of `python` in what DVC starts: it passes on its files, folder, environment and signals.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import sys
import tempfile
from typing import Any

_FILES = (0, 1, 2)


def call(
    where: str, arguments: list[str], *, cwd: str, env: dict[str, str], files: tuple[int, int, int]
) -> socket.socket:
    """Ask for a command with these three files; the answer to come is its status."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(where)
    request = json.dumps({"arguments": arguments, "cwd": cwd, "env": env}).encode()
    socket.send_fds(connection, [len(request).to_bytes(8, "big")], list(files))
    connection.sendall(request)
    return connection


def status(connection: socket.socket) -> int:
    """Wait for the end of a command; a negative number is the signal that has killed it, as subprocess has it."""
    answer = b"".join(iter(lambda: connection.recv(100), b""))
    return os.waitstatus_to_exitcode(int(answer)) if answer else -signal.SIGKILL


def serve(where: str) -> None:
    import dvc.repo  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import mlflow
    import mlflow.onnx  # noqa: F401
    import onnxruntime  # noqa: F401
    import optuna  # noqa: F401
    import piq  # noqa: F401
    import scipy.stats  # noqa: F401
    import torch_fidelity  # noqa: F401

    parent = os.getppid()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(where)
    listener.listen()
    listener.settimeout(1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while os.getppid() == parent:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _watch_over(connection)
            os._exit(0)
        connection.close()


def _watch_over(connection: socket.socket) -> None:
    """Fork the command, pass it the signals that come as numbers, and tell how it ended; it ends with its caller."""
    connection.settimeout(None)
    head, files, _, _ = socket.recv_fds(connection, 8, len(_FILES))
    length, request = int.from_bytes(head, "big"), b""
    while len(request) < length:
        request += connection.recv(length - len(request))
    command = os.fork()
    if command == 0:
        connection.close()
        os._exit(_become(json.loads(request), files))
    for file in files:
        os.close(file)
    if os.fork() == 0:
        with contextlib.suppress(OSError):  # it has ended by itself
            while number := connection.recv(1):
                os.kill(command, number[0])
            os.kill(command, signal.SIGKILL)
        os._exit(0)
    ended = os.waitpid(command, 0)[1]
    connection.sendall(str(ended).encode())
    connection.shutdown(socket.SHUT_RDWR)


def _become(request: dict[str, Any], files: list[int]) -> int:
    """Run as a fresh Python would that was called with these arguments."""
    import atexit
    import runpy
    import threading
    import traceback
    import warnings

    for file, number in zip(files, _FILES, strict=True):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["cwd"])
    tempfile.tempdir = None  # of the environment to come
    sys.executable = __file__  # so that what a command starts forks off too; multiprocessing knows the real one
    os.environ.clear()
    os.environ.update(request["env"])
    streams = [os.fdopen(number, mode, closefd=False) for number, mode in zip(_FILES, "rww", strict=True)]
    sys.stdin, sys.stdout, sys.stderr = streams
    own = str(pathlib.Path(__file__).parent)
    found = [path for path in request["env"].get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = ["", *found, *(path for path in sys.path if path != own)]
    if "ignore" in request["env"].get("PYTHONWARNINGS", ""):
        warnings.simplefilter("ignore")
    kind, what, *rest = request["arguments"]
    sys.argv = [what if kind == "-m" else "-c", *rest]
    code = 0
    try:
        if kind == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(what, {"__name__": "__main__"})
        threading._shutdown()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return code


def main() -> None:
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
        return
    connection = call(os.environ["MEDGAN_PRELOADED"], sys.argv[1:], cwd=os.getcwd(), env=dict(os.environ), files=_FILES)  # noqa: PTH109
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: connection.sendall(bytes([number])))
    code = status(connection)
    if code < 0:
        with contextlib.suppress(OSError):  # SIGKILL has no other way to end
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    main()
