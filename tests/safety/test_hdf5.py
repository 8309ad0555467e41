"""Hostile HDF5: links, groups, attributes and names, wherever an HDF5 file stands."""

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
    assert_same,
    every_form,
    fill_legacy,
    fill_numbered,
    hdf5_bytes,
    legacy_forms,
    loads,
    refused,
    small,
    small_model,
)

import xception

ELSEWHERE = "is a soft or external link; refused"


@pytest.fixture
def secret(tmp_path):
    """Another file of this machine, with just what the hostile one lacks."""
    folder = tmp_path / "secret"
    folder.mkdir()
    with h5py.File(folder / "secret.h5", "w") as file:
        fill_numbered(file)
        fill_legacy(file, "model_weights")
        file["kernel"] = KERNEL
        (folder / "raw").write_bytes(KERNEL.tobytes())
    return folder


def places(kernel):
    """Everything on the way to the kernel."""
    parts = kernel.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


# --- links ----------------------------------------------------------------------------------


@every_form
@pytest.mark.parametrize("depth", range(5))
def test_links_to_other_files(tmp_path, secret, form, depth):
    if depth >= len(places(form.kernel)):
        pytest.skip("the kernel is not so deep")
    place = places(form.kernel)[depth]
    for target in (secret / "secret.h5", "secret/secret.h5", "/dev/stdin", tmp_path / "nowhere.h5"):

        def link(file, kernel, target=target):
            del file[place]
            file[place] = h5py.ExternalLink(target, place)

        refused(
            form.write(tmp_path, link),
            ELSEWHERE if depth or form.whole else f"{ELSEWHERE}|holds no",
            form.whole,
        )


@every_form
@pytest.mark.parametrize("depth", range(5))
def test_links_within_the_file(tmp_path, form, depth):
    if depth >= len(places(form.kernel)):
        pytest.skip("the kernel is not so deep")
    place = places(form.kernel)[depth]
    for target in ("/moved", "moved", ".", "/", place, "/nowhere"):

        def link(file, kernel, target=target):
            file.move(place, "moved")
            file[place] = h5py.SoftLink(target)

        refused(form.write(tmp_path, link), f"{ELSEWHERE}|holds no Keras weights", form.whole)


@every_form
def test_what_is_announced_but_missing(tmp_path, form):
    for place in places(form.kernel):

        def gone(file, kernel, place=place):
            del file[place]

        refused(
            form.write(tmp_path, gone),
            "missing|the file has no weights|holds no Keras weights|expected kernel",
            form.whole,
        )


@every_form
def test_things_of_another_kind(tmp_path, form):
    """A group where an array should be, an array or a type where a group should be."""

    def array(file, place):
        file[place] = np.zeros(3, np.float32)

    def committed_type(file, place):
        file[place] = np.dtype(np.float32)

    def group(file, place):
        file.create_group(place)

    for place in places(form.kernel):
        for put in (array, committed_type, group):

            def spoil(file, kernel, place=place, put=put):
                del file[place]
                put(file, place)

            refused(
                form.write(tmp_path, spoil),
                "expected (a group|an array|kernel)|should have shape|is missing|the file has no weights"
                "|holds no Keras weights|but missing",
                form.whole,
            )


@pytest.mark.parametrize(
    "name",
    [b"\xff\xfe", b"\x1b[2J", b"..", b"\xe2\x80\xaegnp", b"dense_" + b"9" * 9000, b"dense_1", b"x" * 60_000],
)
def test_names_of_groups(tmp_path, name):
    """Of layers that are not asked for: empty they are left out, with weights they are named."""
    form = FORMS["weights of Keras 3"]

    def put(file, kernel, full=True):
        group = h5py.Group(h5py.h5g.create(file["layers"].id, name))
        if full:
            group["vars/0"] = KERNEL

    refused(form.write(tmp_path, put), "the model has no layer for the file's", whole=False)
    for model in loads(form.write(tmp_path, lambda file, kernel: put(file, kernel, full=False)), whole=False):
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


# --- circles and crowds ---------------------------------------------------------------------


def test_circles_of_groups(tmp_path):
    """Hard links, by which a group is within itself, a thousand times over."""

    def circles(file, kernel):
        for i in range(1000):
            group = file.create_group(f"layers/functional_{i}")
            group["layers"] = file["layers"]

    for name in ("keras", "weights of Keras 3"):
        refused(
            FORMS[name].write(tmp_path, circles),
            "more than .* links; refused|the model has no layer",
            FORMS[name].whole,
        )

    def itself(file, kernel):
        file["layers/functional"] = file["/"]
        file["layers/dense/layers"] = file["layers"]

    refused(FORMS["keras"].write(tmp_path, itself), "the model has no layer for the file's functional")


@legacy_forms
def test_lists_that_multiply(tmp_path, form):
    """As many layers as a list can name, all of them one group, with as many arrays, all of them one."""

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

    refused(form.write(tmp_path, crowd), "more than .* links; refused", form.whole)


@every_form
def test_a_group_of_a_million(tmp_path, form):
    def crowd(file, kernel):
        holder = (
            file["layers"] if "layers" in file else file.require_group("model_weights" if form.whole else "/")
        )
        create = holder.id.links.create_hard
        holder.create_group("one")
        for i in range(210_000 if form.suffix == ".weights.h5" else 10_000):
            create(b"g%d" % i, holder.id, b"one")

    if form.suffix == ".weights.h5":
        refused(form.write(tmp_path, crowd), "more than .* links; refused", form.whole)
    else:  # ten thousand that are empty do no harm
        for model in loads(form.write(tmp_path, crowd), form.whole):
            assert_same(model.get_weights(), [FILTER, KERNEL, BIAS])


def test_tables_of_links_that_are_compressed(tmp_path):
    """HDF5 would unpack them to any size, and look for libraries for filters that it does not know."""
    with h5py.File(tmp_path / "x.weights.h5", "w", libver="latest") as file:
        properties = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
        filters = h5py.h5p.PropDCID(properties.id)  # the same list, with methods to add filters
        filters.set_deflate(9)
        group = h5py.Group(h5py.h5g.create(file.id, b"layers", gcpl=properties))
        for number in range(100):
            group.create_group(f"dense_{number}")
    refused(tmp_path / "x.weights.h5", "its tables of entries are compressed; refused", whole=False)


# --- the file itself ------------------------------------------------------------------------


def test_a_block_before_the_file(tmp_path):
    path = tmp_path / "x.weights.h5"
    with h5py.File(path, "w", userblock_size=512) as file:
        fill_numbered(file)
    refused(path, "is not an HDF5 file but something else", whole=False)
    refused(
        archive(tmp_path / "x.keras", weights=path.read_bytes()), "is not an HDF5 file but something else"
    )


@every_form
def test_files_cut_short(tmp_path, form):
    whole = form.write(tmp_path).read_bytes()
    for length in (0, 1, 8, 96, 500, len(whole) // 2, len(whole) - 1):
        (tmp_path / f"y{form.suffix}").write_bytes(whole[:length])
        refused(tmp_path / f"y{form.suffix}", r"damaged|is not an HDF5 file|no place|missing", form.whole)


def texts_of_any_length(file, kernel=""):
    """The lists of names as today's Keras writes them."""
    for holder in (file, *file.values()):
        for name in ("layer_names", "weight_names"):
            if name in holder.attrs and holder.attrs[name].size:
                texts = [text.decode() for text in holder.attrs[name]]
                del holder.attrs[name]
                holder.attrs.create(name, texts, dtype=h5py.string_dtype())


@pytest.mark.parametrize("fill", [(fill_numbered,), (fill_legacy,), (fill_legacy, texts_of_any_length)])
@pytest.mark.parametrize(
    "options", [{}, {"libver": "latest", "track_order": True}, {"libver": "v108"}], ids=str
)
def test_older_and_newer_forms_of_hdf5(tmp_path, fill, options):
    path = tmp_path / ("x.weights.h5" if fill[0] is fill_numbered else "x.h5")
    path.write_bytes(hdf5_bytes(*fill, **options))
    model = small_model()
    model.load_weights(path)
    assert_same(model.get_weights(), [FILTER, KERNEL, BIAS])


def test_hdf5_finds_no_libraries(tmp_path):
    """It would load what it finds in these folders for any filter that it does not know."""
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
    with pytest.raises(ZeroDivisionError), open_file(Source(path.name, path)):
        1 / 0  # noqa: B018
    assert folders() == before


def test_folders(tmp_path):
    for folder in (tmp_path, tmp_path / "x.keras"):
        folder.mkdir(exist_ok=True)
        with pytest.raises(IsADirectoryError):
            xception.load_model(folder)
    with pytest.raises(FileNotFoundError):
        xception.load_model(tmp_path / "nothing.keras")


def test_the_working_folder_is_not_looked_at(tmp_path, secret, monkeypatch):
    """HDF5 looks for linked files beside the file, and where it runs."""
    monkeypatch.chdir(secret)
    monkeypatch.setenv("HDF5_EXT_PREFIX", str(secret))

    def link(file, kernel):
        del file[kernel]
        file[kernel] = h5py.ExternalLink("secret.h5", "kernel")

    for form in FORMS.values():
        refused(form.write(tmp_path, link), ELSEWHERE, form.whole)
    assert os.getcwd() == str(secret)
    assert small()["class_name"] == "Functional"
