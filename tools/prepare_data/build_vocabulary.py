"""Build the class vocabularies packaged with ``vovtrack.structures``.

Example:
    python tools/prepare_data/build_vocabulary.py --lvis-categories lvis_v1_categories.json \
        --tao-masks tao_ov_class_masks.json --out vovtrack/structures/data

The official ``lvis_v1_val.json`` has synonyms, too: then they are written along.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.structures import Vocabulary

SPLITS = ("validation", "test")


def lvis_table(categories: list[dict]) -> dict:
    """Reduce the LVIS v1 category list to id, name, synset and training frequency."""
    keys = ("id", "name", "synset", "frequency")
    rows = [[category[key] for key in keys] for category in categories]
    ids = [row[0] for row in rows]
    if ids != list(range(1, len(ids) + 1)):
        raise InputError("The LVIS category ids must run from 1 without a gap, in order.")
    return {"columns": list(keys), "categories": rows}


def synonym_table(categories: list[dict]) -> dict:
    """Each LVIS class with other names: the one that the vocabulary gives it, then the others."""
    names = Vocabulary.load("lvis_v1").names
    rows = [
        [name, *sorted({category["name"], *category["synonyms"]} - {name})]
        for name, category in zip(names, categories, strict=True)
    ]
    return {"synonyms": [row for row in rows if len(row) > 1]}


def tao_table(masks: dict, lvis: dict) -> dict:
    """Keep the ids and the released mask of each split; check its novel mask against LVIS."""
    rare = {row[0] for row in lvis["categories"] if row[3] == "r"}
    table = {}
    for split in SPLITS:
        ids, novel = masks[split]["category_ids"], masks[split]["novel"]
        if [category_id in rare for category_id in ids] != [bool(flag) for flag in novel]:
            raise InputError(f"The novel mask of {split} is not the set of rare LVIS v1 classes.")
        released = [int(flag) for flag in masks[split]["released_fusion_mask"]]
        table[split] = {"category_ids": ids, "released_mask": released}
    return table


def write(path: Path, table: dict) -> None:
    """Write one table as JSON, one list entry of categories per line."""
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":"))
    with atomic_write(path) as file:
        file.write(text.replace("],[", "],\n[") + "\n")


def main() -> None:
    """Read the two source files and write the packaged ones."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lvis-categories", type=Path, required=True, metavar="FILE")
    parser.add_argument("--tao-masks", type=Path, required=True, metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    args = parser.parse_args()
    content = json.loads(args.lvis_categories.read_text(encoding="utf-8"))
    categories = content["categories"] if isinstance(content, dict) else content
    lvis = lvis_table(categories)
    tao = tao_table(json.loads(args.tao_masks.read_text(encoding="utf-8")), lvis)
    write(args.out / "lvis_v1.json", lvis)
    write(args.out / "tao_open_vocabulary.json", tao)
    if "synonyms" in categories[0]:
        write(args.out / "lvis_v1_synonyms.json", synonym_table(categories))


if __name__ == "__main__":
    try:
        main()
    except (InputError, OSError) as error:
        sys.exit(f"build_vocabulary: {error}")
