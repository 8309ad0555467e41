import pytest

import xception
from xception.limits import DEFAULT_MAX_MEMORY_BYTES, format_bytes, format_limit, parse_bytes, parse_count


def test_the_defaults() -> None:
    assert xception.get_limits() == xception.Limits(5 << 28, 10**12, 178_956_970)


def test_a_limit_that_is_not_given_is_unchanged() -> None:
    xception.set_limits(max_pixels=1000)
    xception.set_limits(max_operations=2000)
    assert xception.get_limits() == xception.Limits(DEFAULT_MAX_MEMORY_BYTES, 2000, 1000)


def test_environment_variables_set_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XCEPTION_MAX_MEMORY", "1.5GiB")
    monkeypatch.setenv("XCEPTION_MAX_OPERATIONS", "2e9")
    monkeypatch.setenv("XCEPTION_MAX_PIXELS", "4000")
    assert xception.get_limits() == xception.Limits(3 << 29, 2 * 10**9, 4000)
    xception.set_limits(max_pixels=5000)
    assert xception.get_limits() == xception.Limits(3 << 29, 2 * 10**9, 5000)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("XCEPTION_MAX_MEMORY", "much"), ("XCEPTION_MAX_OPERATIONS", "-1"), ("XCEPTION_MAX_PIXELS", "1.5")],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=f"{variable} must be .*{value}"):
        xception.get_limits()


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "2GB"])
def test_a_limit_is_a_positive_integer(value: object) -> None:
    with pytest.raises(ValueError, match="max_memory_bytes must be a positive integer"):
        xception.set_limits(max_memory_bytes=value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("2GB", 2 * 10**9), ("2 gb", 2 * 10**9), ("1.5GiB", 3 << 29), ("100kB", 10**5), ("1e9", 10**9),
     ("18446744073709551617", 2**64 + 1)],
)  # fmt: skip
def test_sizes_have_units(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "GB", "-1GB", "0", "1.2.3GB", "nan", "inf", "2 apples", "1e999", "٣GB", "0.5B"]
)
def test_a_size_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a number of bytes such as 2GB"):
        parse_bytes(text)


@pytest.mark.parametrize(("text", "count"), [("7", 7), ("2e8", 2 * 10**8), ("1.5e3", 1500)])
def test_counts_may_have_an_exponent(text: str, count: int) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "nan", "1e999", "2GB"])
def test_a_count_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a positive integer"):
        parse_count(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(1, "1B"), (1500, "1.5kB"), (2_240_000_001, "2.3GB"), (10**9, "1GB"), (10 << 30, "10GiB")],
)
def test_a_formatted_size_is_large_enough(size: int, text: str) -> None:
    assert format_bytes(size) == text
    assert parse_bytes(text) >= size


@pytest.mark.parametrize(("size", "text"), [(1, "1B"), (84_343_193, "84.3MB"), (10 << 30, "10GiB")])
def test_a_formatted_limit_is_not_more_than_is_allowed(size: int, text: str) -> None:
    assert format_limit(size) == text
    assert parse_bytes(text) <= size
