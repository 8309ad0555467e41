"""Hostile HDF5: links, groups and names."""

import os

import h5py
import numpy as np
import pytest
from hostile import (
    BIAS,
    FILTER,
    FORMS,
    KERNEL,
    archive,
    assert_refused,
    assert_same,
    by_name_forms,
    every_form,
    fill_by_name,
    fill_by_position,
    hdf5_bytes,
    load_all,
    small,
    small_model,
)

import xception

ELSEWHERE = "is a soft or external link; refused"


@pytest.fixture
def secret(tmp_path):
    """Another file on this machine, with what the hostile one lacks."""
    folder = tmp_path / "secret"
    folder.mkdir()
    with h5py.File(folder / "secret.h5", "w") as file:
        fill_by_position(file)
        fill_by_name(file, "model_weights")
        file["kernel"] = KERNEL
        (folder / "raw").write_bytes(KERNEL.tobytes())
    return folder


def paths_to(kernel):
    """Return the path of the kernel and of every group around it."""
    parts = kernel.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


# --- links ----------------------------------------------------------------------------------


@every_form
@pytest.mark.parametrize("depth", range(5))
def test_links_to_other_files(tmp_path, secret, form, depth):
    if depth >= len(paths_to(form.kernel)):
        pytest.skip("the kernel is not that deep")
    place = paths_to(form.kernel)[depth]
    for target in (secret / "secret.h5", "secret/secret.h5", "/dev/stdin", tmp_path / "nowhere.h5"):

        def link(file, kernel, target=target):
            del file[place]
            file[place] = h5py.ExternalLink(target, place)

        assert_refused(
            form.write(tmp_path, link),
            ELSEWHERE if depth or form.whole else f"{ELSEWHERE}|holds no",
            form.whole,
        )


@every_form
@pytest.mark.parametrize("depth", range(5))
def test_links_within_the_file(tmp_path, form, depth):
    if depth >= len(paths_to(form.kernel)):
        pytest.skip("the kernel is not that deep")
    place = paths_to(form.kernel)[depth]
    for target in ("/moved", "moved", ".", "/", place, "/nowhere"):

        def link(file, kernel, target=target):
            file.move(place, "moved")
            file[place] = h5py.SoftLink(target)

        assert_refused(form.write(tmp_path, link), f"{ELSEWHERE}|holds no Keras weights", form.whole)


@every_form
def test_groups_and_arrays_that_are_listed_but_missing(tmp_path, form):
    for place in paths_to(form.kernel):

        def gone(file, kernel, place=place):
            del file[place]

        assert_refused(
            form.write(tmp_path, gone),
            "missing|the file has no weights|holds no Keras weights|expected kernel",
            form.whole,
        )


@every_form
def test_objects_of_the_wrong_kind(tmp_path, form):
    """A group instead of an array, an array or a type instead of a group."""

    def array(file, place):
        file[place] = np.zeros(3, np.float32)

    def committed_type(file, place):
        file[place] = np.dtype(np.float32)

    def group(file, place):
        file.create_group(place)

    for place in paths_to(form.kernel):
        for put in (array, committed_type, group):

            def spoil(file, kernel, place=place, put=put):
                del file[place]
                put(file, place)

            assert_refused(
                form.write(tmp_path, spoil),
                "expected (a group|an array|kernel)|should have shape|is missing|the file has no weights"
                "|holds no Keras weights|but missing",
                form.whole,
            )


@pytest.mark.parametrize(
    "name",
    [b"\xff\xfe", b"\x1b[2J", b"..", b"\xe2\x80\xaegnp", b"dense_" + b"9" * 9000, b"dense_1", b"x" * 60_000],
)
def test_odd_names_of_groups(tmp_path, name):
    """Layers that the model does not have: empty ones are ignored, others are reported."""
    form = FORMS["weights of Keras 3"]

    def put(file, kernel, full=True):
        group = h5py.Group(h5py.h5g.create(file["layers"].id, name))
        if full:
            group["vars/0"] = KERNEL

    assert_refused(form.write(tmp_path, put), "the model has no layer for the file's", whole=False)
    for model in load_all(
        form.write(tmp_path, lambda file, kernel: put(file, kernel, full=False)), whole=False
    ):
        assert_same(model.get_weights(), [FILTER, KERNEL, BIAS])


def test_warnings_are_printable(tmp_path):
    def put(file, kernel):
        del file[kernel]
        file[kernel] = np.zeros((3, 3), np.float32)
        file["\x1b[2J"] = np.zeros(3)
        file.attrs["layer_names"] = np.array([*file.attrs["layer_names"], b"\x1b[2Jx"])
        file.create_group("\x1b[2Jx").attrs["weight_names"] = np.array([b"a"])
        file["\x1b[2Jx/a"] = np.zeros(3)

    path = FORMS["weights of Keras 2"].write(tmp_path, put)
    with pytest.warns(UserWarning, match="not everything was loaded") as caught:
        small_model().load_weights(path, by_name=True, skip_mismatch=True)
    assert str(caught[0].message).isprintable()


# --- circles and multitudes -----------------------------------------------------------------


def test_circles_of_groups(tmp_path):
    """Hard links that put a group into itself, a thousand times."""

    def circles(file, kernel):
        for i in range(1000):
            group = file.create_group(f"layers/functional_{i}")
            group["layers"] = file["layers"]

    for name in ("keras", "weights of Keras 3"):
        assert_refused(
            FORMS[name].write(tmp_path, circles),
            "more than .* links; refused|the model has no layer",
            FORMS[name].whole,
        )

    def itself(file, kernel):
        file["layers/functional"] = file["/"]
        file["layers/dense/layers"] = file["layers"]

    assert_refused(FORMS["keras"].write(tmp_path, itself), "the model has no layer for the file's functional")


@by_name_forms
def test_lists_that_multiply(tmp_path, form):
    """Thousands of names for one group, which has thousands of names for one array."""

    def crowd(file, kernel):
        root = file["model_weights"] if form.whole else file
        names = [b"l%d" % i for i in range(4000)]
        group = root.create_group("l0")
        group.attrs["weight_names"] = np.array([b"a%d" % i for i in range(4000)])
        group["a0"] = KERNEL
        for i in range(1, 4000):
            group[f"a{i}"] = group["a0"]
            root[f"l{i}"] = group
        root.attrs["layer_names"] = np.array(names)

    assert_refused(form.write(tmp_path, crowd), "more than .* links; refused", form.whole)


@every_form
def test_groups_with_very_many_entries(tmp_path, form):
    def crowd(file, kernel):
        holder = (
            file["layers"] if "layers" in file else file.require_group("model_weights" if form.whole else "/")
        )
        create = holder.id.links.create_hard
        holder.create_group("one")
        for i in range(210_000 if form.suffix == ".weights.h5" else 10_000):
            create(b"g%d" % i, holder.id, b"one")

    if form.suffix == ".weights.h5":
        assert_refused(form.write(tmp_path, crowd), "more than .* links; refused", form.whole)
    else:  # ten thousand empty ones do no harm
        for model in load_all(form.write(tmp_path, crowd), form.whole):
            assert_same(model.get_weights(), [FILTER, KERNEL, BIAS])


def test_compressed_tables_of_links(tmp_path):
    """HDF5 would unpack them to any size, and load libraries for unknown filters."""
    with h5py.File(tmp_path / "x.weights.h5", "w", libver="latest") as file:
        properties = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
        filters = h5py.h5p.PropDCID(properties.id)  # the same property list, with methods that add filters
        filters.set_deflate(9)
        group = h5py.Group(h5py.h5g.create(file.id, b"layers", gcpl=properties))
        for number in range(100):
            group.create_group(f"dense_{number}")
    assert_refused(tmp_path / "x.weights.h5", "its tables of entries are compressed; refused", whole=False)


# --- the file itself ------------------------------------------------------------------------


def test_a_user_block_before_the_file(tmp_path):
    path = tmp_path / "x.weights.h5"
    with h5py.File(path, "w", userblock_size=512) as file:
        fill_by_position(file)
    assert_refused(path, "is not an HDF5 file but something else", whole=False)
    assert_refused(
        archive(tmp_path / "x.keras", weights=path.read_bytes()), "is not an HDF5 file but something else"
    )


@every_form
def test_truncated_files(tmp_path, form):
    whole = form.write(tmp_path).read_bytes()
    for length in (0, 1, 8, 96, 500, len(whole) // 2, len(whole) - 1):
        (tmp_path / f"y{form.suffix}").write_bytes(whole[:length])
        assert_refused(
            tmp_path / f"y{form.suffix}", r"damaged|is not an HDF5 file|no layer|missing", form.whole
        )


def variable_length_texts(file, kernel=""):
    """Store the lists of names as variable-length texts, as Keras 3 does."""
    for holder in (file, *file.values()):
        for name in ("layer_names", "weight_names"):
            if name in holder.attrs and holder.attrs[name].size:
                texts = [text.decode() for text in holder.attrs[name]]
                del holder.attrs[name]
                holder.attrs.create(name, texts, dtype=h5py.string_dtype())


@pytest.mark.parametrize(
    "fill", [(fill_by_position,), (fill_by_name,), (fill_by_name, variable_length_texts)]
)
@pytest.mark.parametrize(
    "options", [{}, {"libver": "latest", "track_order": True}, {"libver": "v108"}], ids=str
)
def test_older_and_newer_versions_of_hdf5(tmp_path, fill, options):
    path = tmp_path / ("x.weights.h5" if fill[0] is fill_by_position else "x.h5")
    path.write_bytes(hdf5_bytes(*fill, **options))
    model = small_model()
    model.load_weights(path)
    assert_same(model.get_weights(), [FILTER, KERNEL, BIAS])


def test_hdf5_finds_no_plugin_libraries(tmp_path):
    """It would load the libraries in its plugin folders for a filter that it does not know."""
    from xception.formats.hdf5.file import open_file
    from xception.formats.hdf5.source import Source

    def folders():
        return [h5py.h5pl.get(i) for i in range(h5py.h5pl.size())]

    path = FORMS["weights of Keras 3"].write(tmp_path)
    before = folders()
    assert before
    with open_file(Source(path.name, path)):
        assert not folders()
        with open_file(Source(path.name, path)):
            assert not folders()
        assert not folders()
    assert folders() == before
    with pytest.raises(KeyboardInterrupt), open_file(Source(path.name, path)):
        raise KeyboardInterrupt
    assert folders() == before


def test_folders(tmp_path):
    for folder in (tmp_path, tmp_path / "x.keras"):
        folder.mkdir(exist_ok=True)
        with pytest.raises(IsADirectoryError):
            xception.load_model(folder)
    with pytest.raises(FileNotFoundError):
        xception.load_model(tmp_path / "nothing.keras")


def test_linked_files_are_not_searched_for(tmp_path, secret, monkeypatch):
    """HDF5 searches for linked files beside the file and in the working folder."""
    monkeypatch.chdir(secret)
    monkeypatch.setenv("HDF5_EXT_PREFIX", str(secret))

    def link(file, kernel):
        del file[kernel]
        file[kernel] = h5py.ExternalLink("secret.h5", "kernel")

    for form in FORMS.values():
        assert_refused(form.write(tmp_path, link), ELSEWHERE, form.whole)
    assert os.getcwd() == str(secret)
    assert small()["class_name"] == "Functional"
