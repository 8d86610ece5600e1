import pytest

from concur_proxy.admission.accounts import MOST_TOKEN_BYTES, TokenAccounts
from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.places import Places
from concur_proxy.admission.session import Session
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.tree import ConversationTree
from tests.admission.gates import body_of
from tests.recognition.chains import chain


def _accounts() -> TokenAccounts:
    return TokenAccounts(Places(ConversationTree(), "e"))


def _member(context: int | None = None) -> Member:
    member = Member("s", "")
    member.context_tokens = context
    member.cache = 0
    member.footprint = float(context or 0)
    return member


def _ticket(member: Member) -> Ticket:
    session = Session(key="s", seniority=1, one_shot=False, now=0.0)
    return Ticket(session=session, number=1, arrival=Arrival(key="s", hold_s=89.0), now=10.0, member=member)


def _counts(prompt: int, completion: int, cached: int | None) -> Answered:
    return Answered(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached)


def _expected(accounts: TokenAccounts, member: Member, tokens: float) -> float:
    accounts.expect(member, Arrival(body_bytes=body_of(tokens)))
    return member.footprint


def _promised(accounts: TokenAccounts, member: Member) -> Ticket:
    ticket = _ticket(member)
    accounts.promise(ticket, accounts.expect(member, ticket.arrival))
    return ticket


def test_a_request_alone_needs_what_its_body_says_but_no_less_than_was_there() -> None:
    accounts = _accounts()
    assert _expected(accounts, _member(), 100) == 100.0
    assert _expected(accounts, _member(300), 100) == 300.0
    assert _expected(accounts, _member(300), 500) == 500.0


def test_no_prompt_is_estimated_beyond_the_longest_context() -> None:
    accounts = _accounts()
    accounts.most_tokens = 250
    assert _expected(accounts, _member(), 400) == 250.0


def test_a_prompt_is_too_long_for_certain_only_if_no_tokens_could_be_so_long() -> None:
    accounts, most = _accounts(), 10

    def exceeds(text: int, *, media: bool = False, body: int = 5_000) -> bool:
        prompt = chain("a", size=text, media=(0,) if media else ())
        return accounts.certainly_exceeds(Arrival(chain=prompt, body_bytes=body))

    assert not exceeds(4_000), "the context is not known"
    accounts.most_tokens = most
    assert exceeds(MOST_TOKEN_BYTES * most + 1)
    assert not exceeds(MOST_TOKEN_BYTES * most)
    assert not exceeds(4_000, media=True), "it may be the media that is long"
    assert not accounts.certainly_exceeds(Arrival(body_bytes=10**9)), "nothing is known about the text"


def test_requests_at_the_same_time_share_the_history_and_add_their_own() -> None:
    accounts, member = _accounts(), _member(300)
    assert _expected(accounts, member, 400) == 400.0
    member.busy = 1
    assert _expected(accounts, member, 350) == 450.0


def test_what_a_kept_place_promised_and_the_engine_lost_is_counted() -> None:
    accounts, member = _accounts(), _member(300)
    for cached in (300, 0, None):
        accounts.settle(_promised(accounts, member), _counts(400, 0, cached), now=11.0)
        member.context_tokens = 300
    assert accounts.promised_tokens == 900
    assert (accounts.told_tokens, accounts.lost_tokens) == (600, 300)


def test_a_promise_counts_when_the_answer_ends_as_the_engines_hits_do() -> None:
    accounts, member = _accounts(), _member(300)
    waiting, computed, broken_off = (_promised(accounts, member) for _ in range(3))
    assert accounts.promised_tokens == 0, "no engine has looked into its cache for any of them yet"
    accounts.settle(computed, _counts(400, 0, None), now=11.0)
    assert accounts.promised_tokens == 300
    accounts.settle(broken_off, Answered(first_token_s=0.5, client_gone=True), now=11.0)
    assert accounts.promised_tokens == 600, "its prompt was looked up, but the client left before the counts came"
    accounts.settle(waiting, Answered(), now=12.0)
    assert accounts.promised_tokens == 600, "it never began"


def test_a_history_that_was_compacted_has_lost_nothing() -> None:
    accounts, member = _accounts(), _member(300)
    accounts.settle(_promised(accounts, member), _counts(50, 10, 48), now=11.0)
    assert (accounts.told_tokens, accounts.lost_tokens) == (50, 2)
    assert member.context_tokens == 60


def test_of_requests_that_were_together_the_largest_context_stays() -> None:
    accounts, member = _accounts(), _member(300)
    member.footprint = 700.0
    member.busy = 1  # another one is still there
    accounts.settle(_ticket(member), _counts(500, 20, 0), now=11.0)
    assert member.footprint == 700.0
    member.busy = 0
    accounts.settle(_ticket(member), _counts(100, 5, 0), now=12.0)
    assert member.footprint == 520.0
    assert member.context_tokens == 520
    assert accounts.estimator.growth_tokens(0.0) == 220.0


def test_answers_are_timed_from_their_release() -> None:
    accounts = _accounts()
    ticket = _ticket(_member())
    ticket.decided_at = 14.0
    accounts.settle(ticket, _counts(90, 10, None), now=17.0)
    assert (accounts.answered_tokens, accounts.answering_s) == (100, 3.0)


def test_an_answer_s_first_token_tells_how_fast_prompts_are_computed() -> None:
    accounts, member = _accounts(), _member(300)
    for cached, first_token_s in ((300, 2.0), (None, 0.1), (300, None), (300, 2.0)):
        answered = Answered(prompt_tokens=1_300, cached_tokens=cached, first_token_s=first_token_s)
        accounts.settle(_ticket(member), answered, now=15.0)
    assert accounts.prefill.tokens_s == pytest.approx(500.0, rel=0.01)


def test_what_went_with_the_engines_last_cache_is_promised_to_nobody_and_no_loss() -> None:
    accounts, away, back = _accounts(), _member(300), _member(300)
    before = _promised(accounts, back)
    accounts.cache += 1
    accounts.settle(before, _counts(400, 0, 0), now=11.0)
    accounts.settle(_promised(accounts, away), _counts(400, 0, 0), now=11.0)
    assert (accounts.promised_tokens, accounts.told_tokens, accounts.lost_tokens) == (0, 0, 0)
    accounts.settle(_promised(accounts, away), _counts(500, 0, 100), now=12.0)
    assert (accounts.told_tokens, accounts.lost_tokens) == (400, 300), "it has a cache there again"
