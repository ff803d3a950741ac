"""Another data source: a table of files and captions. docs/extending.md shows this file.

python -m dmgan_tf.prepare_data --dataset=another_source:CSVSource --source=DIR --output=data/mine
"""

import csv

from dmgan_tf.data.sources.source import CaptionedImage, Source
from dmgan_tf.errors import InputError


class CSVSource(Source):
    """A folder with images and a `captions.csv`, whose columns are `file` and `caption`.

    Args:
        directory: The folder.
        test_fraction: As for `Source`, which holds test images out.
        delimiter: The separator of the columns.
    """

    small_images = "upscale"

    def __init__(self, directory, test_fraction=0.1, delimiter=","):
        super().__init__(directory, test_fraction)
        self.delimiter = delimiter

    def list_images(self):
        path, captions = self.directory / "captions.csv", {}
        try:
            with open(path, encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file, delimiter=self.delimiter):
                    captions.setdefault(row["file"], []).append(row["caption"])
        except (OSError, UnicodeDecodeError, KeyError) as error:
            raise InputError(f"Expected columns file and caption in {path}: {error!r}.") from error
        self.files_read.add(path)
        images = [
            CaptionedImage(self.directory / name, name, tuple(texts), class_id=None)
            for name, texts in captions.items()
        ]
        return {"train": images}
