"""The end of a process whose daemon threads are reading or writing models."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys, threading, time, xception
model = xception.load_model(sys.argv[1])
used = threading.Event()
def work(number):
    while True:
        {work}
        used.set()
for number in range(3):
    threading.Thread(target=work, args=(number,), daemon=True).start()
used.wait()
time.sleep(0.05)
print("end of the main thread")
"""


@pytest.mark.parametrize(
    "work", ["xception.load_model(sys.argv[1])", "model.save(f'{sys.argv[2]}/{number}.keras')"]
)
def test_a_process_ends_while_daemon_threads_use_models(work, small_classifier, tmp_path):
    """HDF5's lock, held by a thread that Python has ended, would keep the process for ever."""
    command = [sys.executable, "-c", PROGRAM.format(work=work), small_classifier, tmp_path]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (0, "end of the main thread\n")
    assert "Fatal" not in result.stderr


def test_a_handler_at_exit_may_load_a_model(small_classifier):
    program = (
        "import atexit, sys, threading\n"
        "def at_exit():\n"
        "    import xception\n"
        "    thread = threading.Thread(target=print, args=(xception.load_model(sys.argv[1]).name,))\n"
        "    thread.start(); thread.join()\n"
        "atexit.register(at_exit)\n"
        "import xception\n"
        "xception.load_model(sys.argv[1])\n"
    )
    command = [sys.executable, "-c", program, small_classifier]
    if sys.version_info >= (3, 12):
        command[2] = program.replace(
            "thread.start(); thread.join()", "thread.run()"
        )  # no new threads at exit
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "small\n", "")
