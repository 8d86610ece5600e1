"""The container images that are named in this repository, and which of them are pinned by digest.

A tag can be moved to another image; a digest cannot. A digest has to be looked up in the image's registry.
"""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACES = ("Dockerfile", "docker-compose.yml", "deploy/kubernetes/*.yaml")
OWN = "concur-proxy:"
"""Built from this repository, so that there is no digest before it is built."""

_IMAGE = re.compile(r"^\s*(?:image:|FROM)\s+([^\s#]+)", re.MULTILINE)
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def images() -> Iterator[tuple[str, str]]:
    """Each file that names images of others, with each image."""
    for pattern in PLACES:
        for path in sorted(ROOT.glob(pattern)):
            for image in _IMAGE.findall(path.read_text()):
                if not image.startswith(OWN):
                    yield path.relative_to(ROOT).as_posix(), image


def is_pinned(image: str) -> bool:
    """Whether it names one image for ever."""
    return _DIGEST.search(image) is not None


def warnings() -> list[str]:
    """A line for each image without a digest, with the command that looks it up."""
    return [
        f"{path}: {image} is not pinned: docker buildx imagetools inspect {image} --format '{{{{.Manifest.Digest}}}}'"
        for path, image in images()
        if not is_pinned(image)
    ]
