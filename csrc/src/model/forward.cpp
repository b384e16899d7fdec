// The one forward pass: any mix of spans, cut into pieces of at most n_batch tokens.
//
// A session moves once, when its whole span is done. Until then everything is written to places that its old position
// does not read (see KvLayout), so a span that fails or is cancelled never happened.
#include "session/session.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace ds4 {
namespace {

bool raised(const int32_t *flag) noexcept { return flag && __atomic_load_n(flag, __ATOMIC_ACQUIRE) != 0; }

bool live(const ForwardSpan &span) noexcept { return span.status == DS4X_OK; }

// Its pages and state stay until the forward ends: the piece that is running may still write to them.
void fail_span(ForwardSpan &span, int32_t status, const char *message) noexcept {
    span.status = status;
    std::snprintf(span.message, sizeof span.message, "%s", message);
}

// Runs body; what it throws becomes the span's own failure.
template <typename F> void own_failure(ForwardSpan &span, F &&body) noexcept {
    try {
        body();
    } catch (const Error &e) {
        fail_span(span, e.code(), e.what());
    } catch (...) {
        fail_span(span, DS4X_ERR_MEMORY, "out of memory");
    }
}

} // namespace

void Engine::prepare_batches() {
    batch_tokens_.reserve(n_batch());
    batch_span_of_.reserve(n_batch());
    batch_wanted_.reserve(n_batch());
    batch_rows_.reserve(n_batch());
    batch_spans_.reserve(64);
    page_table_.reserve(1024);
}

template <typename F> void Engine::timed(Op op, F &&run) {
    if (!profiling_) return run();
    const auto start = std::chrono::steady_clock::now();
    const uint64_t read = backend_->weights_read();
    run();
    backend_->wait(); // a device has only been told so far
    OpTime &t = op_times_[size_t(op)];
    t.calls++;
    t.bytes += backend_->weights_read() - read;
    t.ns += uint64_t(std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count());
}

// Checks a span's arguments.
void Engine::check(ForwardSpan &span) const noexcept {
    span.status = DS4X_OK;
    span.begun = false;
    span.done = span.piece = span.wanted_done = span.first_row = 0;
    span.pos = span.session->pos();
    own_failure(span, [&] {
        if (span.n_tokens == 0) fail(DS4X_ERR_ARGUMENT, "a span needs at least one token");
        for (uint32_t i = 0; i < span.n_tokens; i++)
            if (span.tokens[i] < 0 || uint32_t(span.tokens[i]) >= config_.n_vocab)
                fail(DS4X_ERR_TOKEN, "token %d at offset %u is outside the vocabulary of %u", span.tokens[i], i,
                     config_.n_vocab);
        if (span.n_wanted > span.n_tokens)
            fail(DS4X_ERR_ARGUMENT, "n_wanted is %u, the span has %u tokens", span.n_wanted, span.n_tokens);
        for (uint32_t i = 0; i < span.n_wanted; i++)
            if (span.wanted[i] >= span.n_tokens || (i && span.wanted[i] <= span.wanted[i - 1]))
                fail(DS4X_ERR_ARGUMENT, "wanted[%u] is %u: expected ascending offsets below %u", i, span.wanted[i],
                     span.n_tokens);
    });
}

// Takes what a span needs: pages, and for a long one a second state.
void Engine::admit(ForwardSpan &span) noexcept {
    own_failure(span, [&] {
        span.session->begin(span.n_tokens);
        span.begun = true;
    });
    span.mark_end |=
        span.n_tokens > rewind_slack && span.n_wanted && span.wanted[span.n_wanted - 1] == span.n_tokens - 1;
}

// Tokens of its next piece, if there is room: up to its end, or to where a checkpoint is due.
uint32_t Engine::next_piece(const ForwardSpan &span) const noexcept {
    const uint32_t left = span.n_tokens - span.done;
    if (!span.session->auto_checkpoints()) return left;
    return std::min(left, checkpoint_interval_ - (span.pos + span.done) % checkpoint_interval_);
}

void Engine::mark(ForwardSpan &span) noexcept {
    const uint32_t at = span.pos + span.done;
    if (at % checkpoint_interval_ == 0 || (span.mark_end && span.done == span.n_tokens)) span.session->mark(at);
}

void Engine::forward(ForwardSpan *spans, uint32_t n_spans, const int32_t *cancel, Rows keep) {
    check_usable(true);
    for (uint32_t i = 0; i < n_spans; i++) {
        if (&spans[i].session->engine() != this)
            fail(DS4X_ERR_ARGUMENT, "span %u: the session belongs to another engine", i);
        for (uint32_t k = 0; k < i; k++)
            if (spans[k].session == spans[i].session) fail(DS4X_ERR_ARGUMENT, "spans %u and %u are one session", k, i);
    }
    uint64_t rows = keep == Rows::keep ? uint32_t(n_rows_) : 0;
    for (uint32_t i = 0; i < n_spans; i++) {
        check(spans[i]);
        spans[i].first_row = uint32_t(rows);
        if (live(spans[i])) rows += spans[i].n_wanted;
        if (rows > INT32_MAX) fail(DS4X_ERR_ARGUMENT, "more than %d logits rows are wanted", INT32_MAX);
    }
    if (keep == Rows::replace) {
        n_rows_ = 0;
        backend_->reserve_rows(uint32_t(rows) + 1); // and one for own_logits()
        row_filled_.assign(size_t(rows), 0);
    }
    for (uint32_t i = 0; i < n_spans; i++)
        if (live(spans[i])) admit(spans[i]);
    compute(spans, n_spans, cancel);
    for (uint32_t i = 0; i < n_spans; i++) {
        ForwardSpan &s = spans[i];
        if (!s.begun) continue;
        if (live(s))
            s.session->commit(s.tokens, s.n_tokens);
        else
            s.session->abandon();
        if (keep == Rows::keep) continue;
        for (uint32_t r = 0; live(s) && r < s.n_wanted; r++) row_filled_[s.first_row + r] = 1;
    }
    if (keep == Rows::replace) n_rows_ = uint32_t(rows);
}

// Computes all live spans, piece by piece. What goes wrong on the way fails those that are left.
void Engine::compute(ForwardSpan *spans, uint32_t n_spans, const int32_t *cancel) noexcept {
    const auto fail_all = [&](int32_t status, const char *message) {
        for (uint32_t i = 0; i < n_spans; i++)
            if (live(spans[i])) fail_span(spans[i], status, message);
    };
    try {
        const auto unfinished = [](const ForwardSpan &s) { return live(s) && s.done < s.n_tokens; };
        while (!all_cancelled(spans, n_spans, cancel) && std::any_of(spans, spans + n_spans, unfinished))
            run_piece(spans, n_spans, cancel);
    } catch (const Error &e) {
        fail_all(e.code(), e.what());
    } catch (...) {
        fail_all(DS4X_ERR_MEMORY, "out of memory during the forward pass");
    }
}

// Fails the spans whose flag is raised; true when none is left to compute.
bool Engine::all_cancelled(ForwardSpan *spans, uint32_t n_spans, const int32_t *cancel) const noexcept {
    const bool all = raised(cancel);
    bool any_live = false;
    for (uint32_t i = 0; i < n_spans; i++) {
        if (!live(spans[i])) continue;
        if (all || raised(spans[i].cancel) || raised(spans[i].abandon))
            fail_span(spans[i], DS4X_ERR_CANCELLED, "cancelled");
        else
            any_live = true;
    }
    return !any_live;
}

// Takes the next tokens of every unfinished span, in order, until the batch is full, and computes them.
void Engine::run_piece(ForwardSpan *spans, uint32_t n_spans, const int32_t *cancel) {
    file_->check_unchanged();
    batch_tokens_.clear();
    batch_span_of_.clear();
    batch_wanted_.clear();
    batch_rows_.clear();
    batch_spans_.clear();
    page_table_.clear();
    size_t n_pages = 0;
    for (uint32_t i = 0; i < n_spans; i++)
        if (live(spans[i])) n_pages += spans[i].session->pages().size();
    page_table_.reserve(n_pages); // the batch keeps pointers into it
    for (uint32_t i = 0; i < n_spans; i++) {
        ForwardSpan &s = spans[i];
        const uint32_t room = n_batch() - uint32_t(batch_tokens_.size());
        const uint32_t n = s.piece = live(s) ? std::min(room, next_piece(s)) : 0;
        if (n == 0) continue;
        BatchSpan b;
        b.first = int32_t(batch_tokens_.size());
        b.n_tokens = int32_t(n);
        b.pos = int64_t(s.pos) + s.done;
        b.state = s.session->working_state();
        b.pages = page_table_.data() + page_table_.size();
        for (const Page *page : s.session->pages()) page_table_.push_back(page->data);
        for (; s.wanted_done < s.n_wanted && s.wanted[s.wanted_done] < s.done + n; s.wanted_done++) {
            batch_wanted_.push_back(b.first + int32_t(s.wanted[s.wanted_done] - s.done));
            batch_rows_.push_back(int32_t(s.first_row + s.wanted_done));
        }
        batch_tokens_.insert(batch_tokens_.end(), s.tokens + s.done, s.tokens + s.done + n);
        batch_span_of_.insert(batch_span_of_.end(), n, int32_t(batch_spans_.size()));
        batch_spans_.push_back(b);
        s.done += n;
    }
    Batch batch;
    batch.n_tokens = int32_t(batch_tokens_.size());
    batch.n_spans = int32_t(batch_spans_.size());
    batch.n_wanted = int32_t(batch_wanted_.size());
    batch.tokens = batch_tokens_.data();
    batch.span_of = batch_span_of_.data();
    batch.spans = batch_spans_.data();
    batch.wanted = batch_wanted_.data();
    batch.rows = batch_rows_.data();
    run_layers(spans, n_spans, cancel, batch);
    for (uint32_t i = 0; i < n_spans; i++)
        if (live(spans[i]) && spans[i].piece) mark(spans[i]);
}

void Engine::run_layers(ForwardSpan *spans, uint32_t n_spans, const int32_t *cancel, const Batch &batch) {
    Backend &be = *backend_;
    timed(Op::other, [&] { be.begin(batch); });
    timed(Op::embed, [&] { be.embed(); });
    for (uint32_t il = 0; il < config_.n_layer; il++) {
        timed(Op::hyper, [&] { be.hyper(il, Sub::attn); });
        timed(Op::project, [&] { be.project(il); });
        timed(Op::compress, [&] { be.compress(il); });
        timed(Op::attend, [&] { be.attend(il); });
        timed(Op::hyper, [&] { be.hyper(il, Sub::ffn); });
        timed(Op::experts, [&] { be.experts(il); });
        layers_computed_.fetch_add(1, std::memory_order_relaxed);
        if (all_cancelled(spans, n_spans, cancel)) return;
    }
    timed(Op::head, [&] { be.head(); });
    timed(Op::other, [&] { be.finish(); });
}

} // namespace ds4
