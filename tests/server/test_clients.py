"""Clients of others, unchanged: tritonclient, and a browser that uses the page."""

import asyncio
import contextlib
import io
import shutil

import numpy as np
import pytest
from PIL import Image
from running_server import RunningServer

import xception

WAIT_MILLISECONDS = 30_000


@pytest.fixture(scope="module")
def x(model, photo):
    preprocessor = xception.Classifier(model).preprocessor
    return preprocessor.scale(preprocessor.load(io.BytesIO(photo)))[None]


# --- tritonclient ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def triton():
    return pytest.importorskip("tritonclient.http")


@pytest.fixture
def client(triton, server):
    client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
    yield client
    client.close()


def test_the_state_and_metadata(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("small")
    assert client.get_server_metadata()["name"] == "xception"
    assert client.get_model_metadata("small")["inputs"][0]["shape"] == [-1, 16, 12, 3]


@pytest.mark.parametrize("is_binary", [True, False])
@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
def test_numbers_to_the_last_bit(triton, client, model, x, is_binary, coding):
    item = triton.InferInput("image", list(x.shape), "FP32")
    item.set_data_from_numpy(x, binary_data=is_binary)
    outputs = [triton.InferRequestedOutput("scores", binary_data=is_binary)]
    result = client.infer(
        "small", [item], outputs=outputs, request_compression_algorithm=coding,
        response_compression_algorithm=coding,
    )  # fmt: skip
    np.testing.assert_array_equal(result.as_numpy("scores"), model.predict(x))


def test_photographs_and_classes(triton, client, photo, expected):
    item = triton.InferInput("image", [1], "BYTES")
    item.set_data_from_numpy(np.array([photo], object))
    outputs = [triton.InferRequestedOutput("scores", class_count=1)]
    ((row,),) = client.infer("small", [item], outputs=outputs).as_numpy("scores")
    assert row.decode().split(":")[2] == expected(photo)[0][0]


def test_errors_reach_the_client_in_words(triton, client, x):
    item = triton.InferInput("image", [1, 2, 2, 3], "FP32")
    item.set_data_from_numpy(np.zeros((1, 2, 2, 3), np.float32))
    with pytest.raises(Exception, match=r"must have the shape \(n, 16, 12, 3\)"):
        client.infer("small", [item])
    with pytest.raises(Exception, match="there is no model 'other' here"):
        client.infer("other", [item])


def test_the_asynchronous_client(triton, server, model, x):
    import tritonclient.http.aio as aio

    async def infer():
        async with aio.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
            item = triton.InferInput("image", list(x.shape), "FP32")
            item.set_data_from_numpy(x)
            results = await asyncio.gather(*(client.infer("small", [item]) for _ in range(5)))
            return [result.as_numpy("scores") for result in results]

    for scores in asyncio.run(infer()):
        np.testing.assert_allclose(scores, model.predict(x), rtol=1e-4)


# --- a browser ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser, address, width, scheme="light"):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    yield page
    assert not errors
    assert page.evaluate("document.documentElement.scrollWidth") == width  # nothing is cut off
    context.close()


@pytest.fixture(params=[(1000, "light"), (390, "dark")], ids=["wide", "phone"])
def page(request, browser, server):
    with opened(browser, f"http://127.0.0.1:{server.port}/", *request.param) as page:
        yield page


def wait_until(page, condition):
    for _ in range(WAIT_MILLISECONDS // 100):
        if condition():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it did not happen in time")


def choose(page, name, content):
    page.set_input_files("#file", [{"name": name, "mimeType": "image/png", "buffer": content}])


def test_a_photograph_gets_its_class_and_its_map(page, photo, expected):
    choose(page, "noise.png", photo)
    page.wait_for_selector(".bars li", timeout=WAIT_MILLISECONDS)
    names = [text.split("\n")[0] for text in page.locator(".bars li").all_inner_texts()]
    assert names == [name for name, _ in expected(photo)]
    page.check(".explain")
    heat = page.locator(".heat")
    wait_until(page, lambda: heat.evaluate("image => image.naturalWidth") > 0)
    assert heat.is_visible()
    page.locator(".slider").fill("20")
    assert heat.evaluate("image => image.style.opacity") == "0.2"
    with page.expect_download() as download:
        page.click(".features")
    assert download.value.suggested_filename == "noise.csv"
    page.click("summary")
    assert "curl --data-binary '@noise.png' http://127.0.0.1:" in page.inner_text(".call")


def test_what_is_no_photograph_gets_words(page):
    choose(page, "notes.txt", b"hello")
    page.wait_for_selector(".problem:not([hidden])", timeout=WAIT_MILLISECONDS)
    assert page.inner_text(".problem").startswith("The photograph is not an image")
    choose(page, "IMG_1.HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 50)
    wait_until(page, lambda: page.locator(".problem:not([hidden])").count() == 2)
    assert "HEIC" in page.locator(".problem").first.inner_text()


def test_photographs_that_lie_on_their_side_are_upright(page):
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (40, 20), "red").save(stream, "JPEG", exif=exif)
    choose(page, "side.jpg", stream.getvalue())
    page.wait_for_selector(".bars li", timeout=WAIT_MILLISECONDS)
    size = "image => image.naturalHeight > image.naturalWidth"
    assert page.locator(".photo").evaluate(size)
    page.check(".explain")
    wait_until(page, lambda: page.locator(".heat").evaluate("image => image.naturalWidth") > 0)
    assert page.locator(".heat").evaluate(size)


def test_the_page_is_used_by_keyboard(page, photo):
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"
    choose(page, "noise.png", photo)
    page.wait_for_selector(".bars li", timeout=WAIT_MILLISECONDS)
    assert "noise.png: " in page.inner_text("#status")


def test_the_page_works_where_a_proxy_offers_it(browser, model, photo, expected):
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from xception.server import create_app

    outer = Starlette(routes=[Mount("/a/b", create_app(model))])
    with (
        RunningServer(outer) as running,
        opened(browser, f"http://127.0.0.1:{running.port}/a/b/", 1000) as page,
    ):
        choose(page, "noise.png", photo)
        page.wait_for_selector(".bars li", timeout=WAIT_MILLISECONDS)
        assert page.inner_text(".bars li .name") == expected(photo)[0][0]
        page.click("nav a")
        page.wait_for_selector("#paths h2", timeout=WAIT_MILLISECONDS)
        assert page.url.endswith("/a/b/docs")


def test_a_model_without_classes_compares_photographs(browser, photos):
    base = xception.Xception(include_top=False, weights=None, input_shape=(71, 71, 3), pooling="avg", seed=0)
    from xception.server import create_app

    features = xception.features([io.BytesIO(photo) for photo in photos[:2]], base, verbose=0).values
    cosine = features[0] @ features[1] / np.linalg.norm(features[0]) / np.linalg.norm(features[1])
    with (
        RunningServer(create_app(base)) as running,
        opened(browser, f"http://127.0.0.1:{running.port}/", 390) as page,
    ):
        assert "no classes" in page.inner_text("#status")
        choose(page, "one.png", photos[0])
        wait_until(page, lambda: "Add another photograph" in page.inner_text("#results"))
        choose(page, "two.png", photos[1])
        wait_until(page, lambda: page.locator(".bars li").count() == 2)
        texts = page.locator(".bars li").all_inner_texts()
        assert [text.split("\n") for text in texts] == [
            ["one.png", f"{cosine:.3f}"],
            ["two.png", f"{cosine:.3f}"],
        ]
