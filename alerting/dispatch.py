"""From alert events to outbox rows, in one transaction: cursor, groups, incidents, notification log, outbox.

Whatever interrupts it, either all of it has happened or nothing, so each event is consumed exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from alerting import grouping, route, state
from alerting.evidence import build, title
from alerting.grouping import Picture, Reason
from alerting.incidents import Incidents
from alerting.notification import ACKNOWLEDGE, NOTIFY, AlertView, Notification
from alerting.route import Placement, Route
from alerting.settings import GROUP_INTERVAL, REPEAT_INTERVAL
from alerting.state import Group, Identity, Member
from core.labels import fingerprint
from storage import alerts, outbox, silences
from storage.alerts import AlertEvent
from storage.silences import Silence

BATCH = 1000
"""Events in one transaction. Groups are looked at only when a batch was not full: an alert that has resolved
in the next batch must not page."""


@dataclass(frozen=True)
class Audience:
    """What the dispatcher needs to know of a receiver."""

    send_resolved: bool
    acknowledges: bool


@dataclass(frozen=True)
class Plan:
    """What the settings come to: the route tree, the receivers by name, and Burnline's own address."""

    root: Route
    audiences: Mapping[str, Audience]
    external_url: str


@dataclass(frozen=True)
class Report:
    """What one transaction did: events consumed, reasons by receiver, and when there is more to do (Unix seconds)."""

    consumed: int
    decided: tuple[tuple[str, Reason], ...]
    next_due: float | None


def consume(connection: Connection, plan: Plan, now: float, reconcile: bool = False) -> Report:
    """Consume the next events, tell who is due. With `reconcile`, first follow changes of the route tree."""
    return _Dispatch(connection, plan, now).run(reconcile)


class _Dispatch:
    """One transaction's work; groups and incidents are loaded once and written at the end."""

    def __init__(self, connection: Connection, plan: Plan, now: float) -> None:
        self._connection = connection
        self._plan = plan
        self._now = now
        self._groups: dict[Identity, Group] = {}
        self._touched: set[Identity] = set()
        self._has_all = False
        self._incidents = Incidents(connection)
        self._decided: list[tuple[str, Reason]] = []

    def run(self, reconcile: bool) -> Report:
        cursor = alerts.lock_cursor(self._connection, self._now)
        if reconcile:
            self._reconcile()
        events = alerts.after(self._connection, cursor, BATCH)
        for event in events:
            self._apply(event)
        if events:
            alerts.move_cursor(self._connection, events[-1].id, self._now)
        state.save(self._connection, [self._groups[identity] for identity in sorted(self._touched)])
        is_behind = len(events) == BATCH
        if not is_behind:
            self._look_at_due_groups()
            self._pass_on_acknowledgements()
        self._incidents.save()
        return Report(len(events), tuple(self._decided), self._now if is_behind else self._next_due())

    def _next_due(self) -> float | None:
        """When the next group is looked at; the end of a silence is such a moment, too."""
        moments = [silence.ends_at for silence in silences.active(self._connection, self._now)]
        flush_at = state.next_flush(self._connection)
        return min(moments if flush_at is None else [*moments, flush_at], default=None)

    # --- events into groups

    def _apply(self, event: AlertEvent) -> None:
        if event.transition == "firing":
            self._fire(event)
        elif event.transition == "resolved":
            self._resolve(event)

    def _fire(self, event: AlertEvent) -> None:
        view = _view(event)
        placements = route.match(self._plan.root, event.labels)
        primary = self._group(placements[0].identity)
        known = primary.members.get(view.fingerprint) if primary is not None else None
        incident_id = self._incidents.join(placements[0].key, event, view, is_new=known is None)
        for placement in placements:
            self._place(placement, view, incident_id, event.at)

    def _place(self, placement: Placement, view: AlertView, incident_id: int, at: float) -> None:
        group = self._group(placement.identity) or self._create(placement, view.labels, at)
        before = group.members.get(view.fingerprint)
        muted = before is not None and before.muted
        group.members[view.fingerprint] = Member(**vars(view), incident_id=incident_id, muted=muted)
        self._touched.add(group.identity)

    def _create(self, placement: Placement, labels: Mapping[str, str], at: float) -> Group:
        # A clock that runs ahead at the engine must not make a page wait longer.
        flush_at = min(at, self._now) + placement.route.group_wait
        floor = state.log_end(self._connection)
        group_labels = placement.route.group_labels(labels)
        group = Group(placement.key, placement.route.receiver, group_labels, {}, flush_at, floor)
        self._groups[group.identity] = group
        return group

    def _resolve(self, event: AlertEvent) -> None:
        # Looked for everywhere: a changed route tree may have left it in groups that it no longer leads to.
        alert = fingerprint(event.labels)
        for group in self._all_groups():
            if (member := group.members.get(alert)) is not None:
                group.resolve(alert, event.at)
                self._incidents.end(member.incident_id, alert, event.at)
                self._touched.add(group.identity)

    def _all_groups(self) -> list[Group]:
        if not self._has_all:
            for group in state.every(self._connection):
                self._groups.setdefault(group.identity, group)
            self._has_all = True
        return list(self._groups.values())

    def _group(self, identity: Identity) -> Group | None:
        if (
            not self._has_all
            and identity not in self._groups
            and (group := state.load(self._connection, identity)) is not None
        ):
            self._groups[identity] = group
        group = self._groups.get(identity)
        return group if group is not None and group.members else None

    # --- groups into notifications

    def _look_at_due_groups(self) -> None:
        active = silences.active(self._connection, self._now)
        for group in state.due(self._connection, self._now):
            muted = {one.fingerprint for one in group.members.values() if one.ends_at is None and _hides(active, one)}
            unmuted = {one.fingerprint for one in group.members.values() if one.ends_at is None and one.muted} - muted
            if group.flush_at <= self._now or unmuted:
                self._flush(group, frozenset(muted), frozenset(unmuted))
                state.save(self._connection, [group])

    def _flush(self, group: Group, muted: frozenset[str], unmuted: frozenset[str]) -> None:
        timing, audience = self._timing(group), self._plan.audiences.get(group.receiver)
        picture = self._picture(group, muted, unmuted)
        last = state.last_entry(self._connection, group)
        send_resolved = audience is None or audience.send_resolved
        rules = grouping.Rules(timing.repeat_interval if timing else REPEAT_INTERVAL, send_resolved)
        reason = grouping.decide(last, picture, rules, self._now)
        told = last.firing if last is not None else frozenset()
        if reason.notifies:
            ended = picture.resolved & told if send_resolved else frozenset()
            self._notify(group, picture, reason, told, said=(picture.firing | ended) if audience else frozenset())
        elif last is not None and told & picture.resolved:
            # Not told, but settled: should it fire again, that is news.
            entry = grouping.Entry(last.at, told - picture.resolved)
            state.record(self._connection, group.identity, entry, picture.resolved, reason=reason, outbox_id=None)
        self._decided.append((group.receiver, reason))
        self._settle(group, muted, timing.group_interval if timing else GROUP_INTERVAL)

    def _timing(self, group: Group) -> Route | None:
        """The route that this group comes from; a detached one has none."""
        labels = next(iter(group.members.values())).labels
        places = {place.identity: place.route for place in route.match(self._plan.root, labels)}
        return places.get(group.identity)

    def _picture(self, group: Group, muted: frozenset[str], unmuted: frozenset[str]) -> Picture:
        firing = {one.fingerprint: one.incident_id for one in group.members.values() if one.ends_at is None}
        heard = frozenset(firing) - muted
        return Picture(
            firing=heard,
            muted=muted,
            resolved=frozenset(group.members) - frozenset(firing),
            unmuted=unmuted & heard,
            acknowledged=self._incidents.is_acknowledged(firing[one] for one in heard),
            detached=group.detached,
        )

    def _notify(
        self, group: Group, picture: Picture, reason: Reason, told: frozenset[str], *, said: frozenset[str]
    ) -> None:
        row = self._tell(group, reason, _in_order(group, said)) if said else None
        # What was told and is now silenced still stands at the receiver.
        entry = grouping.Entry(self._now, picture.firing | (picture.muted & told))
        state.record(self._connection, group.identity, entry, picture.resolved & told, reason=reason, outbox_id=row)

    def _tell(self, group: Group, reason: Reason, views: list[AlertView]) -> int:
        incident_ids = sorted({group.members[view.fingerprint].incident_id for view in views})
        facts = build(self._connection, views, incident_ids, self._now)
        self._incidents.notified(incident_ids, views, facts, self._now)
        message = self._message(group, NOTIFY, reason, views)
        return self._put(group, replace(message, evidence=facts, incident_id=incident_ids[0]))

    def _message(self, group: Group, action: str, reason: Reason, views: list[AlertView]) -> Notification:
        return Notification(
            action=action,
            receiver=group.receiver,
            group_key=group.key,
            group_labels=group.labels,
            reason=reason.value,
            title=title(views),
            severity=_severity(views),
            alerts=tuple(views),
            evidence={},
            at=self._now,
            external_url=self._plan.external_url,
        )

    def _put(self, group: Group, notification: Notification) -> int:
        key, body = route.dedup_key(group.key), notification.to_json()
        return outbox.put(self._connection, group.receiver, group.key, dedup_key=key, body=body, now=self._now)

    def _settle(self, group: Group, muted: frozenset[str], interval: float) -> None:
        gone = [one for one in group.members.values() if one.ends_at is not None]
        staying = [one for one in group.members.values() if one.ends_at is None]
        group.members = {one.fingerprint: replace(one, muted=one.fingerprint in muted) for one in staying}
        group.flush_at = self._now + interval
        for incident_id in {one.incident_id for one in gone}:
            self._incidents.close_if_resolved(incident_id, group.key)

    # --- acknowledgements

    def _pass_on_acknowledgements(self) -> None:
        waiting = self._incidents.acknowledged_unsent()
        if not waiting:
            return
        listening = [group for group in state.every(self._connection) if self._wants_acknowledgement(group)]
        for incident in waiting:
            mine = [g for g in listening if any(one.incident_id == incident.id for one in g.members.values())]
            told = [group for group in mine if state.last_entry(self._connection, group) is not None]
            for group in told:
                self._acknowledge(group, incident.id, incident.acknowledged_by)
            # A pager drops an acknowledgement of what it has not heard of: wait until it has.
            if told or not mine:
                self._incidents.acknowledgement_sent(incident.id)

    def _wants_acknowledgement(self, group: Group) -> bool:
        audience = self._plan.audiences.get(group.receiver)
        return audience is not None and audience.acknowledges

    def _acknowledge(self, group: Group, incident_id: int, by: str | None) -> None:
        views = _in_order(group, frozenset(group.members))
        message = self._message(group, ACKNOWLEDGE, Reason.ACKNOWLEDGED, views)
        self._put(group, replace(message, incident_id=incident_id, acknowledged_by=by))

    # --- a changed route tree

    def _reconcile(self) -> None:
        """Alerts that fire are placed as the tree says now. The groups they had keep only what is to be resolved."""
        outbox.fail_orphans(self._connection, sorted(self._plan.audiences))
        groups = self._all_groups()
        self._touched |= {group.identity for group in groups}
        for group in groups:
            members = list(group.members.values())
            group.detached = not any(group.identity in self._places(member) for member in members)
            for member in members:
                self._place_again(member)
        for group in groups:
            if group.detached and group.receiver not in self._plan.audiences:
                group.members.clear()

    def _places(self, member: Member) -> list[Identity]:
        return [place.identity for place in route.match(self._plan.root, member.labels)]

    def _place_again(self, member: Member) -> None:
        if member.ends_at is not None:
            return
        placements = route.match(self._plan.root, member.labels)
        self._incidents.move(member.incident_id, placements[0].key)
        for placement in placements:
            group = self._groups.get(placement.identity)
            if group is None or member.fingerprint not in group.members:
                self._place(placement, member.view(), member.incident_id, self._now)


def _view(event: AlertEvent) -> AlertView:
    labels, annotations = dict(event.labels), dict(event.annotations)
    return AlertView(fingerprint(labels), labels, annotations, dict(event.evidence), event.starts_at, None)


def _hides(active: list[Silence], member: Member) -> bool:
    return any(silence.matches(member.labels) for silence in active)


def _in_order(group: Group, chosen: frozenset[str]) -> list[AlertView]:
    """Firing ones first, then by their labels."""
    members = [group.members[one] for one in chosen]
    members.sort(key=lambda one: (one.ends_at is not None, sorted(one.labels.items())))
    return [one.view() for one in members]


def _severity(views: list[AlertView]) -> str:
    found = {view.labels.get("severity", "") for view in views}
    return next((one for one in ("page", "ticket", "info") if one in found), "ticket")
