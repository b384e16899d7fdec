// Packing the live part of a state, and unpacking it.
#include "session/checkpoint.h"

#include "model/engine.h"

namespace ds4 {

Checkpoint::Checkpoint(Engine &engine, uint32_t pos, uint32_t back, bool automatic)
    : engine_(engine), back_(back), stored_(pos, automatic) {}

Checkpoint::~Checkpoint() { engine_.pool().forget(stored_); }

std::shared_ptr<Checkpoint> Checkpoint::make(Engine &engine, uint32_t pos, const std::vector<Page *> &pages,
                                             const uint8_t *state, bool goes_back, bool automatic, Checkpoint *before) {
    KvPool &pool = engine.pool();
    const uint32_t back = goes_back ? back_max(pool.layout(), pos) : 0;
    auto out = std::make_shared<Checkpoint>(engine, pos, back, automatic);
    Stored &s = out->stored_;
    const std::vector<StatePiece> kept = live_pieces(engine.config(), pool.layout(), pos, back);
    const size_t n_pages = size_t(pool.layout().pages_for(pos));
    if (!pool.store(s, pages, n_pages, size_t(live_bytes(kept)), before ? &before->stored_ : nullptr)) return nullptr;
    size_t at = 0;
    for (const StatePiece &piece : kept) {
        pool.backend().kv_copy(s.packed + at, state + piece.offset, piece.bytes);
        at += piece.bytes;
    }
    pool.unpin(s);
    return out;
}

bool Checkpoint::own() noexcept { return engine_.pool().own(stored_); }
void Checkpoint::disown() noexcept { engine_.pool().disown(stored_); }

Checkpoint::Pin::Pin(Checkpoint &c) noexcept : c_(c), held_(c.engine_.pool().pin(c.stored_)) {}
Checkpoint::Pin::~Pin() {
    if (held_) c_.engine_.pool().unpin(c_.stored_);
}

void Checkpoint::restore(std::vector<Page *> &pages, uint8_t *state) const {
    KvPool &pool = engine_.pool();
    const std::vector<StatePiece> kept = live_pieces(engine_.config(), pool.layout(), pos(), back_);
    pool.share(stored_.pages, stored_.pages.size(), pages);
    size_t at = 0;
    for (const StatePiece &piece : kept) {
        pool.backend().kv_copy(state + piece.offset, stored_.packed + at, piece.bytes);
        at += piece.bytes;
    }
}

} // namespace ds4
