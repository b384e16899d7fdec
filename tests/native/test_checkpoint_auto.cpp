// Checkpoints that sessions make of themselves: where, and which of them go when there is no room.
#include "check.h"
#include "session_fixture.h"

#include <cstring>

using namespace ds4;
using namespace session_test;

TEST(sessions_make_checkpoints_where_they_say) {
    ScratchDir dir;
    const auto engine = open_tiny(dir, {0, 0, false, 512});
    const Tokens tokens = prompt(4600);
    CHECK_EQ(engine->checkpoint_interval(), 2048u);
    {
        Session s(engine, 8192); // inside a long span, which starts anywhere
        forward(s, tokens, 0, 100, 0);
        CHECK(checkpoints_of(s).empty()); // no logits were wanted
        feed(s, tokens, 100, 109);
        CHECK(checkpoints_of(s).empty()); // a short span
        feed(s, tokens, 109, 4400);
        CHECK(checkpoints_of(s) == Positions({2048, 4096, 4400}));
        const Logits expected = fresh(engine, tokens, 4402);
        CHECK(feed(s, tokens, 4400, 4402) == expected);
        s.rewind(2050, nullptr);
        CHECK(checkpoints_of(s) == Positions({2048}));
        CHECK(feed(s, tokens, 2050, 4402) == expected);
        CHECK(checkpoints_of(s) == Positions({2048, 4096, 4402}));
    }
    for (const uint32_t step : {1u, 5u}) { // when decoding crosses them
        Session s(engine, 8192);
        forward(s, tokens, 0, 2040, 0);
        for (uint32_t at = 2040; at < 2060; at += step) feed(s, tokens, at, at + step);
        CHECK(checkpoints_of(s) == Positions({2048}));
        CHECK(feed(s, tokens, 2060, 2061) == fresh(engine, tokens, 2061));
        s.rewind(2048, nullptr);
        CHECK(feed(s, tokens, 2048, 2061) == fresh(engine, tokens, 2061));
    }
    Session s(engine, 8192); // off, then on
    s.set_auto_checkpoints(false);
    feed(s, tokens, 0, 2100);
    const auto twin = s.fork();
    CHECK(checkpoints_of(s).empty() && checkpoints_of(*twin).empty());
    CHECK_EQ(engine->memory_used().checkpoints, 0u);
    s.set_auto_checkpoints(true);
    const auto second = s.fork(), third = s.fork();
    CHECK(checkpoints_of(s) == Positions({2100}) && checkpoints_of(*third) == Positions({2100}));
}

TEST(a_failed_span_leaves_no_checkpoints) {
    ScratchDir dir;
    const auto engine = open_tiny(dir, {0, 0, false, 500});
    const Tokens tokens = prompt(4200);
    Session s(engine, 8192), trigger(engine, 100);
    feed(s, tokens, 0, 48);
    forward(trigger, tokens, 0, 9, 0);
    const ds4x_memory before = engine->memory_used();
    // A flag that the trigger's layer raises: its token goes where the long span's piece is cut short at 4096.
    const LayerKv &layer = engine->kv_layout().layers[0];
    if (!engine->backend()->kv_host(trigger.state())) return; // the flag would lie on a device
    uint8_t *slot = trigger.state() + layer.raw + 9 * tiny_model::head_dim * engine->kv_layout().element_bytes();
    std::memset(slot, 0, 4);
    ForwardSpan spans[2];
    spans[0].session = &s;
    spans[0].tokens = tokens.data() + 48;
    spans[0].n_tokens = 4152;
    spans[0].abandon = reinterpret_cast<const int32_t *>(slot);
    spans[1].session = &trigger;
    spans[1].tokens = tokens.data() + 9;
    spans[1].n_tokens = 1;
    CHECK_EQ(layers(*engine, [&] { engine->forward(spans, 2, nullptr); }), 9u * n_layer); // 4 to 2048, 5 to 4096
    CHECK_EQ(spans[0].status, int32_t(DS4X_ERR_CANCELLED));
    CHECK_EQ(spans[1].status, int32_t(DS4X_OK));
    CHECK_EQ(s.pos(), 48u);
    CHECK(checkpoints_of(s) == Positions({48}));
    CHECK_EQ(engine->memory_used().checkpoints, before.checkpoints);
    CHECK(feed(s, tokens, 48, 150) == fresh(engine, tokens, 150));
}

// -------------------------------------------------------------------------------------------------------------- budgets

TEST(the_checkpoint_that_saves_the_fewest_tokens_per_byte_goes_first) {
    ScratchDir dir;
    const auto probe = open_tiny(dir);
    const Tokens tokens = prompt(600);
    const auto bytes_at = [&](uint32_t at) {
        Session s(probe, 600);
        feed(s, tokens, 0, at);
        return s.checkpoint()->checkpoint().bytes();
    };
    const uint64_t whole = bytes_at(512); // at page borders they are alike: no block is open
    CHECK_EQ(bytes_at(128), whole);
    const auto engine = open_tiny(dir, {0, 3 * whole});
    const auto s = session_with(engine, tokens, {128, 256, 384});
    CHECK(checkpoints_of(*s) == Positions({128, 256, 384}));
    CHECK_EQ(engine->memory_used().checkpoints, 3 * whole);
    feed(*s, tokens, 384, 512); // all alike: the oldest goes
    CHECK(checkpoints_of(*s) == Positions({256, 384, 512}));
    CHECK_EQ(engine->memory_used().checkpoints, 3 * whole);
    // Where it went, 256 saves twice as much. A new one that saves least is not made.
    feed(*s, tokens, 512, 524);
    CHECK(checkpoints_of(*s) == Positions({256, 384, 512}));
    // Another session's first one at 256 saves more than 384 and 512.
    const Tokens other = prompt(600, 1);
    const auto b = session_with(engine, other, {256});
    CHECK(checkpoints_of(*b) == Positions({256}));
    CHECK(checkpoints_of(*s) == Positions({256, 512}));
    // What a caller holds stays, and takes no part in it.
    s->rewind(512, nullptr);
    const auto held = s->checkpoint();
    const auto c = session_with(engine, prompt(600, 2), {256, 512});
    CHECK_EQ(s->near(512), 512u);
    CHECK(engine->memory_used().checkpoints <= 3 * whole);
}

TEST(automatic_checkpoints_never_exceed_their_budget) {
    ScratchDir dir;
    const auto probe = open_tiny(dir);
    const uint64_t state = probe->kv_layout().state_bytes;
    const Tokens tokens = prompt(700);
    const std::vector<Logits> rows = all_rows(probe, tokens, 700);
    for (const uint64_t budget : {uint64_t(1), state / 3, state, 3 * state}) {
        const auto engine = open_tiny(dir, {0, budget});
        std::vector<std::unique_ptr<Session>> forks;
        Session s(engine, 700);
        for (uint32_t at = 0; at < 600; at += 29) {
            feed(s, tokens, at, at + 29);
            forks.push_back(s.fork());
            CHECK(engine->memory_used().checkpoints <= budget);
        }
        for (auto &f : forks) {
            f->rewind(f->pos() / 2, nullptr);
            check_goes_on(*f, tokens, rows, 12);
            CHECK(engine->memory_used().checkpoints <= budget);
        }
    }
}

TEST(checkpoints_give_way_when_the_kv_budget_is_full) {
    ScratchDir dir;
    const auto probe = open_tiny(dir);
    const KvLayout &kv = probe->kv_layout();
    const Tokens tokens = prompt(700), other = prompt(700, 1);
    const uint64_t budget = 4 * kv.state_bytes + 12 * kv.page_bytes;
    const auto engine = open_tiny(dir, {budget, 1u << 30});
    Session s(engine, 700);
    for (uint32_t at = 0; at < 600; at += 20) {
        feed(s, tokens, at, at + 20);
        CHECK(kv_bytes(*engine) <= budget);
    }
    CHECK(engine->memory_used().checkpoints > kv.state_bytes / 2);
    Session second(engine, 700);
    CHECK(feed(second, other, 0, 700) == fresh(probe, other, 700));
    CHECK(kv_bytes(*engine) <= budget);
    CHECK(feed(s, tokens, 600, 610) == fresh(probe, tokens, 610));
    CHECK(kv_bytes(*engine) <= budget);
    CHECK_ERROR(Session::resume(*s.checkpoint(), 700)->sync(other.data(), 700, nullptr, nullptr, nullptr),
                DS4X_ERR_MEMORY, "KV budget");
    CHECK(kv_bytes(*engine) <= budget);
    CHECK(feed(s, tokens, 610, 620) == fresh(probe, tokens, 620));
}

TEST(a_page_shared_only_with_automatic_checkpoints_needs_no_copy_when_there_is_no_room) {
    ScratchDir dir;
    const Tokens tokens = prompt(200);
    const auto probe = open_tiny(dir);
    const KvLayout &kv = probe->kv_layout();
    Session like(probe, 200);
    feed(like, tokens, 0, 60);
    const uint64_t budget = 2 * kv.state_bytes + kv.page_bytes + like.checkpoint()->checkpoint().bytes();
    for (const bool callers : {false, true}) {
        const auto engine = open_tiny(dir, {budget});
        Session s(engine, 200);
        feed(s, tokens, 0, 60);
        CHECK(checkpoints_of(s) == Positions{60});
        const Session other(engine, 200); // takes the state kept for long spans: now nothing is left
        CHECK_EQ(kv_bytes(*engine), budget);
        const auto held = callers ? s.checkpoint() : nullptr;
        if (callers) {
            CHECK_ERROR(feed(s, tokens, 60, 61), DS4X_ERR_MEMORY, "KV budget");
            CHECK_EQ(s.pos(), 60u);
        } else {
            CHECK(feed(s, tokens, 60, 61) == fresh(probe, tokens, 61));
            CHECK(checkpoints_of(s).empty());
        }
    }
}

TEST(an_estimate_covers_the_checkpoints_of_a_prompt) {
    ScratchDir dir;
    const auto engine = open_tiny(dir, {0, 0, false, 512});
    const Tokens tokens = prompt(5000);
    std::vector<std::unique_ptr<Session>> all;
    for (int i = 0; i < 2; i++) all.push_back(session_with(engine, tokens, {5000}));
    const ds4x_memory used = engine->memory_used(), told = engine->memory_estimate(5000, 2);
    CHECK_EQ(used.checkpoints, told.checkpoints);
    CHECK_EQ(used.kv_pages, told.kv_pages);
    CHECK_EQ(told.total, told.weights_mapped + told.weights_copied + told.workspace + told.session_state +
                             told.kv_pages + told.checkpoints);
    const auto small = open_tiny(dir, {0, 1000});
    CHECK_EQ(small->memory_estimate(100000, 3).checkpoints, 1000u);
}
