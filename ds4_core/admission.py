"""Who may begin: the waiting requests, the memory they need, and the prefixes that they can start from."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from ds4_core.errors import DS4Error, OutOfMemoryError, QueueFullError
from ds4_core.generation import LOOKAHEAD, Generation
from ds4_core.kv_store import MIN_TOKENS, KvStore
from ds4_core.native import CData
from ds4_core.prefix import PrefixTree
from ds4_core.registry import SharedEngine
from ds4_core.timeline import NativeCheckpoint, NativeSession, common_prefix
from ds4_core.types import IntArray

#: Answers are counted with at most so many tokens when it is decided whether a request fits.
ANSWER_RESERVE = 1024

#: A prompt waits for another one's prefill only when that saves at least so many tokens.
_WORTH_WAITING = 32

#: Tokens between the checkpoints of a long prefill, rounded up to whole pages.
CHECKPOINT_INTERVAL = 2048


class Admission:
    """The queue in front of a scheduler, its prefix tree, and the room for both. Used by the scheduler's thread alone.

    Attributes:
        waiting: Requests without a timeline, in the order in which they begin.
        tree: Checkpoints of everything that was computed and not evicted.
    """

    def __init__(self, shared: SharedEngine, running: list[Generation], paused: list[Generation]) -> None:
        """`running` and `paused` are the scheduler's own lists."""
        self._shared = shared
        self._native = shared.native
        self._options = shared.options
        self._running = running
        self._paused = paused
        self.waiting: list[Generation] = []
        page = shared.page_tokens
        self._interval = -(-CHECKPOINT_INTERVAL // page) * page
        self.tree = PrefixTree(self._options.prefix_bytes_max, page_tokens=page, page_bytes=shared.page_bytes)
        folder = self._options.cache_dir
        self._store = None if folder is None else KvStore(shared, folder, self._options.cache_bytes_max)

    # -- the queue -----------------------------------------------------------------------------------------------------

    def enter(self, generation: Generation) -> None:
        """Takes a new request."""
        self.waiting.append(generation)

    def leave(self, generation: Generation) -> None:
        """An ended request gives its timeline to the tree."""
        session = generation.session
        generation.session = None
        if session is None:
            return
        keep = generation.keep
        try:
            # What came after a stop is taken back; where that would cost, the end of the prompt is what is kept.
            ahead = keep is not None and generation.n_prompt + keep < session.pos
            if not ahead or session.rewind_if_free(generation.n_prompt + (keep or 0)):
                # The prompt is stored already: a long answer is worth it as well.
                store = session.pos - generation.n_prompt >= MIN_TOKENS
                self._remember(generation.timeline(), session, store=store)
        finally:
            session.close()

    def park(self, generation: Generation) -> None:
        """Takes the timeline from a request; it waits until it can go on from what the tree still has then."""
        for group in (self._running, self._paused):
            if generation in group:
                group.remove(generation)
        self.waiting.insert(0, generation)
        self.leave(generation)
        generation.ids = generation.timeline()
        generation.at = 0

    def _remember(self, tokens: IntArray, session: NativeSession, *, store: bool = True) -> None:
        pos = session.pos
        if pos == 0:
            return
        try:
            checkpoint = session.checkpoint()
        except DS4Error:  # no room: it is computed again if it is needed again
            return
        tokens = np.ascontiguousarray(tokens[:pos])
        self.tree.insert(tokens, checkpoint)
        if store and self._store is not None:
            with self._shared.pinned() as ptr:
                self._store.offer(ptr, tokens, session)

    # -- beginning -----------------------------------------------------------------------------------------------------

    def admit(self, ptr: CData) -> None:
        """Begins with those at the head of the queue who fit; refuses those for whom the queue is full.

        Who waits for a prefix or for his own consumer does not block the others.
        """
        blocked = False
        for generation in list(self.waiting):
            if blocked or len(self._running) >= self._options.max_running:
                break
            if generation.paused and generation.backlog() >= LOOKAHEAD // 2:
                continue
            generation.paused = False
            if self._must_follow(generation):
                continue
            try:
                blocked = not self._begin(ptr, generation)
            except DS4Error as error:
                self.waiting.remove(generation)
                generation.finish(error=error)
        if self._options.max_queue is not None and self.waiting:
            self._refuse(self._options.max_queue)

    def _refuse(self, limit: int) -> None:
        # Those who have begun once, and those who only wait for another one's prefix, are not in the way of anybody.
        # Who was let in once is not sent away later, when he waits for a place after all.
        queue = [g for g in self.waiting if g.admitted_at is None and g.leader is None]
        new = [g for g in queue if not g.let_in]
        for generation in new[max(0, limit - (len(queue) - len(new))) :]:
            self.waiting.remove(generation)
            generation.finish(
                error=QueueFullError(
                    f"{limit} requests are waiting, which is max_queue: try again when some have ended"
                )
            )
        for generation in self.waiting:
            generation.let_in = True

    def _must_follow(self, generation: Generation) -> bool:
        # Someone else computes what this prompt begins with: it is computed once.
        leader = generation.leader
        if leader is not None:
            if leader.session is not None and leader.at < generation.follow:
                return True
            generation.leader = None
            generation.follows = leader.session is None or self._start(generation) >= generation.follow
        if not generation.follows:
            return False
        limit = len(generation.ids) - 1
        best: Generation | None = None
        furthest = 0
        for other in self._running:
            if other.prefilling and len(other.ids) > furthest:
                shared = min(common_prefix(other.ids, generation.ids), limit)
                if shared > max(furthest, other.at):
                    best, furthest = other, shared
        if best is None or furthest - max(self._start(generation), best.at) < _WORTH_WAITING:
            return False
        if self._pages(furthest) * self._shared.page_bytes + self._shared.state_bytes > self._options.prefix_bytes_max:
            return False  # it could not be kept
        generation.leader, generation.follow = best, furthest
        if furthest == len(best.ids):
            best.followed = True
        elif furthest not in best.cuts:
            best.cuts = sorted({*best.cuts, furthest}, reverse=True)
        return True

    def _start(self, generation: Generation) -> int:
        # How many of its tokens are there already.
        _, start, _ = self._match(generation.ids)
        return start

    def _match(self, ids: IntArray) -> tuple[NativeCheckpoint | None, int, int]:
        # What these tokens can start from, at which position, and how far they are known. The last one is computed in
        # any case, for its logits: a checkpoint at their very end serves when its sessions can go back by one.
        match = self.tree.match(ids, len(ids))
        checkpoint = match.checkpoint
        if isinstance(checkpoint, NativeCheckpoint) and checkpoint.low > len(ids) - 1:
            checkpoint = self.tree.match(ids, len(ids) - 1).checkpoint
        if not isinstance(checkpoint, NativeCheckpoint):
            return None, 0, match.known
        return checkpoint, min(checkpoint.pos, len(ids) - 1), match.known

    def _begin(self, ptr: CData, generation: Generation) -> bool:
        """False when there is no room now. Raises when there never will be."""
        if self._store is not None and generation.admitted_at is None:
            self._fetch(self._store, ptr, generation)
        while self._fits(ptr, generation):
            checkpoint, start, known = self._match(generation.ids)
            try:
                if checkpoint is None:
                    session = NativeSession.create(self._native, ptr, generation.n_ctx)
                else:
                    session = NativeSession.resume(self._native, checkpoint, generation.n_ctx)
                    if start < checkpoint.pos:
                        session.rewind_if_free(start)
            except OutOfMemoryError:
                if self.make_room():
                    continue
                if self._running:
                    return False
                if not self._park_paused():
                    raise
                continue
            generation.session = session
            generation.at = start
            generation.cuts = self._cuts(generation, start, known)
            generation.followed = False
            if generation.admitted_at is None:
                generation.admitted_at = time.monotonic()
                generation.cached = min(start, generation.n_prompt)
            self.waiting.remove(generation)
            self._running.append(generation)
            return True
        return False

    def _fetch(self, store: KvStore, ptr: CData, generation: Generation) -> None:
        # What the disk has and the tree has not. It is of use only if the tree can keep it until the request begins.
        ids, share = generation.ids, self._shared
        if self._pages(len(ids)) * share.page_bytes + share.state_bytes > self._options.prefix_bytes_max:
            return
        checkpoint = store.fetch(ptr, ids, self._start(generation))
        if checkpoint is not None:
            self.tree.insert(np.ascontiguousarray(ids[: checkpoint.pos]), checkpoint)

    def _cuts(self, generation: Generation, start: int, known: int) -> list[int]:
        n, points = len(generation.ids), generation.request.checkpoints
        cuts = {*range((start // self._interval + 1) * self._interval, n, self._interval), known}
        cuts.update(points or ())
        if n == generation.n_prompt and n % self._shared.page_tokens == 0 and (points is None or n in points):
            cuts.add(n - 1)  # nobody goes back into a full page for nothing, as the same prompt has to; see _match
        if self._store is not None and MIN_TOKENS < n == generation.n_prompt:
            cuts.add(n - 1)  # what is stored can not go back at all
        return sorted((at for at in cuts if start < at < n), reverse=True)

    def moved(self, generation: Generation) -> None:
        """A span of its prompt is done: keeps what others may start from."""
        session, at = generation.session, generation.at
        if session is not None and generation.cuts and generation.cuts[-1] == at:
            generation.cuts.pop()
            # Every so many tokens is too often for a disk; places where prompts part are not.
            self._remember(generation.ids, session, store=at % self._interval != 0)

    def drew(self, generation: Generation) -> None:
        """A token was drawn; after the first one the end of the prompt is kept."""
        if not generation.followed and len(generation.tokens) != 1:
            return
        session, points = generation.session, generation.request.checkpoints
        if session is None or session.pos != len(generation.ids):
            return
        if generation.followed or points is None or generation.n_prompt in points:
            self._remember(generation.ids, session, store=False)  # the prompt is stored but for its last token

    # -- memory --------------------------------------------------------------------------------------------------------

    def _pages(self, n_tokens: int) -> int:
        return -(-n_tokens // self._shared.page_tokens)

    def _n_tokens(self, generation: Generation) -> int:
        # What a request is counted with: its prompt and some of its answer, in any case the next page.
        answer = max(ANSWER_RESERVE, len(generation.tokens) + self._shared.page_tokens)
        return min(generation.n_ctx, generation.n_prompt + min(generation.max_tokens, answer))

    def _need(self, generation: Generation, start: int) -> int:
        # Bytes it takes beyond what it shares. A span of many tokens holds a second state.
        pages = self._pages(self._n_tokens(generation)) - start // self._shared.page_tokens
        return 2 * self._shared.state_bytes + pages * self._shared.page_bytes

    def _fits(self, ptr: CData, generation: Generation) -> bool:
        # Whether it may begin now, after evicting what has to go for it. Raises when there will never be room.
        limit = self._options.kv_bytes_max
        if not limit:
            return True
        whole = self._need(generation, 0)
        if whole > limit:
            raise OutOfMemoryError(
                f"the request needs {whole} bytes of KV memory for {generation.n_prompt} prompt tokens and "
                f"{self._n_tokens(generation) - generation.n_prompt} of the answer, kv_bytes_max is {limit}: shorten "
                "the prompt, lower max_tokens, or raise kv_bytes_max"
            )
        while True:
            need = self._need(generation, self._start(generation))
            free = limit - self._used(ptr) - self._promised()
            if need <= free:
                return True
            # Nothing is evicted in vain while there is someone to wait for.
            if (need <= free + self.tree.n_bytes or not self._running) and self.tree.evict(need - free):
                continue
            if self._running:
                return False
            if not self._park_paused():
                # With nothing left to wait for it is tried: checkpoints that sessions made of themselves give way.
                return True

    def _used(self, ptr: CData) -> int:
        native, err = self._native, self._native.new_error()
        memory = native.ffi.new("ds4x_memory *")
        native.check(native.lib.ds4x_memory_used(ptr, memory, err), err)
        return int(memory.kv_pages + memory.session_state + memory.checkpoints)

    def _promised(self) -> int:
        # What running requests will still take of what they were counted with.
        total = 0
        for group in (self._running, self._paused):
            for generation in group:
                left = self._pages(self._n_tokens(generation)) - self._pages(generation.pos)
                total += max(0, left) * self._shared.page_bytes
                total += self._shared.state_bytes if generation.prefilling else 0
        return total

    def make_room(self) -> bool:
        """Evicts something from the tree; False when there is nothing."""
        return self.tree.evict(self._shared.page_bytes + self._shared.state_bytes) > 0

    def make_room_for(self, generation: Generation) -> bool:
        """Finds memory for a running request: first what nobody uses, then that of whoever came last.

        Returns:
            False when there is nothing to be had: all the memory is its own, or that of sessions.
        """
        if self.make_room() or self._park_paused():
            return True
        if len(self._running) <= 1:
            return False
        self.park(max(self._running, key=lambda running: running.asked_at))
        return True

    def _park_paused(self) -> bool:
        # Who does not take his tokens gives way to those who do, when there are no others to wait for.
        if not self._paused:
            return False
        self.park(max(self._paused, key=lambda paused: paused.asked_at))
        return True

    def close(self) -> None:
        """Frees everything."""
        groups: Sequence[list[Generation]] = (self._running, self._paused, self.waiting)
        for group in groups:
            for generation in group:
                if generation.session is not None:
                    generation.session.close()
                    generation.session = None
            group.clear()
        self.tree.clear()
        if self._store is not None:
            self._store.flush()
