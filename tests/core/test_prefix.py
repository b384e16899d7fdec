"""The prefix tree: what it finds, what it costs and what it drops, against a list that is searched from end to end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ds4_core import InvalidRequestError
from ds4_core.prefix import Match, PrefixTree

PAGE_TOKENS = 4
PAGE_BYTES = 100


class Kept:
    """A checkpoint that counts how often it was closed."""

    def __init__(self, pos, n_bytes=10):
        self.pos = pos
        self.n_bytes = n_bytes
        self.n_closed = 0

    def close(self):
        self.n_closed += 1


def ids(text):
    return np.frombuffer(text.encode(), np.uint8).astype(np.int32)


def make_tree(bytes_max=10**9):
    return PrefixTree(bytes_max, page_tokens=PAGE_TOKENS, page_bytes=PAGE_BYTES)


def put(tree, text, n_bytes=10):
    checkpoint = Kept(len(text), n_bytes)
    tree.insert(ids(text), checkpoint)
    return checkpoint


def texts(tree):
    return sorted("".join(map(chr, tokens)) for tokens, _ in tree)


def match(tree, text, limit=None):
    return tree.match(ids(text), len(text) if limit is None else limit)


def nodes_of(tree):
    pending = [tree._root]
    while pending:
        node = pending.pop()
        yield node
        pending += node.children.values()


# -- finding -----------------------------------------------------------------------------------------------------------


def test_an_empty_tree_knows_nothing():
    tree = make_tree()
    assert match(tree, "abc") == Match(None, 0)
    assert (tree.n_bytes, tree.n_checkpoints, tree.n_tokens, list(tree)) == (0, 0, 0, [])
    assert tree.evict(1) == 0


def test_match_finds_the_deepest_checkpoint_on_the_path():
    tree = make_tree()
    put(tree, "ab")
    deep = put(tree, "abcd")
    put(tree, "abcdefgh")
    assert match(tree, "abcdeX") == Match(deep, 5)


def test_match_stops_at_the_limit():
    tree = make_tree()
    short, long = put(tree, "ab"), put(tree, "abcd")
    assert match(tree, "abcd", 4) == Match(long, 4)
    assert match(tree, "abcd", 3) == Match(short, 3)
    assert match(tree, "abcd", 2) == Match(short, 2)
    assert match(tree, "abcd", 1) == Match(None, 1)
    assert match(tree, "abcd", 0) == Match(None, 0)
    assert match(tree, "abcd", 99) == Match(long, 4)


def test_known_tells_where_a_request_leaves_a_path_without_a_checkpoint():
    tree = make_tree()
    put(tree, "system one")
    assert match(tree, "system two") == Match(None, 7)
    put(tree, "system two")
    assert match(tree, "system three") == Match(None, 8)  # "system t" is where two paths part
    assert match(tree, "other") == Match(None, 0)


def test_a_request_that_ends_within_an_edge_is_known_to_its_end():
    tree = make_tree()
    put(tree, "abcdef")
    assert match(tree, "abc") == Match(None, 3)


def test_a_checkpoint_of_no_tokens_matches_everything():
    tree = make_tree()
    start = put(tree, "")
    assert match(tree, "abc") == Match(start, 0)
    assert tree.evict(1) == 10
    assert start.n_closed == 1


def test_a_limit_out_of_range_is_refused():
    with pytest.raises(InvalidRequestError, match="limit"):
        match(make_tree(), "abc", -1)


# -- growing -----------------------------------------------------------------------------------------------------------


def test_shared_beginnings_are_stored_once():
    tree = make_tree()
    put(tree, "abcdef")
    put(tree, "abcxyz")
    assert tree.n_tokens == 9
    put(tree, "abc")
    assert tree.n_tokens == 9
    assert texts(tree) == ["abc", "abcdef", "abcxyz"]


def test_the_tree_keeps_nothing_of_the_callers_array():
    tree = make_tree()
    tokens = ids("abcdef")
    checkpoint = Kept(6)
    tree.insert(tokens, checkpoint)
    tokens[:] = 0
    assert match(tree, "abcdef") == Match(checkpoint, 6)


def test_edges_own_their_tokens_so_that_a_short_one_keeps_no_long_prompt_alive():
    tree = make_tree()
    put(tree, "ab" + "c" * 1000)
    put(tree, "abX")
    put(tree, "ab")
    tree.evict(1)
    assert texts(tree) == ["ab", "abX"]
    assert all(node.edge.base is None for node in nodes_of(tree))
    assert sum(len(node.edge) for node in nodes_of(tree)) == tree.n_tokens == 3


def test_a_checkpoint_already_there_is_kept_and_the_new_one_closed():
    tree = make_tree()
    first = put(tree, "abc")
    second = put(tree, "abc")
    assert (first.n_closed, second.n_closed, tree.n_checkpoints) == (0, 1, 1)
    assert match(tree, "abc").checkpoint is first


def test_tokens_that_are_not_the_checkpoints_are_refused_and_it_stays_the_callers():
    tree = make_tree()
    checkpoint = Kept(4)
    with pytest.raises(InvalidRequestError, match="holds 4 tokens, 3 were given"):
        tree.insert(ids("abc"), checkpoint)
    assert (checkpoint.n_closed, tree.n_checkpoints, tree.n_tokens) == (0, 0, 0)


@pytest.mark.parametrize(("name", "value"), [("bytes_max", -1), ("page_tokens", 0), ("page_bytes", -1)])
def test_sizes_out_of_range_are_refused(name, value):
    sizes = dict(bytes_max=1, page_tokens=1, page_bytes=1) | {name: value}
    with pytest.raises(InvalidRequestError, match=name):
        PrefixTree(sizes.pop("bytes_max"), **sizes)


# -- costs -------------------------------------------------------------------------------------------------------------


def test_a_checkpoint_costs_its_state_and_every_page_its_tokens_begin():
    tree = make_tree()
    put(tree, "abcdef", n_bytes=7)
    assert tree.n_bytes == 7 + 2 * PAGE_BYTES


def test_full_pages_are_shared_with_the_checkpoint_above():
    tree = make_tree()
    put(tree, "abcdef", n_bytes=7)  # a full page, and a begun one that each needs for itself
    put(tree, "abcdefghi", n_bytes=9)
    assert tree.n_bytes == 7 + 2 * PAGE_BYTES + 9 + 2 * PAGE_BYTES


def test_a_checkpoint_put_between_takes_its_pages_over_from_those_below():
    tree = make_tree()
    put(tree, "aaaabbbbcc", n_bytes=1)
    put(tree, "aaaabbbbdd", n_bytes=2)
    assert tree.n_bytes == 1 + 2 + 6 * PAGE_BYTES
    put(tree, "aaaabbbb", n_bytes=4)
    assert tree.n_bytes == 1 + 2 + 4 + (2 + 1 + 1) * PAGE_BYTES


# -- shrinking ---------------------------------------------------------------------------------------------------------


def test_leaves_go_least_recently_used_first():
    tree = make_tree()
    for text in ("a", "b", "c"):
        put(tree, text)
    match(tree, "a")  # a use
    put(tree, "b")  # another
    match(tree, "c", 0)  # none: nothing was returned
    order = []
    while tree.n_checkpoints:
        before = set(texts(tree))
        assert tree.evict(1) == 10 + PAGE_BYTES
        order += before - set(texts(tree))
    assert order == ["c", "a", "b"]


def test_a_parent_goes_after_its_leaves_although_it_is_older():
    tree = make_tree()
    old, leaf, other = put(tree, "ab"), put(tree, "abcd"), put(tree, "x")
    tree.evict(1)
    assert (old.n_closed, leaf.n_closed, other.n_closed) == (0, 1, 0)
    tree.evict(1)  # now a leaf, and older than the other one
    assert (old.n_closed, leaf.n_closed, other.n_closed) == (1, 1, 0)


def test_evict_frees_as_much_as_asked_and_no_more():
    tree = make_tree()
    for text in ("a", "b", "c"):
        put(tree, text)
    assert tree.evict(0) == 0
    assert tree.evict(PAGE_BYTES + 11) == 2 * (PAGE_BYTES + 10)
    assert texts(tree) == ["c"]
    assert tree.evict(10**9) == PAGE_BYTES + 10
    assert (tree.n_bytes, tree.n_tokens) == (0, 0)


def test_nodes_that_no_path_needs_any_more_are_merged():
    tree = make_tree()
    put(tree, "abcX")
    put(tree, "abcY")
    assert len(list(nodes_of(tree))) == 4  # the root, the fork, two leaves
    tree.evict(1)
    assert len(list(nodes_of(tree))) == 2
    assert match(tree, "abcX") == Match(None, 3)
    assert match(tree, "abcY").known == 4


def test_an_insert_drops_only_as_much_as_it_needs():
    tree = make_tree(3 * (PAGE_BYTES + 10))
    kept = {text: put(tree, text) for text in "abcd"}
    assert texts(tree) == ["b", "c", "d"]
    assert [checkpoint.n_closed for checkpoint in kept.values()] == [1, 0, 0, 0]
    assert tree.n_bytes == 3 * (PAGE_BYTES + 10)


def test_a_checkpoint_larger_than_the_budget_is_closed_at_once_and_drops_nothing():
    tree = make_tree(200)
    put(tree, "a")
    large = put(tree, "abcdefgh", n_bytes=1)
    assert large.n_closed == 1
    assert texts(tree) == ["a"]
    assert tree.n_tokens == 1
    assert put(make_tree(0), "a").n_closed == 1


def test_a_timeline_that_outgrows_the_budget_keeps_its_newest_checkpoint():
    tree = make_tree(5 * PAGE_BYTES)
    chat = "abcdefghijklmnop"
    turns = [put(tree, chat[:n], n_bytes=60) for n in (4, 8, 12, 16)]
    # Four states and four pages do not fit. Dropping the oldest gives its state back; its page goes to the next.
    assert [turn.n_closed for turn in turns] == [1, 1, 1, 0]
    assert match(tree, chat) == Match(turns[-1], 16)
    assert tree.n_bytes == 60 + 4 * PAGE_BYTES


def test_clear_closes_everything_and_the_tree_works_on():
    tree = make_tree()
    kept = [put(tree, text) for text in ("", "ab", "abcd", "abX", "y")]
    tree.clear()
    assert [checkpoint.n_closed for checkpoint in kept] == [1] * 5
    assert (tree.n_bytes, tree.n_checkpoints, tree.n_tokens, texts(tree)) == (0, 0, 0, [])
    again = put(tree, "ab")
    assert match(tree, "abc") == Match(again, 2)


def test_the_queue_of_leaves_does_not_grow_with_use():
    tree = make_tree()
    for _ in range(50):
        put(tree, "ab")
        put(tree, "abcd")
        match(tree, "abcd")
        tree.evict(1)
    assert len(tree._queue) <= tree.n_checkpoints


# -- against a list ----------------------------------------------------------------------------------------------------


class Model:
    """The same by looking at every pair of checkpoints."""

    def __init__(self, bytes_max):
        self.bytes_max = bytes_max
        self.used = {}  # tokens: when
        self.kept = {}  # tokens: checkpoint
        self.clock = 0

    def touch(self, tokens):
        self.clock += 1
        self.used[tokens] = self.clock

    def above(self, tokens):
        return [other for other in self.kept if len(other) < len(tokens) and tokens[: len(other)] == other]

    def n_bytes(self):
        total = 0
        for tokens, checkpoint in self.kept.items():
            shared = max((len(other) // PAGE_TOKENS for other in self.above(tokens)), default=0)
            total += checkpoint.n_bytes + PAGE_BYTES * (-(-len(tokens) // PAGE_TOKENS) - shared)
        return total

    def paths(self):
        return {tokens[:n] for tokens in self.kept for n in range(1, len(tokens) + 1)}

    def leaves(self):
        inner = {other for tokens in self.kept for other in self.above(tokens)}
        return sorted(set(self.kept) - inner, key=self.used.__getitem__)

    def match(self, tokens, limit):
        beginnings = [tokens[:n] for n in range(min(limit, len(tokens)) + 1)]
        known = sum(beginning in self.paths() for beginning in beginnings)
        found = max((beginning for beginning in beginnings if beginning in self.kept), key=len, default=None)
        if found is None:
            return Match(None, known)
        self.touch(found)
        return Match(self.kept[found], known)

    def insert(self, tokens, checkpoint):
        if tokens in self.kept:
            self.touch(tokens)
            return
        if checkpoint.n_bytes + PAGE_BYTES * -(-len(tokens) // PAGE_TOKENS) > self.bytes_max:
            return
        self.kept[tokens] = checkpoint
        self.touch(tokens)
        while self.n_bytes() > self.bytes_max:
            others = [leaf for leaf in self.leaves() if leaf != tokens]
            others = others or sorted(self.above(tokens), key=self.used.__getitem__)
            del self.kept[others[0]]

    def evict(self, n_bytes):
        before = self.n_bytes()
        while before - self.n_bytes() < n_bytes and self.kept:
            del self.kept[self.leaves()[0]]
        return before - self.n_bytes()


TOKENS = st.lists(st.integers(0, 2), max_size=14).map(tuple)
SIZES = st.integers(0, 150)


class Comparison(RuleBasedStateMachine):
    """Random programs on a tree and on the list; both must tell the same after every step."""

    @initialize(bytes_max=st.sampled_from([0, 300, 700, 1500, 10**6]))
    def start(self, bytes_max):
        self.tree = make_tree(bytes_max)
        self.model = Model(bytes_max)
        self.made = []

    @rule(tokens=TOKENS, n_bytes=SIZES)
    def insert(self, tokens, n_bytes):
        self.put(tokens, n_bytes)

    @rule(data=st.data(), tail=TOKENS, n_bytes=SIZES)
    def insert_near(self, data, tail, n_bytes):
        self.put(self.near(data, tail), n_bytes)

    @rule(tokens=TOKENS, limit=st.integers(0, 20))
    def match(self, tokens, limit):
        self.look(tokens, limit)

    @rule(data=st.data(), tail=TOKENS, limit=st.integers(0, 20))
    def match_near(self, data, tail, limit):
        self.look(self.near(data, tail), limit)

    @rule(n_bytes=st.integers(-5, 600))
    def evict(self, n_bytes):
        assert self.tree.evict(n_bytes) == self.model.evict(n_bytes)

    def near(self, data, tail):
        # A beginning of something kept, and another end: random tokens alone seldom meet so far down.
        base = data.draw(st.sampled_from(sorted(self.model.kept) or [()]))
        return (base[: data.draw(st.integers(0, len(base)))] + tail)[:20]

    def put(self, tokens, n_bytes):
        checkpoint = Kept(len(tokens), n_bytes)
        self.made.append(checkpoint)
        self.tree.insert(np.array(tokens, np.int32), checkpoint)
        self.model.insert(tokens, checkpoint)
        assert self.tree.n_bytes <= self.model.bytes_max

    def look(self, tokens, limit):
        found, known = self.tree.match(np.array(tokens, np.int32), limit)
        expected = self.model.match(tokens, limit)
        assert found is expected.checkpoint
        assert known == expected.known

    @invariant()
    def keeps_the_same(self):
        tree, model = self.tree, self.model
        assert {tuple(tokens.tolist()): id(kept) for tokens, kept in tree} == {
            tokens: id(kept) for tokens, kept in model.kept.items()
        }
        assert tree.n_bytes == model.n_bytes()
        assert tree.n_checkpoints == len(model.kept)
        assert tree.n_tokens == len(model.paths())

    @invariant()
    def closes_what_it_dropped(self):
        kept = {id(checkpoint) for checkpoint in self.model.kept.values()}
        assert all(checkpoint.n_closed == (id(checkpoint) not in kept) for checkpoint in self.made)

    @invariant()
    def has_no_needless_node(self):
        queued = [node for _, node in self.tree._queue]
        assert len(queued) == len(set(queued)) <= self.tree.n_checkpoints
        for node in nodes_of(self.tree):
            assert node.queued == (node in queued)
            assert node.queued or node.children or node is self.tree._root
            assert node.edge.base is None
            for first, child in node.children.items():
                assert child.parent is node
                assert child.edge[0] == first
                assert child.end == node.end + len(child.edge)
                assert child.checkpoint is not None or len(child.children) > 1

    def teardown(self):
        if hasattr(self, "tree"):
            self.tree.clear()
            assert all(checkpoint.n_closed == 1 for checkpoint in self.made)
            assert (self.tree.n_bytes, self.tree.n_checkpoints, self.tree.n_tokens) == (0, 0, 0)


@pytest.mark.parametrize("n_programs", [60, pytest.param(3000, marks=pytest.mark.long)])
def test_random_programs_agree_with_a_list(n_programs):
    run_state_machine_as_test(
        Comparison, settings=settings(max_examples=n_programs, stateful_step_count=30, deadline=None)
    )
