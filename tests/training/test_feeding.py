"""How a batch reaches the places of a step."""

from __future__ import annotations

import queue
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training import loader  # noqa: E402
from training.arena import Arena  # noqa: E402
from training.config import BLOCK, ModelConfig, TrainConfig  # noqa: E402
from training.data.rendering import ANOTHER  # noqa: E402
from training.loader import Replay, ahead  # noqa: E402
from training.rows import RowsMaker  # noqa: E402
from training.train import Trainer  # noqa: E402

CPU = torch.device("cpu")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def test_an_arena_holds_the_newest_values_in_the_same_places() -> None:
    old = [torch.tensor(0.5), torch.zeros(3, 5, dtype=torch.int64), torch.zeros(7, dtype=torch.bool)]
    new = [torch.tensor(2.5), torch.arange(15).view(3, 5), torch.ones(7, dtype=torch.bool)]
    arena = Arena(old, CPU)
    places = list(arena.tensors)
    for values in (old, new, old, new):
        arena.fill(values)
        for place, value in zip(places, values, strict=True):
            assert place.dtype == value.dtype
            assert torch.equal(place, value)


@pytest.mark.parametrize("value", [torch.zeros(1, 5), torch.zeros(3, 5, dtype=torch.int32), torch.zeros(3, 5, 1)])
def test_an_arena_refuses_values_of_another_shape_or_type(value: torch.Tensor) -> None:
    arena = Arena([torch.ones(3, 5)], CPU)
    with pytest.raises(ValueError, match="for a place of"):
        arena.fill([value])
    assert torch.equal(arena.tensors[0], torch.ones(3, 5))


def test_rows_over_an_arena_are_those_of_the_batch_it_was_filled_with() -> None:
    maker = RowsMaker(ModelConfig(n_context=8 * BLOCK), 8 * BLOCK, CPU, stride=16)
    arena = Arena([maker.sampled(0), *maker.tensors(torch.tensor([[0, 1, 1, 3, 3, 3, 6, 6]]))], CPU)
    sampled, *others = arena.tensors
    rows, wanted = maker.assemble(sampled, others), torch.tensor([[0, 0, 0, 3, 3, 3, 6, 7]])
    arena.fill([maker.sampled(21), *maker.tensors(wanted)])
    fresh = maker(wanted, offset=21)
    assert torch.equal(rows.first, fresh.first)
    assert torch.equal(rows.starts, fresh.starts)
    assert torch.equal(rows.sampled, fresh.sampled)


def test_what_a_queue_does_not_have_in_time_comes_again_and_new_items_come_once() -> None:
    items: queue.Queue[object] = queue.Queue()
    source = Replay(items, 4, "seed")
    for item in range(6):
        items.put(item)
    assert [source.get() for _ in range(6)] == [0, 1, 2, 3, 4, 5]
    assert source.n_again == 0
    assert {source.get() for _ in range(40)} == {2, 3}  # the older half of the last four
    assert source.n_again == 40
    items.put(6)
    items.put(ValueError("broken"))
    assert source.get() == 6
    with pytest.raises(ValueError, match="broken"):
        source.get()


def test_rows_that_do_not_come_are_an_error_and_so_is_what_can_not_be_read(monkeypatch) -> None:
    monkeypatch.setattr(loader, "PATIENCE_S", 0.01)
    monkeypatch.setattr(loader, "MOST_AGAIN", 5)
    items: queue.Queue[int] = queue.Queue()
    source = Replay(items, 1, "s")
    with pytest.raises(RuntimeError, match="no new rows"):
        source.get()
    items.put(7)
    assert [source.get() for _ in range(6)] == [7] * 6
    with pytest.raises(RuntimeError, match="no new rows"):
        source.get()

    class Broken:
        def get(self) -> int:
            raise OSError("the pipe is gone")

    loader._pour(Broken(), items)
    with pytest.raises(OSError, match="the pipe is gone"):
        source.get()


def test_what_is_prepared_ahead_comes_in_order_and_waits_until_it_is_asked_for() -> None:
    prepared, third = [], threading.Event()

    def prepare(item: int) -> int:
        prepared.append(item)
        if item == 2:
            third.set()
        return 10 * item

    items = ahead(range(100), prepare, 1)
    assert [next(items), next(items)] == [0, 10]
    assert third.wait(10)
    assert len(prepared) <= 4
    assert [next(items), next(items)] == [20, 30]


def test_a_source_that_ends_ends() -> None:
    assert list(ahead(range(5), lambda x: x + 1)) == [1, 2, 3, 4, 5]


def test_a_source_that_fails_fails_where_it_is_read() -> None:
    def source():
        yield 1
        raise ValueError("no more")

    items = ahead(source(), lambda x: x)
    assert next(items) == 1
    with pytest.raises(ValueError, match="no more"):
        next(items)


def test_a_batch_is_prepared_as_the_tensors_of_a_step_in_their_order() -> None:
    sizes = dict(n_vocab=64, n_embd=32, ratios=(0, 4), n_hash=1, n_ff=16, n_context=2 * BLOCK)
    trainer = Trainer(ModelConfig(**sizes), TrainConfig(n_row=2), CPU)
    tokens = np.arange(4 * BLOCK, dtype=np.uint16).reshape(2, -1) % 64
    first = np.array([[0, 1], [0, 0]], np.uint8)
    batch = trainer.prepare((tokens, np.ones_like(tokens), first))
    trainer.train_step(batch)
    assert len(trainer.weights) == ANOTHER + 1  # one for everything that a token may be
    (step,) = trainer._steps.values()
    assert torch.equal(step.tokens, torch.from_numpy(tokens.astype(np.int64)))
    assert torch.equal(step.rows.first, torch.from_numpy(first.astype(np.int64)))
    assert torch.isfinite(step.losses).all()
    sampled = step.rows.sampled.clone()
    trainer.train_step(batch)
    assert not torch.equal(step.rows.sampled, sampled)  # other queries train the indexer
