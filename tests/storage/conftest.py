import pytest
from stored_rows import at


@pytest.fixture
def photos(tmp_path):
    photographs = []
    for number in range(7):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(bytes([number]))
        photographs.append(at(path, number, "odd" if number % 2 else "even"))
    return photographs
