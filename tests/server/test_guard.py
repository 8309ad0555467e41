"""Whom the server answers, what it refuses, and its state."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from running_server import RunningServer

from xception.server import ServerSettings, create_app
from xception.server.computing import Computer, Work
from xception.server.measuring import Metrics


@pytest.fixture(scope="module")
def guarded(model):
    settings = ServerSettings(name="small", token="secret", cors_origins=("https://example.org",))
    with RunningServer(create_app(model, settings=settings)) as running:
        yield running


def test_other_hosts_are_refused(server, photo):
    answer = server.post("/predict", photo, {"Host": "evil.example"})
    assert answer.status == 403
    assert "not for 'evil.example'" in answer.json()["error"]
    assert server.get("/healthz", Host="localhost:1234").status == 200
    assert server.get("/v2/health/live", Host="evil.example").json().keys() == {"error"}


def test_pages_of_other_origins_are_refused(server, guarded):
    assert server.get("/info", Origin="https://example.org").status == 403
    assert server.get("/info", Origin=f"http://127.0.0.1:{server.port}").status == 200
    answer = guarded.get("/healthz", Origin="https://example.org")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://example.org"
    preflight = guarded.call("OPTIONS", "/predict", headers={"Origin": "https://example.org"})
    assert preflight.status == 204
    assert "Inference-Header-Content-Length" in preflight.headers["Access-Control-Expose-Headers"]


def test_a_token_is_needed_but_not_by_probes(guarded, photo):
    for path in ("/info", "/predict", "/v2/models/small", "/"):
        assert guarded.get(path).status == 401
    assert guarded.post("/predict", photo, {"Authorization": "Bearer wrong"}).status == 401
    assert guarded.post("/predict", photo, {"Authorization": "Bearer secret"}).status == 200
    for path in ("/healthz", "/v2/health/live", "/v2/health/ready", "/v2/models/small/ready", "/metrics"):
        assert guarded.get(path).status == 200, path
    assert "secret" not in repr(ServerSettings(token="secret"))


def test_a_mounted_application_answers_as_one_that_stands_alone(model, server, photo):
    """Starlette and FastAPI do not tell a mounted application that the server has started."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    settings = ServerSettings(name="small", token="secret")
    outer = Starlette(routes=[Mount("/a/b", create_app(model, settings=settings))])
    with RunningServer(outer) as running:
        check_under_prefix(running, "/a/b", photo, server.post("/predict", photo).json())


def test_a_server_behind_a_prefix_answers_as_one_that_stands_alone(model, server, photo):
    settings = ServerSettings(name="small", token="secret")
    with RunningServer(create_app(model, settings=settings), root_path="/a/b") as running:
        check_under_prefix(running, "", photo, server.post("/predict", photo).json())


def check_under_prefix(running, prefix, photo, expected):
    """Probes need no token, photographs are answered, and errors have the form of their path."""
    token = {"Authorization": "Bearer secret"}
    for path in ("/healthz", "/v2/health/live", "/v2/health/ready", "/metrics"):
        assert running.get(prefix + path).status == 200, path
    assert running.post(f"{prefix}/predict", photo).status == 401
    answer = running.post(f"{prefix}/predict", photo, token)
    assert answer.json()["predictions"] == expected["predictions"]
    assert running.get(f"{prefix}/", **token).status == 200
    assert running.get(f"{prefix}/openapi.json", **token).json()["servers"] == [{"url": "/a/b"}]
    assert running.get(f"{prefix}/nothing", **token).json()["error"] == "there is nothing at '/nothing'"
    wrong = running.call("POST", f"{prefix}/v1/models/small:predict", b"{}", token)
    assert (wrong.status, wrong.json().keys()) == (400, {"error"})


def test_the_page_loads_nothing_from_elsewhere(server):
    for path in ("/", "/page.js", "/page.css", "/docs", "/docs.js"):
        answer = server.get(path)
        assert answer.status == 200
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert b"http://" not in answer.body
        assert b"https://" not in answer.body


def test_paths_and_methods_that_are_not_there_are_told(server):
    answer = server.get("/nothing")
    assert (answer.status, answer.json()["error"]) == (404, "there is nothing at '/nothing'")
    answer = server.get("/predict")
    assert answer.status == 405
    assert answer.headers["Allow"]


def test_figures_for_prometheus(server, photo):
    server.post("/predict", photo)
    server.post("/predict", b"text")
    text = server.get("/metrics").body.decode()
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(figures['xception_requests_total{status="200"}']) >= 1
    assert float(figures['xception_refusals_total{reason="bad_request"}']) >= 1
    assert float(figures["xception_batch_images_count"]) >= 1
    assert figures["xception_photographs"] == "0.0"
    assert figures["xception_held_bytes"] == "0.0"


def test_the_description_has_every_path_of_the_interface(server):
    description = server.get("/openapi.json").json()
    assert {"/predict", "/explain", "/features", "/v1/models/small:predict"} <= set(description["paths"])


# --- overload -------------------------------------------------------------------------------


class SlowModel:
    """A model whose computation waits until it may go on."""

    output_names = ("y",)

    def __init__(self):
        self.may_go_on, self.batches = threading.Event(), []

    def predict(self, x, batch_size, verbose):
        self.may_go_on.wait(20)
        self.batches.append(len(x))
        return x


def computer(model, **settings):
    made = Computer(model, ServerSettings(**settings), Metrics())
    made.start()
    return made


def work(count, value=0.0):
    return Work(count, {"x": np.full((count, 2), value, np.float32)})


def test_what_waits_is_computed_together_and_long_requests_are_divided():
    model = SlowModel()
    thread = computer(model, max_batch=4)
    first = thread.submit(work(1, 1))
    while thread.depth:
        time.sleep(0.001)
    futures = [thread.submit(work(count, count)) for count in (9, 1, 2)]
    model.may_go_on.set()
    results = [future.result(20)["y"] for future in (first, *futures)]
    assert [len(y) for y in results] == [1, 9, 1, 2]
    for y, value in zip(results, (1, 9, 1, 2), strict=True):
        np.testing.assert_array_equal(y, np.float32(value))
    assert model.batches == [1, 4, 4, 4]  # the second four are 1 + 2 + 1 of the 9: small ones do not wait
    thread.close()


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="only Linux schedules single threads")
def test_the_threads_that_answer_go_before_those_that_compute():
    thread = computer(SlowModel())

    def look():
        return os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)

    def look_in_a_thread():  # as the threads that compute a batch together are started
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(look).result()

    policy, niceness = look()
    for call in (look, look_in_a_thread):
        scheduled = thread.submit(Work(1, call=call)).result(20)
        assert scheduled == (os.SCHED_BATCH, min(19, niceness + 5))
    assert look() == (policy, niceness)
    thread.close()


def test_without_batching_each_request_is_computed_by_itself():
    model = SlowModel()
    model.may_go_on.set()
    thread = computer(model, batching=False, max_batch=4)
    for future in [thread.submit(work(count)) for count in (3, 9, 1)]:
        future.result(20)
    assert model.batches == [3, 9, 1]
    thread.close()


def test_work_that_nobody_waits_for_is_dropped():
    model = SlowModel()
    thread = computer(model)
    first = thread.submit(work(1))
    while thread.depth:
        time.sleep(0.001)
    left = thread.submit(work(1))
    assert left.cancel()
    model.may_go_on.set()
    first.result(20)
    thread.submit(work(1)).result(20)
    assert model.batches == [1, 1]
    thread.close()


@pytest.mark.parametrize("count", [1, 20])  # the second is divided
def test_a_fault_is_the_requests_and_the_thread_lives(count):
    class Faulty:
        output_names = ("y",)

        def predict(self, x, batch_size, verbose):
            raise ArithmeticError("fault")

    thread = computer(Faulty())
    for _ in range(2):
        with pytest.raises(ArithmeticError, match="fault"):
            thread.submit(work(count)).result(20)
    assert thread.submit(Work(1, call=lambda: "alive")).result(20) == "alive"
    assert thread.is_alive
    thread.close()
    assert not thread.is_alive


def test_a_thread_that_is_stuck_is_not_alive():
    model = SlowModel()
    thread = computer(model, stuck_seconds=1)
    future = thread.submit(work(1))
    while thread.busy_since is None:
        time.sleep(0.001)
    assert thread.is_alive
    thread.busy_since -= 2
    assert not thread.is_alive
    model.may_go_on.set()
    future.result(20)
    thread.close()


def test_a_server_that_is_full_refuses_at_once_and_forgets_nothing(model, photo):
    application = create_app(model, settings=ServerSettings(name="small", max_photographs=2))
    service = application.service
    free = threading.Event()
    with RunningServer(application) as running:
        service.computer.submit(Work(1, call=free.wait))
        waiting = [threading.Thread(target=running.post, args=("/predict", photo)) for _ in range(2)]
        try:
            for thread in waiting:
                thread.start()
            while service.admission.photographs < 2:
                time.sleep(0.002)
            start = time.monotonic()
            answer = running.post("/predict", photo)
            seconds = time.monotonic() - start
            tensors = running.post("/v2/models/small/infer", b"{")
            ready, live = running.get("/v2/health/ready").status, running.get("/healthz").status
        finally:
            free.set()
            for thread in waiting:
                thread.join()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert seconds < 1
        assert (tensors.status, list(tensors.json())) == (503, ["error"])  # as its clients read errors
        assert (ready, live) == (503, 200)
        assert service.metrics.value("refusals", "overloaded") == 2
        assert running.post("/predict", photo).status == 200
        assert (service.admission.photographs, service.admission.held_bytes) == (0, 0)
        assert service.admission.requests == 0


def test_requests_that_are_too_slow_or_too_many_bytes_are_refused(model, photo):
    application = create_app(model, settings=ServerSettings(max_seconds=0.3, max_held_bytes=3000))
    with RunningServer(application) as running:
        slow = running.raw(
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 10\r\n\r\nabc"
        )
        assert b"408 Request Timeout" in slow
        answer = running.post("/predict", photo + b"\0" * 4000)
        assert answer.status == 503
        assert "bytes" in answer.json()["error"]
        assert application.service.admission.held_bytes == 0
