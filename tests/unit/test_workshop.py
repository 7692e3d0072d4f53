"""What people and boxes send is opened in a cell: honest files come out whole, and what is wrong is named."""

import asyncio
import hashlib
import struct
import tarfile
import time
import zlib
from collections.abc import Awaitable
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from pipeline.adapters.workshop import ChildWorkshop
from pipeline.domain.dataset import Inspection, Manifest
from pipeline.domain.faults import HostFault, OperatorFault, UserFault
from pipeline.domain.job import Pack
from tests.support.pictures import dataset, encoded, laid, photo, zipped


def inspected(source: Path) -> Inspection:
    return asyncio.run(ChildWorkshop(source.parent).inspect(source, source.parent / "kept"))


def sent(folder: Path, **files: bytes) -> Inspection:
    """What a zip of `files` comes to; `__` in a name is its dot."""
    return inspected(zipped(folder / "sent.zip", {name.replace("__", "."): data for name, data in files.items()}))


def codes(inspection: Inspection) -> list[tuple[str, str]]:
    return [(finding.code, finding.name) for finding in inspection.findings]


def refused(work: Awaitable[object], kind: type[UserFault | HostFault | OperatorFault] = UserFault) -> str:
    async def tried() -> None:
        await work

    with pytest.raises(kind) as caught:
        asyncio.run(tried())
    return caught.value.code


def refusal(source: Path) -> str:
    """Why `source` is refused whole; and then nothing of it is kept."""
    into = source.parent / "kept"
    code = refused(ChildWorkshop(source.parent).inspect(source, into))
    assert list(into.iterdir()) == []
    return code


def kept(folder: Path, inspection: Inspection, place: int = 0) -> Image.Image:
    return Image.open(folder / "kept" / f"{inspection.pictures[place].sha256}.jpg")


# ---- honest files


def test_a_zip_gives_its_pictures_in_their_order_with_their_captions(tmp_path: Path) -> None:
    inspection = inspected(zipped(tmp_path / "album.zip", dataset(12)))

    assert inspection.findings == ()
    assert [picture.name for picture in inspection.pictures] == [f"img_{n}.jpg" for n in range(1, 13)]  # 2 before 10
    assert inspection.pictures[9].caption == "balloons over a meadow, number 10"
    for picture in inspection.pictures:
        file = tmp_path / "kept" / f"{picture.sha256}.jpg"
        data = file.read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (picture.sha256, picture.size)
        assert file.stat().st_mode & 0o777 == 0o600
    assert len(list((tmp_path / "kept").iterdir())) == 12


def test_a_folder_or_a_single_picture_is_read_like_a_zip(tmp_path: Path) -> None:
    folder = laid(tmp_path / "album", {**dataset(2), ".git/x.jpg": b"no", "deeper/c.jpg": encoded(photo(9))})
    (folder / "link.jpg").symlink_to(folder / "img_1.jpg")

    assert [picture.name for picture in inspected(folder).pictures] == ["c.jpg", "img_1.jpg", "img_2.jpg"]
    (alone,) = inspected(folder / "img_1.jpg").pictures
    assert alone.name == "img_1.jpg"
    (folder / "upload-7").write_bytes(encoded(photo(3), "WEBP"))  # platforms lose suffixes
    assert len(inspected(folder / "upload-7").pictures) == 1


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (None, "file-missing"),
        (b"", "not-an-archive"),
        (b"just a letter", "not-an-archive"),
        (b"PK\3\4 and then nothing", "not-an-archive"),
        (b"PK\5\6" + bytes(18), "archive-empty"),
    ],
)
def test_what_is_no_dataset_at_all_is_refused_by_its_name(data: bytes | None, code: str, tmp_path: Path) -> None:
    source = tmp_path / "sent.zip"
    if data is not None:
        source.write_bytes(data)
    assert refusal(source) == code


def test_what_a_system_put_into_a_zip_is_passed_over_in_silence(tmp_path: Path) -> None:
    litter = {"__MACOSX/._img_1.jpg": b"x", ".DS_Store": b"x", "Thumbs.db": b"x", "album/.hidden/a.jpg": b"x"}
    assert refusal(zipped(tmp_path / "litter.zip", litter)) == "archive-empty"
    assert inspected(zipped(tmp_path / "sent.zip", {**dataset(1), **litter})).findings == ()


def test_each_thing_that_is_wrong_is_told_by_its_name(tmp_path: Path) -> None:
    good = encoded(photo(1))
    inspection = sent(
        tmp_path,
        a1__jpg=good,
        a2__jpg=encoded(photo(1), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),  # the same, with other metadata
        b__jpg=good[: len(good) // 2],
        c__gif=encoded(photo(2), "GIF"),
        d__jpg=encoded(photo(3), "GIF"),
        e__png=encoded(photo(4, (60, 400)), "PNG"),
        f__png=encoded(photo(5, (200, 400)), "PNG"),
        g__zip=b"PK",
        h__pdf=b"%PDF",
        i__txt=b"of no picture",
        j__jpg=b"no picture at all",
        k__jpg=good + b"trailing junk is no reason to lose it",
    )
    assert sorted(codes(inspection), key=lambda told: told[1]) == [
        ("repeated-picture", "a2.jpg"),
        ("broken-picture", "b.jpg"),
        ("unsupported-picture", "c.gif"),
        ("unsupported-picture", "d.jpg"),
        ("tiny-picture", "e.png"),
        ("small-picture", "f.png"),
        ("nested-archive", "g.zip"),
        ("unsupported-file", "h.pdf"),
        ("orphan-caption", "i.txt"),
        ("broken-picture", "j.jpg"),
        ("repeated-picture", "k.jpg"),
    ]
    assert [picture.name for picture in inspection.pictures] == ["a1.jpg", "f.png"]


# ---- captions


def test_cafe_nfc_and_nfd_pair_as_one(tmp_path: Path) -> None:
    files = {"caf\u00e9.jpg": encoded(photo(1)), "cafe\u0301.txt": b"a cup"}
    (picture,) = inspected(zipped(tmp_path / "sent.zip", files)).pictures
    assert picture.caption == "a cup"


def test_captions_find_their_picture_whatever_the_letters(tmp_path: Path) -> None:
    files = {
        "caf\u00e9.jpg": encoded(photo(1)),  # é is one letter
        "cafe\u0301.txt": b"a cafe",  # and here it is two
        "IMG_2.JPG": encoded(photo(2)),
        "img_2.txt": b"upper and lower",
        "deep\\er\\3.jpg": encoded(photo(3)),
        "deep/er/3.txt": b"backslashes",
        "4.jpg": encoded(photo(4)),
        "4.jpg.txt": b"the other habit",
        "5.jpg": encoded(photo(5)),
        "other/5.txt": b"of another folder",
    }
    inspection = inspected(zipped(tmp_path / "sent.zip", files))

    captions = {picture.name: picture.caption for picture in inspection.pictures}
    assert captions == {
        "caf\u00e9.jpg": "a cafe",
        "IMG_2.JPG": "upper and lower",
        "3.jpg": "backslashes",
        "4.jpg": "the other habit",
        "5.jpg": "",
    }
    assert codes(inspection) == [("orphan-caption", "5.txt")]


def test_a_caption_becomes_plain_utf8_letters(tmp_path: Path) -> None:
    texts = {
        "1": b"\xef\xbb\xbfwith a mark",
        "2": "Notepad of 2005".encode("utf-16"),
        "3": b"caf\xe9",
        "4": "\x1b[2J\u202eevil\u200b\r\n\tok ".encode(),
        "5": b"long " * 400,
        "6": b" \n ",
    }
    files = {f"{name}.txt": text for name, text in texts.items()}
    files |= {f"{name}.jpg": encoded(photo(int(name))) for name in texts}
    inspection = inspected(zipped(tmp_path / "sent.zip", files))

    captions = [picture.caption for picture in inspection.pictures]
    assert captions[:4] == ["with a mark", "Notepad of 2005", "caf\u00e9", "[2Jevil\n ok"]
    assert (len(captions[4]), captions[5]) == (999, "")  # cut between words
    assert codes(inspection) == [("caption-encoding", "3.txt"), ("long-caption", "5.txt")]


# ---- pixels


def test_a_kept_picture_is_upright_on_white_and_knows_nothing_else(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    exif[0x010E] = "taken at home, 52.5200 N"
    side = photo(1, (400, 300))
    clear = Image.new("RGBA", (300, 300), (200, 0, 0, 0))
    inspection = sent(
        tmp_path,
        a__jpg=encoded(side, exif=exif, comment=b"secret", dpi=(300, 300)),
        b__png=encoded(clear, "PNG"),
        c__heic=encoded(photo(2, (400, 300)), "HEIF", exif=exif.tobytes()),
        d__png=encoded(Image.new("I;16", (300, 300), 40_000), "PNG"),
        e__jpg=encoded(Image.new("CMYK", (300, 300), (0, 255, 255, 0))),
        f__png=encoded(photo(3).convert("P"), "PNG", transparency=0),
    )
    assert inspection.findings == ()
    assert [(picture.width, picture.height) for picture in inspection.pictures[:3]] == [
        (300, 400),
        (300, 300),
        (300, 400),
    ]
    first, second, _, grey, inks, _ = (kept(tmp_path, inspection, place) for place in range(6))
    assert list(first.getexif()) == []
    assert set(first.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert b"secret" not in (tmp_path / "kept" / f"{inspection.pictures[0].sha256}.jpg").read_bytes()
    assert second.getpixel((9, 9)) == (255, 255, 255)
    assert grey.getpixel((9, 9)) == (156, 156, 156)
    red = inks.getpixel((9, 9))
    assert isinstance(red, tuple)
    assert red[0] > 200
    assert max(red[1:]) < 60


def test_colours_of_another_profile_are_translated(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"????", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"????", b"bXYZ", 1)
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "xRGB".encode("utf-16-be"))
    data = encoded(Image.new("RGB", (300, 300), (255, 0, 0)), "PNG", icc_profile=swapped)

    pixel = kept(tmp_path, sent(tmp_path, a__png=data)).getpixel((9, 9))

    assert isinstance(pixel, tuple)
    assert pixel[2] > 200
    assert pixel[0] < 60


def test_a_camera_s_picture_is_kept_as_large_as_anything_is_trained(tmp_path: Path) -> None:
    (picture,) = sent(tmp_path, a__jpg=encoded(photo(1, (2640, 1980)))).pictures
    assert picture.width * picture.height <= 2048 * 2048
    assert picture.width / picture.height == pytest.approx(4 / 3, rel=0.01)
    assert picture.height > 1700


def claiming(width: int, height: int) -> bytes:
    """A PNG that says it is this large, and has no pixels."""
    whole = bytearray(encoded(photo(1, (8, 8)), "PNG"))
    whole[16:24] = struct.pack(">II", width, height)
    whole[29:33] = struct.pack(">I", zlib.crc32(whole[12:29]))
    return bytes(whole)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    begun = time.perf_counter()
    inspection = sent(tmp_path, a__png=claiming(9000, 6000), b__png=claiming(60_000, 60_000), c__jpg=encoded(photo(1)))
    assert codes(inspection) == [("huge-picture", "a.png"), ("huge-picture", "b.png")]
    assert time.perf_counter() - begun < 2


# ---- on the way to the box, and back to the chat


def packed(folder: Path, manifest: Manifest, name: str) -> Pack:
    return asyncio.run(ChildWorkshop(folder).pack(manifest, folder / "kept", folder / "packs" / name))


def test_no_tar_holds_a_file_name_exif_or_chat_id(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "alice, 52.5200 N"
    files = {
        "alice at home.jpg": encoded(photo(1), exif=exif),
        "alice at home.txt": b"a face",
        "b.jpg": encoded(photo(2)),
    }
    manifest = Manifest(inspected(zipped(tmp_path / "sent.zip", files)).pictures)

    pack = packed(tmp_path, manifest, "one.tar")

    data = (tmp_path / pack.file).read_bytes()
    assert (pack.file, pack.size, pack.sha256) == ("packs/one.tar", len(data), hashlib.sha256(data).hexdigest())
    with tarfile.open(tmp_path / pack.file) as tar:
        assert tar.getnames() == ["0001.jpg", "0001.txt", "0002.jpg"]
        assert {(item.uid, item.gid, item.uname, item.gname, item.mtime, item.mode) for item in tar.getmembers()} == {
            (0, 0, "", "", 0, 0o600)
        }
        caption = tar.extractfile("0001.txt")
        assert caption is not None
        assert caption.read() == b"a face"
        picture = tar.extractfile("0001.jpg")
        assert picture is not None
        assert not Image.open(picture).getexif()
    assert b"alice" not in data
    again = packed(tmp_path, manifest, "two.tar")
    assert (again.sha256, again.size) == (pack.sha256, pack.size)


def test_a_picture_lost_or_changed_in_our_spool_is_our_fault(tmp_path: Path) -> None:
    manifest = Manifest(inspected(zipped(tmp_path / "sent.zip", dataset(1))).pictures)
    picture = tmp_path / "kept" / f"{manifest.pictures[0].sha256}.jpg"
    work = ChildWorkshop(tmp_path)

    picture.write_bytes(encoded(photo(2)))
    assert refused(work.pack(manifest, tmp_path / "kept", tmp_path / "a.tar"), OperatorFault) == "spool-damaged"
    picture.unlink()
    assert refused(work.pack(manifest, tmp_path / "kept", tmp_path / "a.tar"), OperatorFault) == "spool-damaged"
    assert not (tmp_path / "a.tar").exists()


def test_an_89_mp_or_eps_sample_is_refused_only_re_encoded_bytes_reach_chat(tmp_path: Path) -> None:
    good = encoded(photo(1, (512, 512)), comment=b"\x1b]52;c;AAAA\x07")
    folder = laid(
        tmp_path / "box",
        {
            "0.jpg": good + b"<script>",
            "1.jpg": claiming(9400, 9400),  # 88 MP: Pillow does not even warn
            "2.jpg": encoded(photo(2), "EPS"),
            "3.jpg": good[: len(good) // 2],
            "4.png": encoded(photo(3, (2048, 2048)), "PNG"),
            "5.jpg": encoded(photo(4), "HEIF"),
            "6.webp": encoded(photo(5), "WEBP"),
            "7.jpg": good + bytes(8 * 1024**2),
        },
    )
    (folder / "8.jpg").symlink_to(folder / "0.jpg")
    pictures = [*sorted(folder.iterdir()), folder / "gone.jpg"]

    made = asyncio.run(ChildWorkshop(tmp_path).samples(pictures, tmp_path / "samples"))

    assert [path.name for path in made] == ["0.jpg", "4.jpg", "6.jpg"]
    assert sorted((tmp_path / "samples").iterdir()) == made
    assert b"<script>" not in made[0].read_bytes()
    assert b"AAAA" not in made[0].read_bytes()
    assert [Image.open(path).format for path in made] == ["JPEG"] * 3


def test_a_sheet_shows_each_sample_whole(tmp_path: Path) -> None:
    hues = ("red", "lime", "blue", "white")
    sizes = ((900, 900), (600, 900), (900, 600), (900, 900))
    folder = laid(
        tmp_path / "samples",
        {
            f"{n}.jpg": encoded(Image.new("RGB", size, hue))
            for n, (hue, size) in enumerate(zip(hues, sizes, strict=True))
        },
    )
    path = asyncio.run(ChildWorkshop(tmp_path).sheet(sorted(folder.iterdir()), tmp_path / "sheet.jpg"))

    sheet = Image.open(path)
    assert sheet.width == sheet.height < 1600
    quarter, rest = sheet.width // 4, sheet.width * 3 // 4
    pixels = [sheet.getpixel(at) for at in ((quarter, quarter), (rest, quarter), (quarter, rest), (rest, rest))]
    assert [pixel[channel] > 200 for pixel, channel in zip(pixels, (0, 1, 2, 0), strict=True)] == [True] * 4  # type: ignore[index]  # an RGB pixel is a tuple
