"""Judgements: the words for how ours stands to what a paper prints, of a figure and of a row."""

from typing import Literal

Judgement = Literal["agrees", "differs", "explained", "not reproducible", "not judged"]
"""Of one printed figure; `explained` where arithmetic accounts for its difference from ours."""
JUDGED = ("agrees", "differs", "explained", "not reproducible")
REPRODUCED = "reproduced"
"""Of a row all of whose judged figures agree; of any other it says how many do."""
