"""Files that list photographs."""

import importlib
import tracemalloc
import uuid

import pytest

from xception.data import locations
from xception.data.manifests import BATCH_ROWS, MAX_LINE_BYTES, read_manifest


def listed(path):
    photographs = list(read_manifest(path))
    assert [photograph.index for photograph in photographs] == list(range(len(photographs)))
    assert all(photograph.source == photograph.path for photograph in photographs)
    return [(photograph.path, photograph.label) for photograph in photographs]


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


@pytest.fixture
def write_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = importlib.import_module("pyarrow.parquet")

    def write(columns, **options):
        table = pyarrow.table(columns)
        parquet.write_table(table, tmp_path / "list.parquet", **options)
        return tmp_path / "list.parquet"

    return write


def test_a_text_has_a_path_in_each_line(write):
    path = write("list.txt", "a.jpg\nfolder/two words.jpg\ncat\n\n  \n# no.jpg\n./#1.jpg\na.jpg")
    assert [name for name, _ in listed(path)] == ["a.jpg", "folder/two words.jpg", "cat", "./#1.jpg", "a.jpg"]


def test_labels_follow_a_tab(write):
    assert listed(write("list", "a.jpg\tcat\nb.jpg\nc.jpg\t\nd.jpg\tgrey cat\n")) == [
        ("a.jpg", "cat"), ("b.jpg", ""), ("c.jpg", ""), ("d.jpg", "grey cat"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["list.txt", "list.csv"])
def test_windows_writes_marks_and_line_ends(write, name):
    content = "ä.jpg\tcat\r\nb.jpg\t\r\n" if name == "list.txt" else "path,label\r\nä.jpg,cat\r\nb.jpg,\r\n"
    assert listed(write(name, "\ufeff" + content)) == [("ä.jpg", "cat"), ("b.jpg", "")]


def test_urls_are_listed_too(write):
    path = write("list.txt", "s3://bucket/a.jpg\nhttps://host/b.jpg?size=1\tcat\nfile:///c.jpg\n")
    assert listed(path) == [("s3://bucket/a.jpg", ""), ("https://host/b.jpg?size=1", "cat"), ("/c.jpg", "")]


def test_a_table_as_csv(write):
    path = write("list.CSV", 'id,label,path\n1,cat,"a, b.jpg"\n\n2,,c.jpg\n')
    assert listed(path) == [("a, b.jpg", "cat"), ("c.jpg", "")]
    assert listed(write("list.csv", "path\na.jpg\n")) == [("a.jpg", "")]


def test_a_table_as_parquet(write_parquet):
    columns = {"id": [1, 2], "path": ["a.jpg", "b.jpg"], "label": ["cat", None]}
    assert listed(write_parquet(columns)) == [("a.jpg", "cat"), ("b.jpg", "")]
    assert listed(write_parquet({"path": ["a.jpg"] * 3}, use_dictionary=True)) == [("a.jpg", "")] * 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("list.txt", "", "list.txt: lists no photographs"),
        ("list.txt", "# nothing\n\n", "list.txt: lists no photographs"),
        ("list.txt", b"a.jpg\n\xff\xd8\xff\xe0", "list.txt, line 2: is not UTF-8 text"),
        ("list.txt", "\n# x\na.jpg\tcat\tb", "list.txt, line 3: has several tabs"),
        ("list.txt", "a.jpg\n\tcat", "list.txt, line 2: names no photograph"),
        ("list.txt", "a.jpg\n" + "x" * (MAX_LINE_BYTES + 1), "line 2: is longer than 65,536 bytes"),
        ("list.txt", "a\n\nfoo://b", "line 3: foo://b: foo:// is not read; expected one of"),
        ("list.txt", "simplecache::s3://b/a.jpg", "line 1: .* must not contain '::'"),
        ("list.csv", "", "list.csv: expected the columns 'path' and, optionally, 'label'; got none"),
        ("list.csv", "file,label\na.jpg,b", "expected the columns 'path' .*; got 'file', 'label'"),
        ("list.csv", "path,path\na,b", "expected the columns 'path'"),
        ("list.csv", "path,label\na.jpg,b\na.jpg", "line 3: has 1 columns, and the header 2"),
        ("list.csv", "path\na.jpg\n,", "line 3: has 2 columns"),
        ("list.csv", 'path\na.jpg\n""', "line 3: names no photograph"),
        ("list.csv", 'path\na.jpg\n"b', "line 3: is not CSV"),
        ("list.csv", b"path\n\xff", "line 2: is not UTF-8"),
    ],
)
def test_an_error_names_the_line(write, name, content, message):
    with pytest.raises(ValueError, match=message):
        listed(write(name, content))


def test_an_error_names_the_row_of_parquet(write, write_parquet):
    for columns, message in [
        ({"path": ["a.jpg", None]}, "row 2: expected a text in the column 'path', got None"),
        ({"path": [1]}, "row 1: expected a text in the column 'path', got 1"),
        ({"path": ["a"], "label": [0]}, "row 1: expected a text in the column 'label', got 0"),
        ({"file": ["a"]}, r"list\.parquet: expected the columns 'path'.*; got 'file'"),
        ({"path": ["a", "data://b"]}, "row 2: data://b"),
    ]:
        with pytest.raises(ValueError, match=message):
            listed(write_parquet(columns))
    with pytest.raises(ValueError, match=r"list\.parquet: is no Parquet file"):
        listed(write("list.parquet", "a.jpg\n"))


def test_a_missing_manifest(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        listed(tmp_path / "none.txt")


@pytest.mark.parametrize("name", ["list.txt", "list.parquet"])
def test_a_manifest_behind_a_url_names_photographs_behind_urls(write, write_parquet, name):
    pytest.importorskip("fsspec", reason="fsspec is not installed")

    def upload(*paths):
        url = f"memory://{uuid.uuid4().hex}/{name}"
        local = write_parquet({"path": paths}) if "parquet" in name else write(name, "\n".join(paths))
        locations.write_bytes(url, local.read_bytes())
        return url

    assert listed(upload("s3://bucket/a.jpg")) == [("s3://bucket/a.jpg", "")]
    for path in ("/etc/passwd", "a.jpg", "../a.jpg", "file:///etc/passwd", "C:\\a.jpg"):
        with pytest.raises(ValueError, match=r"2: .*is a local file; a manifest behind a URL may name"):
            listed(upload("s3://bucket/a.jpg", path))


def test_a_long_manifest_takes_little_memory(write, write_parquet):
    names = [f"folder/photograph-{number:08}.jpg" for number in range(5 * BATCH_ROWS)]
    for path in (write("list.txt", "\n".join(names)), write_parquet({"path": names})):
        tracemalloc.start()
        try:
            count = sum(1 for _ in read_manifest(path))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert count == len(names)
        assert peak < 3 << 20  # the names take 4.6 MB
