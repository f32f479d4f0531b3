"""A repository before the download: what it holds, what would be fetched, and what stands in the way."""

from __future__ import annotations

import logging
from typing import Any

from app.hub.access import standing
from app.hub.api import Api, Info
from app.hub.cache import Cache
from app.hub.errors import NetError
from app.hub.plan import Plan, make_plan
from app.hub.probe import Findings, Probe
from app.hub_protocol import PullSpec, RepoFacts
from models.errors import ErrorInfo

log = logging.getLogger(__name__)

_SAID_OTHERWISE = frozenset({"", "other", "unknown"})


def describe(api: Api, probe: Probe, cache: Cache, spec: PullSpec) -> RepoFacts:
    """Read a repository without fetching any weights.

    Raises:
        NetError, and AtelierError as ``make_plan``.
    """
    info = api.info(spec.repo, spec.commit or spec.revision)
    access, barred = standing(api, spec.repo, info)
    plan = make_plan(api, spec, info, closed=barred is not None)
    findings = Findings() if barred is not None else _look(probe, plan)
    licence, url = _licence(api, spec.repo, info, plan)
    choice = plan.choice
    return RepoFacts(
        repo=spec.repo,
        commit=plan.commit,
        kind=findings.kind or choice.kind,
        pipeline=choice.pipeline,
        family=findings.family,
        files=plan.files,
        total_bytes=plan.total_bytes,
        here_bytes=sum(cache.here(plan.repo, file) for file in plan.files),
        licence=licence,
        licence_url=url,
        gated=bool(info.gated),
        private=info.private,
        access=access,
        risks=(*choice.risks, *(["unsafe_scan"] if _is_unsafe(info, plan) else [])),
        problem=_problem(barred, choice.problem, findings.problem),
        needs=findings.needs,
        tags=tuple(tag[:100] for tag in info.tags[:60]),
        downloads=info.downloads,
        likes=info.likes,
        modified=info.last_modified or "",
        others=plan.others,
    )


def _problem(barred: NetError | None, chosen: ErrorInfo | None, found: ErrorInfo | None) -> ErrorInfo | None:
    """What cannot be mended stands before what can: accepting a licence is no use for a model that cannot be run."""
    return chosen or found or (barred.info if barred is not None else None)


def _look(probe: Probe, plan: Plan) -> Findings:
    if plan.choice.problem is not None:
        return Findings()
    try:
        return probe.look(plan)
    except NetError:
        log.exception("%s could not be looked into", plan.repo)  # the rest of the facts is of use all the same
        return Findings()


def _licence(api: Api, repo: str, info: Info, plan: Plan) -> tuple[str, str]:
    """The licence's name and where its text is."""
    card: dict[str, Any] = info.card_data if isinstance(info.card_data, dict) else {}
    tagged = next((tag.removeprefix("license:") for tag in info.tags if tag.startswith("license:")), "")
    stated = card.get("license")
    name = stated if isinstance(stated, str) else tagged
    if name in _SAID_OTHERWISE and isinstance(card.get("license_name"), str):
        name = card["license_name"]
    link = card.get("license_link")
    if isinstance(link, str) and link.startswith("https://"):
        return name[:100], link[:500]
    file = next(
        (file.path for file in plan.files if "/" not in file.path and file.path.lower().startswith("licen")), ""
    )
    page = api.page(repo)
    return name[:100], f"{page}/blob/main/{file}" if file else page


def _is_unsafe(info: Info, plan: Plan) -> bool:
    """Whether the hub's scanners warn of a file that would be fetched."""
    status = info.security_repo_status
    issues = status.get("filesWithIssues") if isinstance(status, dict) else None
    wanted = {file.path for file in plan.files}
    marked = [issue for issue in issues if isinstance(issue, dict)] if isinstance(issues, list) else []
    return any(issue.get("path") in wanted and issue.get("level") in ("unsafe", "suspicious") for issue in marked)
