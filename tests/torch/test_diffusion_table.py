"""Is the checked-in pipeline table that of the diffusers installed here?"""

from __future__ import annotations

import diffusers
import pytest

from models.pipelines import PipelineRow, table
from models.runners.diffusion.table import PATH, build, encode


def test_the_table_is_up_to_date() -> None:
    if diffusers.__version__ != table().diffusers:
        pytest.skip(f"the table is of diffusers {table().diffusers}")
    fresh, checked_in = _by_name(build().rows), _by_name(table().rows)
    # Classes that need an optional package are there in one environment and not in another.
    both = fresh.keys() & checked_in.keys()
    assert len(both) > 280
    stale = sorted(name for name in both if fresh[name] != checked_in[name])
    assert stale == [], "run: python -m models.runners.diffusion.table --write"


def test_the_file_is_written_in_a_stable_form() -> None:
    assert encode(table()) == PATH.read_bytes()


def _by_name(rows: tuple[PipelineRow, ...]) -> dict[str, PipelineRow]:
    return {row.name: row for row in rows}
