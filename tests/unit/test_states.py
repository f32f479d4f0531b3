"""The tables of states: what they allow, and that every state can be left or is an end."""

from __future__ import annotations

import pytest

from app.states import ACTIVE, ENGINE_MOVES, JOB_MOVES, TERMINAL, EngineState, ForbiddenMoveError, JobState, move


def test_a_job_goes_its_way() -> None:
    way = [JobState.QUEUED, JobState.LOADING, JobState.RUNNING, JobState.DECODING, JobState.SAVING, JobState.SUCCEEDED]
    state = way[0]
    for new in way[1:]:
        state = move(JOB_MOVES, state, new)
    assert state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (JobState.SUCCEEDED, JobState.QUEUED),
        (JobState.QUEUED, JobState.SUCCEEDED),
        (JobState.QUEUED, JobState.SAVING),
        (JobState.FAILED, JobState.SUCCEEDED),
        (JobState.CANCELLED, JobState.RUNNING),
    ],
)
def test_other_ways_are_refused(old: JobState, new: JobState) -> None:
    with pytest.raises(ForbiddenMoveError):
        move(JOB_MOVES, old, new)


def test_the_tables_are_whole() -> None:
    assert set(JOB_MOVES) == set(JobState)
    assert set(ENGINE_MOVES) == set(EngineState)
    assert not TERMINAL & ACTIVE
    assert set(JobState) == TERMINAL | ACTIVE | {JobState.QUEUED}
    # Every live state can fail and be cancelled; staying is always allowed.
    for state in ACTIVE | {JobState.QUEUED}:
        assert {JobState.FAILED, JobState.CANCELLED} <= JOB_MOVES[state]
        assert move(JOB_MOVES, state, state) is state
