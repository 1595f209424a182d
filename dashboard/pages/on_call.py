"""The on-call page: what burns, since when, who is to blame, who has it; the worst first."""

from __future__ import annotations

import streamlit as st

from core.errors import StorageError
from dashboard import filters, guard, login, snapshot
from dashboard.filters import Filters
from dashboard.markup import tag
from dashboard.options import Options
from dashboard.sections import (
    budgets,
    canaries,
    changes,
    deliveries,
    events,
    freshness,
    incidents,
    moment,
    targets,
    traffic,
    trouble,
)
from dashboard.snapshot import Snapshot

_CHOSEN = "filters"


def show(options: Options) -> None:
    """Draw the page, and again every `options.refresh` seconds without touching what a person types meanwhile."""
    st.fragment(_live, run_every=options.refresh)(options)


def _live(options: Options) -> None:
    viewer = login.admit(options)
    if viewer is None:
        return
    try:
        chosen = filters.from_query(st.query_params)
        taken = snapshot.current(options.database_url, chosen.at)
        freshness.show(taken)
        moment.show(taken, chosen)
        _choose(taken, chosen)
        guard.draw("Incidents", incidents.show, taken, chosen, options.database_url, viewer)
        guard.draw("Budgets", budgets.show, taken, chosen)
        guard.draw("Traffic", traffic.show, taken, chosen)
        guard.draw("Canaries", canaries.show, taken, chosen)
        guard.draw("Errors and safety", trouble.show, taken, chosen)
        guard.draw("What changed", changes.show, taken, chosen)
        guard.draw("Targets", targets.show, taken, chosen)
        guard.draw("Deliveries", deliveries.show, taken, options.database_url, viewer)
        guard.draw("Alert events", events.show, taken, chosen)
    except StorageError as error:
        st.error("**The database does not answer.** The page tries again by itself.", icon=":material/database_off:")
        st.html(tag("p", str(error), cls="bl-fault"))


def _choose(taken: Snapshot, chosen: Filters) -> None:
    """The row of chips: each shows one filter and takes it away; its field adds more."""
    groups = [row["group"] for row in taken.status] + [one for target in taken.targets for one in target.groups]
    slos = {row["slo"] for row in taken.status} | {incident.slo for incident in taken.incidents}
    by_text = {f"{name} = {value}": (name, value) for name, value in filters.choices(slos, groups, chosen)}
    st.session_state[_CHOSEN] = [f"{name} = {value}" for name, value in chosen.pairs()]
    st.multiselect(
        "Filters",
        list(by_text),
        key=_CHOSEN,
        label_visibility="collapsed",
        placeholder="Whole fleet. Narrow to an SLO, model, version, region or tenant",
        on_change=_narrow,
        args=(by_text,),
    )


def _narrow(by_text: dict[str, tuple[str, str]]) -> None:
    # Of two values of one name the newer stands: the address has room for one.
    wanted = dict(by_text[text] for text in st.session_state[_CHOSEN])
    for name in filters.NAMES:
        if name in wanted:
            st.query_params[name] = wanted[name]
        elif name in st.query_params:
            del st.query_params[name]
