"""The place of a request in its session's family, as the rows of `clients.CLIENTS` say."""

from collections.abc import Mapping

from concur_proxy.recognition.clients import CLIENTS, Client, Family
from concur_proxy.recognition.paths import resolve
from concur_proxy.recognition.recogniser import Recognition, session_key
from concur_proxy.wire.request.view import RequestView


class _HeaderRule:
    """A row of the table, with its names as they are in a request."""

    __slots__ = ("has_members", "member", "parent", "sessions")

    def __init__(self, client: Client) -> None:
        self.has_members = client.family is Family.ONE_KEY
        self.sessions = [name.encode() for name in client.headers]
        self.member = client.member.encode()
        self.parent = (client.parent_member or client.parent_session).encode()


_HEADER_RULES = [_HeaderRule(row) for row in CLIENTS if row.headers and row.family is not Family.UNKNOWN]
_FAMILY_HEADERS = frozenset(rule.member if rule.has_members else rule.parent for rule in _HEADER_RULES)

_FIELD_RULES = {
    field: (row.member.split("."), row.parent_member.split("."))
    for row in CLIENTS
    if not row.headers and row.family is Family.ONE_KEY
    for field in row.fields
    if field.rpartition(".")[0] == row.member.rpartition(".")[0]
}
"""The paths of member and parent by the field that names the session. All three are in one object of the body."""


def recognition_by_headers(request: RequestView, key: str, by: str) -> Recognition:
    """Return the recognition with this key, and with what the request's headers say about the family.

    A client's family headers count only together with its own session header: Codex sends the session's id as the
    `thread-id` of the main agent, and a parent's session id says nothing about keys that come from elsewhere.
    """
    if not _FAMILY_HEADERS.isdisjoint(request.values):
        for rule in _HEADER_RULES:
            session = next(filter(None, (_name(request, name) for name in rule.sessions)), None)
            if session is None:
                continue
            parent = _name(request, rule.parent)
            if rule.has_members:
                member = _name(request, rule.member)
                if member is not None:
                    return _with_member(key, by, member, parent, main=session)
            elif session == key and parent is not None and parent != key:
                return Recognition(key, by, parent_key=parent)
    return Recognition(key, by)


def recognition_by_field(
    request: RequestView, fields: Mapping[str, object], path: str, key: str, by: str
) -> Recognition:
    """Return the recognition with this key, which the field at `path` names, and with what is known of the family."""
    rule = _FIELD_RULES.get(path)
    if rule is None:
        return recognition_by_headers(request, key, by)
    member, parent = (session_key(resolve(fields, names)) for names in rule)
    if member is None or path == ".".join(rule[0]):  # without the family's root, each agent has a key of its own
        return Recognition(key, by, parent_key=None if parent == key else parent)
    return _with_member(key, by, member, parent, main=key)


def _with_member(key: str, by: str, member: str, parent: str | None, *, main: str) -> Recognition:
    if member == main:
        return Recognition(key, by)
    return Recognition(key, by, member, "" if parent is None or parent == main else parent)


def _name(request: RequestView, header: bytes) -> str | None:
    return session_key(request.header(header))
