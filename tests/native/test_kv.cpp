// KV layout arithmetic, the page pool's references and budget, and sessions that share, copy and go back.
#include "alloc_watch.h"
#include "check.h"
#include "session_fixture.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

using namespace ds4;
using namespace session_test;

TEST(kv_layout_covers_all_ratios_with_one_page) {
    ScratchDir dir;
    const auto engine = open_tiny(dir);
    const KvLayout &kv = engine->kv_layout();
    CHECK_EQ(kv.page_tokens, 128u);
    CHECK_EQ(kv.layers[1].rows_per_page, 32u);
    CHECK_EQ(kv.layers[2].rows_per_page, 1u);
    CHECK_EQ(kv.layers[1].main.n_slots, 16u);
    CHECK_EQ(kv.layers[2].main.n_slots, 144u);
    CHECK_EQ(kv.layers[0].n_raw_slots, tiny_model::n_window + 16);
}

TEST(rewind_is_exact_at_every_distance) {
    ScratchDir dir;
    const auto engine = open_tiny(dir);
    const auto tokens = prompt(300);
    for (uint32_t back : {1u, 2u, 5u, 9u, 10u, 17u, 60u, 139u, 140u}) {
        Session s(engine, 4096);
        feed(s, tokens, 0, 140);
        s.rewind(140 - back, nullptr);
        CHECK_EQ(s.pos(), 140 - back);
        if (back == 140) continue;
        CHECK(feed(s, tokens, 140 - back, 200) == fresh(engine, tokens, 200));
    }
}

TEST(repeated_short_steps_and_rewinds_keep_the_rings_right) {
    ScratchDir dir;
    const auto engine = open_tiny(dir);
    const auto tokens = prompt(400);
    Session s(engine, 4096);
    feed(s, tokens, 0, 5);
    uint32_t at = 5;
    for (uint32_t step = 0; step < 60; step++) {
        const uint32_t n = 1 + step % 9, back = step % 7;
        feed(s, tokens, at, at + n);
        at += n;
        if (back < at) s.rewind(at -= back, nullptr);
        CHECK(feed(s, tokens, at, at + 1) == fresh(engine, tokens, at + 1));
        at++;
    }
}

TEST(fork_shares_pages_and_writing_copies_them) {
    ScratchDir dir;
    const auto engine = open_tiny(dir);
    const auto tokens = prompt(400);
    auto other = tokens;
    for (size_t i = 150; i < other.size(); i++) other[i] = 3 + (other[i] + 11) % 250;
    Session s(engine, 4096);
    feed(s, tokens, 0, 150);
    const uint64_t before = engine->pool().page_bytes_used();
    const auto twin = s.fork();
    CHECK_EQ(engine->pool().page_bytes_used(), before);
    CHECK(feed(*twin, other, 150, 300) == fresh(engine, other, 300));
    CHECK(feed(s, tokens, 150, 300) == fresh(engine, tokens, 300));
    // The full first page is still one.
    CHECK(s.pages()[0] == twin->pages()[0]);
    CHECK(s.pages()[1] != twin->pages()[1]);
}

TEST(kv_budget_fails_a_span_and_leaves_the_session) {
    ScratchDir dir;
    const auto probe = open_tiny(dir);
    const uint64_t budget = 2 * probe->kv_layout().state_bytes + 2 * probe->kv_layout().page_bytes;
    const auto engine = open_tiny(dir, {budget});
    const auto tokens = prompt(600);
    Session s(engine, 4096);
    feed(s, tokens, 0, 200);
    CHECK_ERROR(feed(s, tokens, 200, 600), DS4X_ERR_MEMORY, "KV budget");
    CHECK_EQ(s.pos(), 200u);
    CHECK(feed(s, tokens, 200, 230) == fresh(probe, tokens, 230));
}

TEST(failed_span_leaves_the_others_alone) {
    ScratchDir dir;
    const auto engine = open_tiny(dir);
    const auto tokens = prompt(100);
    Session good(engine, 4096), small(engine, 20), bad(engine, 4096);
    const std::vector<int32_t> wrong = {3, 4, 100000};
    const uint32_t last = 99;
    ForwardSpan spans[3];
    spans[0].session = &small;
    spans[0].tokens = tokens.data();
    spans[0].n_tokens = 21;
    spans[1].session = &bad;
    spans[1].tokens = wrong.data();
    spans[1].n_tokens = 3;
    spans[2].session = &good;
    spans[2].tokens = tokens.data();
    spans[2].n_tokens = 100;
    spans[2].wanted = &last;
    spans[2].n_wanted = 1;
    engine->forward(spans, 3, nullptr);
    CHECK_EQ(spans[0].status, int32_t(DS4X_ERR_CONTEXT));
    CHECK_EQ(spans[1].status, int32_t(DS4X_ERR_TOKEN));
    CHECK_EQ(spans[2].status, int32_t(DS4X_OK));
    CHECK_EQ(small.pos() + bad.pos(), 0u);
    const float *row = engine->logits(spans[2].first_row);
    const std::vector<float> logits(row, row + engine->config().n_vocab);
    CHECK(logits == fresh(engine, tokens, 100));
}

TEST(cancel_stops_within_a_layer_and_nothing_has_happened) {
    ScratchDir dir;
    const auto engine = open_tiny(dir);
    const auto tokens = prompt(200);
    for (const uint32_t n : {5u, 100u}) { // written in place, and beside
        Session s(engine, 4096);
        feed(s, tokens, 0, 50);
        const int32_t cancel = 1;
        ForwardSpan span;
        span.session = &s;
        span.tokens = tokens.data() + 50;
        span.n_tokens = n;
        const uint64_t layers = engine->layers_computed();
        engine->forward(&span, 1, &cancel);
        CHECK_EQ(span.status, int32_t(DS4X_ERR_CANCELLED));
        CHECK(engine->layers_computed() - layers <= 1);
        CHECK_EQ(s.pos(), 50u);
        CHECK(feed(s, tokens, 50, 120) == fresh(engine, tokens, 120));
    }
}

TEST(memory_used_is_what_the_estimate_says) {
    ScratchDir dir;
    const auto engine = open_tiny(dir, {0, 0, false, 64});
    const auto tokens = prompt(1000);
    Session a(engine, 1000), b(engine, 1000);
    feed(a, tokens, 0, 1000);
    feed(b, tokens, 0, 1000);
    const ds4x_memory used = engine->memory_used(), told = engine->memory_estimate(1000, 2);
    CHECK_EQ(used.kv_pages, told.kv_pages);
    CHECK_EQ(used.session_state, told.session_state);
    CHECK(double(used.total) > 0.95 * double(told.total) && double(used.total) < 1.05 * double(told.total));
}

TEST(a_file_that_changes_under_the_engine_is_an_error) {
    ScratchDir dir;
    const auto engine = open_tiny(dir);
    const auto tokens = prompt(10);
    Session s(engine, 100);
    feed(s, tokens, 0, 5);
    std::FILE *f = std::fopen(engine->options().model_path.c_str(), "ab");
    CHECK(f != nullptr);
    std::fputc(0, f);
    std::fclose(f);
    CHECK_ERROR(feed(s, tokens, 5, 6), DS4X_ERR_IO, "changed");
    CHECK_EQ(s.pos(), 5u);
}

TEST(decoding_makes_no_heap_call_between_page_borders) {
    ScratchDir dir;
    EngineOptions o;
    o.model_path = dir.write("tiny.gguf", tiny_model::make().build());
    o.backend_options.n_threads = 1; // the watch sees the calling thread
    const auto engine = Engine::open(o);
    const auto tokens = prompt(400);
    Session s(engine, 4096);
    feed(s, tokens, 0, 140);
    feed(s, tokens, 140, 141); // the prompt's checkpoint shared the open page
    const uint32_t last = 0;
    ForwardSpan span;
    span.session = &s;
    span.n_tokens = 1;
    span.wanted = &last;
    span.n_wanted = 1;
    for (uint32_t i = 141; i < 390; i++) {
        span.tokens = tokens.data() + i;
        const AllocWatch watch;
        engine->forward(&span, 1, nullptr);
        // Position 256 begins a page: the pool and the session's lists may grow there.
        if (i % 128) CHECK_EQ(watch.calls(), 0u);
    }
    CHECK_EQ(s.pos(), 390u);
}

TEST(a_span_cancelled_between_layers_does_not_disturb_the_others) {
    ScratchDir dir;
    const auto engine = open_tiny(dir);
    const auto tokens = prompt(300);
    const LayerKv &layer = engine->kv_layout().layers[0];
    const size_t row_bytes = tiny_model::head_dim * engine->kv_layout().element_bytes();
    for (const uint32_t n_cancelled : {5u, 100u}) { // written in place, and beside
        Session trigger(engine, 4096), cancelled(engine, 4096), good(engine, 4096);
        for (Session *s : {&trigger, &cancelled, &good}) s->set_auto_checkpoints(false); // they would share pages
        feed(trigger, tokens, 0, 50);
        feed(cancelled, tokens, 0, 50);
        // A flag that the first layer itself raises: the ring slot that the trigger's next token is stored in.
        uint8_t *slot = trigger.state() + layer.raw + (50 % layer.n_raw_slots) * row_bytes;
        std::memset(slot, 0, row_bytes);
        const uint32_t last = 199;
        ForwardSpan spans[3];
        spans[0].session = &trigger;
        spans[0].tokens = tokens.data() + 50;
        spans[0].n_tokens = 1;
        spans[1].session = &cancelled;
        spans[1].tokens = tokens.data() + 50;
        spans[1].n_tokens = n_cancelled;
        spans[1].cancel = reinterpret_cast<const int32_t *>(slot);
        spans[2].session = &good;
        spans[2].tokens = tokens.data();
        spans[2].n_tokens = 200;
        spans[2].wanted = &last;
        spans[2].n_wanted = 1;
        const uint64_t pages = engine->pool().page_bytes_used();
        engine->forward(spans, 3, nullptr);
        CHECK_EQ(spans[0].status, int32_t(DS4X_OK));
        CHECK_EQ(spans[1].status, int32_t(DS4X_ERR_CANCELLED));
        CHECK_EQ(spans[2].status, int32_t(DS4X_OK));
        CHECK_EQ(cancelled.pos(), 50u);
        CHECK_EQ(engine->pool().page_bytes_used(), pages + 2 * engine->kv_layout().page_bytes); // the good one's
        const float *row = engine->logits(spans[2].first_row);
        const std::vector<float> logits(row, row + engine->config().n_vocab);
        CHECK(logits == fresh(engine, tokens, 200));
        CHECK(feed(cancelled, tokens, 50, 170) == fresh(engine, tokens, 170));
        CHECK(feed(trigger, tokens, 51, 60) == fresh(engine, tokens, 60));
    }
}

TEST(wanted_rows_are_checked_before_anything_is_taken) {
    ScratchDir dir;
    const auto engine = open_tiny(dir);
    const auto tokens = prompt(10);
    Session a(engine, 100), b(engine, 100);
    const std::vector<uint32_t> wanted = {0, 1, 2};
    ForwardSpan spans[2];
    for (ForwardSpan &s : spans) {
        s.session = &s == spans ? &a : &b;
        s.tokens = tokens.data();
        s.n_tokens = 2;
        s.wanted = wanted.data();
    }
    spans[0].n_wanted = UINT32_MAX;
    spans[1].n_wanted = 2;
    engine->forward(spans, 2, nullptr);
    CHECK_EQ(spans[0].status, int32_t(DS4X_ERR_ARGUMENT));
    CHECK_EQ(spans[1].status, int32_t(DS4X_OK));
    CHECK_EQ(spans[1].first_row, 0u);
    CHECK_EQ(engine->n_rows(), 2u);
    CHECK_EQ(a.pos(), 0u);
    CHECK_EQ(b.pos(), 2u);
}

TEST(a_failed_span_has_no_logits_rows) {
    ScratchDir dir;
    const auto engine = open_tiny(dir);
    const auto tokens = prompt(10);
    Session good(engine, 100), small(engine, 2);
    feed(good, tokens, 0, 5);
    const uint32_t last = 0;
    ForwardSpan span;
    span.session = &small;
    span.tokens = tokens.data();
    span.n_tokens = 3;
    span.wanted = &last;
    span.n_wanted = 1;
    engine->forward(&span, 1, nullptr);
    CHECK_EQ(span.status, int32_t(DS4X_ERR_CONTEXT));
    CHECK_ERROR(engine->logits(span.first_row), DS4X_ERR_STATE, "failed");
}

TEST(a_far_rewind_leaves_the_logits_rows_of_others) {
    ScratchDir dir;
    const auto engine = open_tiny(dir);
    const auto tokens = prompt(100);
    Session a(engine, 4096), b(engine, 4096);
    feed(a, tokens, 0, 100);
    const Logits before = feed(b, tokens, 0, 30);
    a.rewind(20, nullptr);
    CHECK(row(*engine, 0) == before);
}

TEST(matrices_that_are_never_quantised_may_be_stored_as_q8_0) {
    // Every instruction set must give the same logits, also where matrices are repacked.
    ScratchDir dir;
    for (const char *name : {"blk.1.ffn_gate_inp.weight", "blk.1.hc_attn_fn.weight", "output_hc_fn.weight"}) {
        gguf_builder::Builder b = tiny_model::make();
        gguf_builder::Tensor *t = b.tensor(name);
        uint64_t n = 1;
        for (const uint64_t dim : t->dims) n *= dim;
        t->type = tiny_model::Q8_0;
        t->data.clear();
        for (uint64_t i = 0; i < n; i++) {
            if (i % 32 == 0) gguf_builder::put<uint16_t>(t->data, 0x1800); // 2^-9
            gguf_builder::put<int8_t>(t->data, int8_t(int(i * 37 % 255) - 127));
        }
        const std::string path = dir.write(name, b.build());
        std::vector<float> first;
        for (const int32_t isa : {DS4X_ISA_PORTABLE, DS4X_ISA_AUTO}) {
            EngineOptions o;
            o.model_path = path;
            o.backend_options.isa = isa;
            o.backend_options.n_threads = 1;
            const std::vector<float> logits = fresh(Engine::open(o), prompt(20), 20);
            double worst = 0;
            for (size_t i = 0; i < first.size(); i++) worst = std::max(worst, double(std::fabs(first[i] - logits[i])));
            CHECK(worst < 0.02);
            if (first.empty()) first = logits;
        }
    }
}
