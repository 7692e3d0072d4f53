"""Decoding: bytes of a stranger in, a JPEG of ours out. Nothing of the original file survives but its colours."""

import hashlib
import os
import warnings
from io import BytesIO
from typing import Final

import pillow_heif
from PIL import Image, ImageCms, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from pipeline.adapters.workshop_child.entries import Broken

# imported for their effect, and before the walls go up: what a picture or its EXIF may ask for later
PLUGINS: Final = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin)
PHOTOS: Final = ("JPEG", "PNG", "WEBP", "HEIF")
DRAWN: Final = ("JPEG", "PNG", "WEBP")  # what a trainer writes
MOST_PIXELS: Final = 50_000_000
KEPT_PIXELS: Final = 2048 * 2048  # the largest resolution trained at is 1536²; more would only travel
_ORIENTATION: Final = 0x0112  # EXIF
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SRGB: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))

pillow_heif.register_heif_opener(thumbnails=False)
pillow_heif.options.DECODE_THREADS = 1


def decode(data: bytes, formats: tuple[str, ...], most_pixels: int = MOST_PIXELS, least_side: int = 1) -> Image.Image:
    """Decode fully, upright, in sRGB, on white, without metadata.

    Raises Broken("broken-picture" | "huge-picture" | "tiny-picture"); sizes are judged before a pixel is decoded.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # Pillow warns of sizes it then reads all the same
            image = Image.open(BytesIO(data), formats=formats)
    except Image.DecompressionBombError:
        raise Broken("huge-picture", most_mp=most_pixels // 1_000_000) from None
    except Exception:  # noqa: BLE001  # decoders raise anything on crafted bytes, and the answer is the same
        raise Broken("broken-picture") from None
    if image.width * image.height > most_pixels:
        raise Broken("huge-picture", most_mp=most_pixels // 1_000_000)
    if min(image.size) < least_side:
        raise Broken("tiny-picture", width=image.width, height=image.height)
    try:
        with warnings.catch_warnings(action="ignore"):
            image.load()
            return _plain(image)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  # as above
        raise Broken("broken-picture") from None


def _plain(image: Image.Image) -> Image.Image:
    profile, turn = image.info.get("icc_profile"), _orientation(image)
    image = _shrunk(_straight(image))
    image = image.transpose(turn) if turn is not None else image
    image = _on_white(_in_srgb(image, profile))
    image.info = {}  # a comment would be written along
    return image


def _orientation(image: Image.Image) -> Image.Transpose | None:
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001  # a torn EXIF block is no reason to lose a picture
        return None


def _straight(image: Image.Image) -> Image.Image:
    """Turn palettes, bitmaps and 16-bit greys into colours that can be scaled."""
    if image.mode.startswith("I"):
        image = image.point(lambda grey: grey * (1 / 256)).convert("L")
    if image.mode in {"RGB", "RGBA", "L", "CMYK"} and "transparency" not in image.info:
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _shrunk(image: Image.Image) -> Image.Image:
    share = (KEPT_PIXELS / (image.width * image.height)) ** 0.5
    if share >= 1:
        return image
    size = (max(1, int(image.width * share)), max(1, int(image.height * share)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Translate the colours of another profile: without it, phones' wide colours train as dull ones."""
    if not profile:
        return image
    out = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image
        return ImageCms.profileToProfile(image, source, _SRGB, outputMode=out) or image
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a broken profile, or one for other channels


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def jpeg(image: Image.Image, quality: int) -> bytes:
    """Encode without losing colour resolution."""
    out = BytesIO()
    image.save(out, "JPEG", quality=quality, subsampling=0)
    return out.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write(data: bytes, path: str) -> None:
    """Make a file of ours, 0600, where none was."""
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(opened, "wb") as file:
        file.write(data)
