"""Fourteen public competitions in miniature: their files, names, columns and answers; drawn pictures.

What is kept is what a reader of the data meets: folders, names with and without extension, columns in
their order, classes (some of them), the sample submission. Values in columns that are not used are made
up. Left out is hotel-id, whose metric (MAP@5) needs five answers an image.
"""

from collections.abc import Callable
from pathlib import Path

from tests.layouts import with_tables, without_tables
from tests.layouts.drawn import Expected

COMPETITIONS: dict[str, Callable[[Path], Expected]] = {
    one.__name__: one
    for one in (
        with_tables.aerial_cactus,
        with_tables.aptos2019,
        with_tables.cassava,
        with_tables.dog_breed,
        with_tables.invasive_species,
        with_tables.iwildcam_2019,
        with_tables.leaf,
        with_tables.siim_isic,
        with_tables.plant_pathology_2020,
        with_tables.histopathologic,
        without_tables.plant_seedlings,
        without_tables.paddy,
        without_tables.alaska2,
        without_tables.dogs_vs_cats,
    )
}
"""Name -> writes the data folder and its task.toml."""
