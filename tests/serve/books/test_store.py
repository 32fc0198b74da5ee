"""Files come out of the store as they went in, in a folder and in a bucket, or an error says why not."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ornstein.errors import OrnsteinError, UsageError
from ornstein.serve.books import BooksDownError, Store, StoreError

BUCKET = "outputs"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server that speaks S3's language, in this process."""
    moto = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
        ):  # fmt: skip
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind."""
    if request.param == "folder":
        return Store.open(tmp_path / "store")
    pytest.importorskip("s3fs")
    request.getfixturevalue("endpoint")
    return Store.open(f"s3://{BUCKET}/{tmp_path.name}")


def test_content_comes_back_under_its_hash(store: Store):
    for data in (b"", b"picture", os.urandom(100_000)):
        digest = store.put(data)
        assert digest == hashlib.sha256(data).hexdigest() == store.put(data)
        assert store.has(digest) and store.get(digest) == data
    found = list(store.files())
    assert sorted(file.size for file in found) == [0, 7, 100_000]
    assert all(abs(datetime.now(UTC) - file.written) < timedelta(minutes=5) for file in found)


def test_what_is_deleted_is_gone(store: Store):
    digest = store.put(b"picture")
    assert store.delete(digest) and not store.delete(digest) and not store.has(digest)
    with pytest.raises(StoreError, match="has no file"):
        store.get(digest)
    assert list(store.files()) == []


def test_changed_content_is_an_error(store: Store):
    digest = store.put(b"picture")
    store.place.write(f"{digest[:2]}/{digest[2:4]}/{digest}", b"Picture")
    with pytest.raises(StoreError, match="damaged") as caught:
        store.get(digest)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "/..", "\0" * 64])
def test_no_other_name_leads_out_of_the_store(tmp_path: Path, name: str):
    store = Store.open(tmp_path)
    for ask in (store.get, store.has, store.delete):
        with pytest.raises(StoreError, match="no sha256"):
            ask(name)


def test_a_folder_is_for_its_owner_alone(tmp_path: Path):
    digest = Store.open(tmp_path / "store").put(b"picture")
    path = tmp_path / "store" / digest[:2] / digest[2:4] / digest
    for place, mode in ((tmp_path / "store", 0o700), (path.parent, 0o700), (path, 0o600)):
        assert stat.S_IMODE(place.stat().st_mode) == mode


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path, monkeypatch):
    store = Store.open(tmp_path / "store")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BooksDownError, match="No space left"):
        store.put(b"picture")
    monkeypatch.undo()
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert store.get(store.put(b"picture")) == b"picture"


def test_a_file_is_waited_for_before_it_is_renamed(tmp_path: Path, monkeypatch):
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda number: (done.append("wait"), fsync(number)))
    monkeypatch.setattr(
        Path, "replace", lambda path, target: (done.append("rename"), replace(path, target))[1]
    )
    Store.open(tmp_path).put(b"picture")
    assert done.index("rename") > 0 and done[done.index("rename") - 1 :] == ["wait", "rename", "wait"]


def test_threads_that_store_the_same_do_not_meet(store: Store):
    digests: list[str] = []
    data = os.urandom(50_000)
    threads = [threading.Thread(target=lambda: digests.append(store.put(data))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(digests) == 12 and len(set(digests)) == 1 and store.get(digests[0]) == data


def test_a_store_that_does_not_answer_is_down(endpoint: str, monkeypatch):
    with pytest.raises(BooksDownError, match="does not answer"):
        Store.open("s3://no-such-bucket/x").put(b"picture")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(BooksDownError, match="does not answer") as caught:
        Store.open("s3://elsewhere/x").has("0" * 64)
    s3fs.S3FileSystem.clear_instance_cache()
    assert "\n" not in str(caught.value)


def test_a_store_of_an_unknown_kind_is_a_mistake():
    with pytest.raises(UsageError, match="s3://BUCKET"):
        Store.open("carrier-pigeon://loft")


def test_a_store_in_a_file_is_told_of(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OrnsteinError, match="does not answer"):
        Store.open(tmp_path / "file").put(b"picture")
