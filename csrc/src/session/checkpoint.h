// A point to which timelines can return: shared pages and a packed copy of what the next token needs of the state.
#pragma once

#include "kv/live_state.h"
#include "kv/pool.h"

#include <memory>
#include <vector>

namespace ds4 {

class Engine;

class Checkpoint {
public:
    // Of a timeline at pos, from its pages and state. goes_back: that state has what the position before needs, too.
    // before: the nearest earlier one, or NULL. An automatic one is NULL when there is no room for it; otherwise throws
    // Error(MEMORY), and the result has one owner, its caller.
    static std::shared_ptr<Checkpoint> make(Engine &engine, uint32_t pos, const std::vector<Page *> &pages,
                                            const uint8_t *state, bool goes_back, bool automatic, Checkpoint *before);
    Checkpoint(Engine &engine, uint32_t pos, uint32_t back, bool automatic);
    ~Checkpoint();
    Checkpoint(const Checkpoint &) = delete;
    Checkpoint &operator=(const Checkpoint &) = delete;

    uint32_t pos() const noexcept { return stored_.pos; }
    uint64_t bytes() const noexcept { return stored_.bytes; } // of the packed state
    // How many positions a timeline can go back from here at once.
    uint32_t back() const noexcept { return back_; }
    // The most that this can be. One, so that a prompt can be given again: its last token is computed for its logits. None
    // where that would keep whole blocks that are closed: at page borders.
    static uint32_t back_max(const KvLayout &layout, uint32_t pos) noexcept { return pos % layout.page_tokens ? 1 : 0; }
    // False once it has been dropped to make room, or its last owner has gone: it leads nowhere then.
    bool live() const noexcept { return stored_.live.load(std::memory_order_acquire); }
    bool own() noexcept; // one owner more; false: not live
    void disown() noexcept;

    // Keeps it from being dropped.
    class Pin {
    public:
        explicit Pin(Checkpoint &c) noexcept;
        ~Pin();
        Pin(const Pin &) = delete;
        Pin &operator=(const Pin &) = delete;
        explicit operator bool() const noexcept { return held_; } // false: it was not live

    private:
        Checkpoint &c_;
        const bool held_;
    };
    // Gives a fresh timeline what this one holds. Pinned or owned by the caller.
    void restore(std::vector<Page *> &pages, uint8_t *state) const;

private:
    Engine &engine_; // whoever holds a checkpoint holds its engine
    const uint32_t back_;
    Stored stored_;
};

// Ascending positions.
using CheckpointList = std::vector<std::shared_ptr<Checkpoint>>;

// A checkpoint in a caller's hands, with what a session needs besides to go on from there.
class HeldCheckpoint {
public:
    // Takes over the owner's share of the last one of `list`.
    HeldCheckpoint(std::shared_ptr<Engine> engine, std::vector<int32_t> tokens, CheckpointList list)
        : engine_(std::move(engine)), tokens_(std::move(tokens)), list_(std::move(list)) {}
    ~HeldCheckpoint() { list_.back()->disown(); }
    HeldCheckpoint(const HeldCheckpoint &) = delete;
    HeldCheckpoint &operator=(const HeldCheckpoint &) = delete;

    const std::shared_ptr<Engine> &engine() const noexcept { return engine_; }
    const Checkpoint &checkpoint() const noexcept { return *list_.back(); }
    const std::vector<int32_t> &tokens() const noexcept { return tokens_; }
    const CheckpointList &list() const noexcept { return list_; } // it and those before it

private:
    std::shared_ptr<Engine> engine_;
    std::vector<int32_t> tokens_; // [pos]
    CheckpointList list_;
};

} // namespace ds4
