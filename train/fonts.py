"""The typefaces that pages are set in, split into training and held-out families."""

from __future__ import annotations

import random
import re
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

FONT_ROOT = Path("/usr/share/fonts")

# Family -> start of its file names. A missing family is skipped, so a machine with fewer fonts still works.
TRAIN_FAMILIES = {
    "dejavu_sans": "DejaVuSans", "dejavu_serif": "DejaVuSerif", "dejavu_mono": "DejaVuSansMono",
    "liberation_sans": "LiberationSans-", "liberation_serif": "LiberationSerif-", "liberation_mono": "LiberationMono-",
    "noto_sans": "NotoSans-", "noto_serif": "NotoSerif-", "noto_mono": "NotoSansMono-",
    "roboto": "Roboto-", "roboto_condensed": "RobotoCondensed-", "open_sans": "OpenSans-",
    "inconsolata": "Inconsolata", "fira_code": "FiraCode-", "cantarell": "Cantarell-",
    "free_sans": "FreeSans", "free_serif": "FreeSerif", "free_mono": "FreeMono",
    "arimo": "Arimo-", "tinos": "Tinos-", "cousine": "Cousine-", "caladea": "Caladea-",
    "courier_prime": "Courier Prime", "eb_garamond": "EBGaramond12-", "quicksand": "Quicksand-",
    "jetbrains_mono": "JetBrainsMono-", "inter": "Inter-", "b612": "B612-", "manrope": "Manrope-", "dosis": "Dosis-",
    "play": "Play-", "pt_sans": "PTS", "pt_serif": "PTF", "charis": "CharisSIL-", "andika": "Andika-",
    "nimbus_sans": "NimbusSans-", "nimbus_roman": "NimbusRoman-", "nimbus_mono": "NimbusMonoPS-", "bookman": "URWBookman-",
    "vollkorn": "Vollkorn-", "quattrocento": "Quattrocento-", "go": "Go-", "anonymous_pro": "Anonymous_Pro",
    "clear_sans": "ClearSans-", "gillius": "GilliusADF-", "universalis": "UniversalisADFStd-",
    "league_spartan": "LeagueSpartan-", "stix": "STIXGeneral", "neohellenic": "GFSNeohellenic", "old_standard": "OldStandard-",
    "tuffy": "Tuffy", "opendin": "OpenDinSchriftenEngshrift", "sora": "Sora-", "cmu_serif": "cmunr",
    "cmu_sans": "cmunss", "comic_neue": "ComicNeue-", "averia": "AveriaSansGWF", "fantasque": "FantasqueSansMono-",
    "agave": "agave-", "karmilla": "Karmilla-", "heros": "texgyreheros-", "termes": "texgyretermes-",
    "cursor": "texgyrecursor-", "adventor": "texgyreadventor-", "loma": "Loma", "comfortaa": "Comfortaa",
    "junction": "junction", "national_park": "NationalPark-", "gothic": "URWGothic-", "cardo": "Cardo",
}
HELDOUT_FAMILIES = {
    "lato": "Lato-", "carlito": "Carlito-", "roboto_slab": "RobotoSlab-", "gentium": "GenBas", "hack": "Hack-",
    "cabin": "Cabin-", "karla": "Karla-", "mononoki": "mononoki-", "pagella": "texgyrepagella-", "p052": "P052-",
    "c059": "C059-", "go_mono": "Go-Mono", "biolinum": "LinBiolinum_R", "libertine": "LinLibertine_R",
    "accanthis": "AccanthisADFStd-", "b612_mono": "B612Mono-", "schola": "texgyreschola-", "jura": "Jura-",
    "monoid": "Monoid-", "gentium_book": "GenBkBas", "lm_sans": "lmsans10-", "junicode": "JunicodeTwoBeta-",
}
SEGMENT_FONTS = {"dseg7": "DSEG7Classic-", "dseg14": "DSEG14Classic-", "dseg7_modern": "DSEG7Modern-"}

_WEAK_STYLES = re.compile(r"thin|hairline|extralight|ultralight|light|black|ultra|heavy|symbol|caps|slanted|dunhill|math", re.I)
_SLANTED = re.compile(r"italic|oblique|[-_](it|bi|i|ri)\.|-(bold)?ita", re.I)
_BOLD = re.compile(r"bold|demi|-b\.|-bd|semibold|medi", re.I)


@lru_cache(maxsize=None)
def _all_files() -> tuple[Path, ...]:
    """Every outline font below FONT_ROOT; formats that FreeType sets well, one file per name."""
    by_name = {}
    for path in sorted(FONT_ROOT.rglob("*")):
        if path.suffix.lower() in (".ttf", ".otf", ".t1"):
            by_name.setdefault(path.stem, path)
    return tuple(by_name.values())


@lru_cache(maxsize=None)
def family_files(prefix: str) -> dict[str, list[str]]:
    """Files of one family, keyed `regular`, `bold`, `slanted`; weights that are too light to read are left out."""
    styles: dict[str, list[str]] = {"regular": [], "bold": [], "slanted": []}
    for path in _all_files():
        if not path.name.startswith(prefix) or _WEAK_STYLES.search(path.name):
            continue
        if prefix == "DejaVuSans" and "Mono" in path.name or prefix == "DejaVuSans" and "Math" in path.name:
            continue
        if prefix == "Go-" and "Mono" in path.name:
            continue
        style = "slanted" if _SLANTED.search(path.name) else "bold" if _BOLD.search(path.name) else "regular"
        styles[style].append(str(path))
    return styles


@lru_cache(maxsize=6000)
def load_font(path: str, size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=200000)
def advance(path: str, size: float, text: str) -> float:
    """Width of a character or a text in pixels."""
    return load_font(path, size).getlength(text)


class Face:
    """One family; `font_path(rng, bold)` picks a file of the wanted weight."""

    def __init__(self, name: str, prefix: str):
        self.name = name
        self.styles = family_files(prefix)

    def font_path(self, rng: random.Random, bold: bool = False, slanted: bool = False) -> str:
        order = ("slanted",) * slanted + (("bold", "regular") if bold else ("regular", "bold")) + ("slanted",)
        for style in order:
            if self.styles[style]:
                return rng.choice(self.styles[style])
        raise LookupError(f"no file of family {self.name}")


@lru_cache(maxsize=None)
def faces(heldout: bool) -> tuple[Face, ...]:
    table = HELDOUT_FAMILIES if heldout else TRAIN_FAMILIES
    found = tuple(f for f in (Face(n, p) for n, p in table.items()) if any(f.styles.values()))
    if not found:
        raise RuntimeError("no fonts found below /usr/share/fonts; run train/setup.sh")
    return found


@lru_cache(maxsize=None)
def segment_faces() -> tuple[Face, ...]:
    return tuple(f for f in (Face(n, p) for n, p in SEGMENT_FONTS.items()) if f.styles["regular"])
