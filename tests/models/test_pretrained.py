"""Where the ImageNet weights come from, with a real HTTP server in the place of the real one."""

import contextlib
import hashlib
import http.server
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from keras1 import write as write_2016_layout

import xception
from xception.errors import DownloadError
from xception.models import local_weights, pretrained
from xception.models.pretrained import CLASSIFIER, WeightsFile

CONTENT = np.random.default_rng(0).bytes(3_000_000)


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` under any address, in the way that `mode` says, and counts requests."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.mode, self.content, self.requests = "whole", CONTENT, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.requests.append(self.path)
        if server.mode == "404":
            self.send_error(404)
            return
        self.send_response(200)
        if server.mode != "endless":
            self.send_header("Content-Length", str(len(server.content)))
        self.end_headers()
        if server.mode == "endless":
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(server.content)
        elif server.mode == "cut":
            self.wfile.write(server.content[: len(server.content) // 2])
        elif server.mode == "slow":
            for start in range(0, len(server.content), 500_000):
                self.wfile.write(server.content[start : start + 500_000])
                time.sleep(0.05)
        else:
            self.wfile.write(server.content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def stand_in(content):
    return WeightsFile(CLASSIFIER.name, hashlib.sha256(content).hexdigest(), len(content))


@pytest.fixture
def cache(tmp_path, monkeypatch, server):
    """An empty cache folder; the mirror is the server; the file is a small stand-in."""
    monkeypatch.setenv("XCEPTION_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("XCEPTION_WEIGHTS_URL", server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(pretrained, "CLASSIFIER", stand_in(CONTENT))
    return tmp_path / "cache"


def assert_nothing_left(cache):
    assert not cache.exists() or not list(cache.iterdir())


def test_what_keras_publishes():
    assert CLASSIFIER.name == "xception_weights_tf_dim_ordering_tf_kernels.h5"
    assert CLASSIFIER.sha256 == "c5bf1c05b020c4177164039b854c3ef92b16b73384734647c1f0ad5cf79f6975"
    assert CLASSIFIER.size == 91_884_032
    assert pretrained.weights_url().startswith(
        "https://storage.googleapis.com/tensorflow/keras-applications/"
    )


def test_download_once(cache, server):
    path = pretrained.classifier()
    assert path == cache / CLASSIFIER.name
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o444 == 0o444  # others may read it
    assert pretrained.classifier() == path
    assert server.requests == [f"/{CLASSIFIER.name}"]
    assert [file.name for file in cache.iterdir()] == [CLASSIFIER.name]


def test_a_download_is_logged(cache, server, caplog):
    caplog.set_level("INFO", "xception")
    pretrained.classifier()
    begun, ended = caplog.messages
    assert begun == f"{CLASSIFIER.name} ({len(CONTENT):,} bytes) is downloaded to {cache}"
    assert ended == f"{CLASSIFIER.name} is complete"
    caplog.clear()
    pretrained.classifier()
    assert not caplog.messages


def test_the_mirror_may_be_the_files_own_address(cache, server, monkeypatch):
    monkeypatch.setenv("XCEPTION_WEIGHTS_URL", f"{server.url}/here/mine.h5")
    pretrained.classifier()
    assert server.requests == ["/here/mine.h5"]


def test_another_folder(cache, tmp_path):
    assert pretrained.classifier(tmp_path / "mine") == tmp_path / "mine" / CLASSIFIER.name
    assert_nothing_left(cache)


def test_keras_cache_is_used_if_its_hash_is_right(cache, server, tmp_path):
    in_keras = tmp_path / "keras" / "models" / CLASSIFIER.name
    in_keras.parent.mkdir(parents=True)
    in_keras.write_bytes(CONTENT)
    assert pretrained.classifier() == in_keras
    assert server.requests == []
    in_keras.write_bytes(CONTENT[:-1] + b"!")
    assert pretrained.classifier() == cache / CLASSIFIER.name
    assert in_keras.read_bytes().endswith(b"!")  # somebody else's file


def test_a_damaged_file_in_the_cache_is_fetched_again(cache):
    cache.mkdir()
    (cache / CLASSIFIER.name).write_bytes(b"half of it")
    assert pretrained.classifier().read_bytes() == CONTENT


def test_wrong_content(cache, server):
    server.content = CONTENT[::-1]
    with pytest.raises(DownloadError, match="another one: its sha256 differs"):
        pretrained.classifier()
    assert_nothing_left(cache)


def test_a_connection_that_breaks_off(cache, server):
    server.mode = "cut"
    with pytest.raises(DownloadError):
        pretrained.classifier()
    assert_nothing_left(cache)
    server.mode = "whole"
    assert pretrained.classifier().read_bytes() == CONTENT


def test_a_mirror_that_sends_without_end(cache, server):
    server.mode = "endless"
    with pytest.raises(DownloadError, match="another one: it has over 3,000,000 bytes"):
        pretrained.classifier()
    assert_nothing_left(cache)


def test_what_a_killed_download_left_is_removed(cache):
    left = cache / f".{CLASSIFIER.name}.01234567.part"
    left.mkdir(parents=True)
    for name in ("lock", CLASSIFIER.name):
        (left / name).write_bytes(b"half of it")
    pretrained.classifier()
    assert [file.name for file in cache.iterdir()] == [CLASSIFIER.name]


def test_a_link_in_a_shared_cache_is_not_followed(cache, tmp_path):
    cache.mkdir()
    (tmp_path / "victim").write_text("precious")
    (cache / CLASSIFIER.name).symlink_to(tmp_path / "victim")
    assert pretrained.classifier().read_bytes() == CONTENT
    assert (tmp_path / "victim").read_text() == "precious"


def test_not_found(cache, server):
    server.mode = "404"
    with pytest.raises(DownloadError, match="404"):
        pretrained.classifier()
    assert_nothing_left(cache)


def test_without_network_the_error_says_what_to_do(cache, monkeypatch):
    monkeypatch.setenv("XCEPTION_WEIGHTS_URL", "http://127.0.0.1:1/")
    with pytest.raises(DownloadError) as caught:
        xception.Xception()
    message = str(caught.value)
    for needed in (
        CLASSIFIER.name, f"http://127.0.0.1:1/{CLASSIFIER.name}", pretrained.CLASSIFIER.sha256, str(cache),
        "XCEPTION_WEIGHTS_URL", "include_top=False",
    ):  # fmt: skip
        assert needed in message
    assert_nothing_left(cache)


def test_a_cache_folder_that_cannot_be_made(cache):
    cache.write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match=CLASSIFIER.name):
        pretrained.classifier()


def test_two_processes_at_once(cache, server):
    server.mode = "slow"
    program = (
        "from xception.models import pretrained\n"
        "pretrained.CLASSIFIER = pretrained.WeightsFile("
        f"{CLASSIFIER.name!r}, {pretrained.CLASSIFIER.sha256!r}, {len(CONTENT)})\n"
        "print(pretrained.classifier())"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in "ab"
    ]
    answers = [process.communicate(timeout=60)[0].strip() for process in both]
    assert answers == [str(cache / CLASSIFIER.name)] * 2
    assert (cache / CLASSIFIER.name).read_bytes() == CONTENT
    assert [file.name for file in cache.iterdir()] == [CLASSIFIER.name]


def test_xception_from_the_server_to_the_answer(cache, server, full_model, images, tmp_path, monkeypatch):
    write_2016_layout(tmp_path / "published.h5", full_model)
    server.content = (tmp_path / "published.h5").read_bytes()
    monkeypatch.setattr(pretrained, "CLASSIFIER", stand_in(server.content))
    model = xception.Xception(input_shape=(71, 71, 3))
    np.testing.assert_array_equal(model.predict(images), full_model.predict(images))
    assert xception.Xception().output_shape == (None, 1000)
    assert len(server.requests) == 1


# --- weights_path, download_weights, verify_weights -----------------------------------------


def test_paths_before_and_after_a_download(cache, server):
    before = xception.weights_path()
    assert before.base == pretrained.shipped_base()
    assert before.classifier is None
    assert before.destination == cache / CLASSIFIER.name
    assert xception.download_weights() == before.destination
    assert xception.weights_path().classifier == before.destination
    assert len(server.requests) == 1


def test_another_cache_folder(cache, tmp_path):
    folder = tmp_path / "mine"
    assert xception.weights_path(str(folder)).destination == folder / CLASSIFIER.name
    assert xception.download_weights(str(folder)) == folder / CLASSIFIER.name
    assert xception.weights_path(folder).classifier == folder / CLASSIFIER.name
    assert xception.verify_weights(folder)
    assert not xception.verify_weights()
    assert_nothing_left(cache)


def test_verification(cache, tmp_path):
    report = xception.verify_weights()
    assert not report
    assert (report.classifier.path, report.classifier.state) == (None, "missing")
    assert (report.base.path, report.base.state) == (pretrained.shipped_base(), "ok")
    in_keras = tmp_path / "keras" / "models" / CLASSIFIER.name
    in_keras.parent.mkdir(parents=True)
    in_keras.write_bytes(CONTENT[:-1] + b"!")
    report = xception.verify_weights()
    assert (report.classifier.path, report.classifier.state) == (in_keras, "damaged")
    assert not report.ok
    path = xception.download_weights()
    report = xception.verify_weights()  # a damaged file in Keras's folder does not matter then
    assert report.ok
    assert (report.classifier.path, report.classifier.state) == (path, "ok")


def test_a_damaged_base_is_reported(cache, monkeypatch):
    monkeypatch.setattr(pretrained, "BASE", WeightsFile(pretrained.BASE.name, "0" * 64, pretrained.BASE.size))
    report = xception.verify_weights()
    assert (report.base.path, report.base.state) == (pretrained.shipped_base(), "damaged")
    monkeypatch.setattr(pretrained, "BASE", WeightsFile("nowhere.h5", "0" * 64, 1))
    assert xception.verify_weights().base == local_weights.WeightsState(None, "missing")
    with pytest.raises(FileNotFoundError, match="install the package again"):
        xception.weights_path()
