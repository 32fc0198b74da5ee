"""Pictures that a request brings: bombs, halves, odd modes, animations, turned ones."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ornstein.data.pixels import premultiply
from ornstein.guard.credentials.trust import Trust
from ornstein.guard.credentials.verifying import verify
from ornstein.output import record_of
from ornstein.record import FileForm
from ornstein.serve.api import brought
from ornstein.serve.api.errors import ApiError
from tests.serve.api.running import Running, mask, picture, pixels, png

MOST = 16 << 20


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _header_only(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


HALF = picture(64)[: len(picture(64)) // 2]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (_header_only(13_000, 13_000), 413), (_header_only(2**31 - 1, 2**31 - 1), 413), (_header_only(4097, 4097), 413),
        (_header_only(64, 64), 400), (HALF, 400), (b"\x89PNG\r\n\x1a\n", 400), (b"GIF89a", 400), (b"no", 400),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 400), (b"%PDF-1.7", 400),
        (_saved(Image.fromarray(np.full((8, 8), 1e9, np.float32)), "TIFF"), 400),
    ],
)  # fmt: skip
def test_what_is_no_picture_or_too_large_a_one_is_refused_before_it_is_decoded(
    open_server: Running, data: bytes, status: int
) -> None:
    with open_server.http() as client:
        reply = client.post(
            "/v1/images/edits", data={"prompt": "x", "model": "small"}, files={"image": ("a", data)}
        )
    assert reply.status_code == status, reply.text
    assert reply.json()["error"]["param"] == "image"


GREEN = Image.new("RGB", (32, 32), (0, 200, 0))


@pytest.mark.parametrize(
    "data",
    [
        _saved(GREEN.convert("CMYK"), "JPEG"), _saved(GREEN.quantize(), "GIF"), _saved(GREEN, "BMP"),
        _saved(GREEN.quantize(), "PNG"), _saved(GREEN, "WEBP", lossless=True), _saved(GREEN, "TIFF"),
        _saved(GREEN, "PNG", save_all=True, append_images=[Image.new("RGB", (32, 32))]),
        _saved(GREEN, "GIF", save_all=True, append_images=[Image.new("RGB", (32, 32))]),
        _saved(GREEN, "WEBP", save_all=True, lossless=True, append_images=[Image.new("RGB", (32, 32))]),
    ],
    ids=["cmyk", "gif", "bmp", "palette", "webp", "tiff", "animated-png", "animated-gif", "animated-webp"],
)  # fmt: skip
def test_every_mode_is_read_and_of_an_animation_the_first_frame(data: bytes) -> None:
    found = brought.picture(data, 32, 4, MOST)
    assert np.abs(found.astype(int) - [0, 200, 0, 255]).max() <= 6


def test_sixteen_bits_keep_their_brightness() -> None:
    deep = Image.fromarray(np.full((8, 8), 0x8080, np.uint16))
    assert (brought.picture(_saved(deep, "PNG"), 8, 1, MOST) == 0x80).all()


def test_a_turned_photograph_is_upright_and_so_is_its_mask() -> None:
    array = np.zeros((16, 32, 3), np.uint8)
    array[:, :16] = 255  # white on the left; turned by 90 degrees clockwise, on top
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = _saved(Image.fromarray(array), "PNG", exif=exif)
    found = brought.picture(turned, 32, 4, MOST)
    assert found[8, 16, :3].min() > 200
    assert found[24, 16, :3].max() < 50
    upright = np.zeros((32, 16, 4), np.uint8)
    upright[16:, :, 3] = 255
    free = brought.mask(png(upright), turned, 32, MOST)
    assert free[8, 16]
    assert not free[24, 16]
    assert not free[:, 0].any()  # the edge that fitting adds stays as it is
    with pytest.raises(ApiError, match=""):
        brought.mask(png(upright.transpose(1, 0, 2)), turned, 32, MOST)


def test_the_brought_file_is_the_ingredient_and_a_refused_one_is_on_nobodys_shelf(
    open_server: Running,
) -> None:
    data = {"prompt": "a cow", "model": "small", "seed": "1", "response_format": "url"}
    with open_server.http() as client:
        reply = client.post(
            "/v1/images/edits", data=data, files={"image": ("a.png", picture()), "mask": ("m", mask())}
        )
        facts = client.get(f"/v1/outputs/{reply.json()['data'][0]['id']}").json()
        other = client.get(f"/v1/outputs/{facts['id']}/content?format=webp").content
    assert facts["credential"]["state"] == "trusted"
    assert facts["credential"]["actions"][0] == "opened"
    assert facts["settings"]["masked"] is True
    assert facts["record"]["source"]["strength"] == 1.0
    assert pixels(other).shape == (32, 32, 4)


@pytest.mark.filterwarnings("ignore:this model was trained")
@pytest.mark.parametrize("edited", [False, True])
def test_a_stored_picture_in_another_format_is_marked_once_and_signed_anew(
    open_server: Running, edited: bool
) -> None:
    data = {"prompt": "a cow", "model": "small", "seed": 1, "size": "64x64"}
    with open_server.http() as client:
        if edited:
            files = {"image": picture(64), "mask": mask(64)}
            reply = client.post("/v1/images/edits", data=data, files=files)
        else:
            reply = client.post("/v1/images/generations", json=data)
        place = f"/v1/outputs/{reply.json()['data'][0]['id']}/content"
        stored = client.get(place).content
        others = {
            kind: client.get(place, params={"format": kind}).content for kind in ("webp", "jpeg", "svg")
        }
    assert record_of(stored).second is not None
    assert np.array_equal(*(premultiply(pixels(file)) for file in (others["webp"], stored)))
    assert record_of(others["webp"]) == record_of(stored).model_copy(update={"form": FileForm(format="webp")})
    for file in others.values():
        verdict = verify(file, Trust.find())
        assert (verdict.state, verdict.claim.seed) == ("trusted", 1)
        assert verdict.actions[0] == ("opened" if edited else verify(stored, Trust.find()).actions[0])


@pytest.mark.parametrize("format", ["png", "webp", "jpeg", "svg"])
def test_a_background_that_is_no_colour_is_a_mistake_in_every_format(
    open_server: Running, format: str
) -> None:
    with open_server.http() as client:
        reply = client.post("/v1/images/generations", json={"prompt": "a cow", "model": "small", "seed": 1})
        place = f"/v1/outputs/{reply.json()['data'][0]['id']}/content?format={format}&background="
        assert client.get(place + "0" * 40).status_code == 400
        assert client.get(place + "red").status_code == 200
