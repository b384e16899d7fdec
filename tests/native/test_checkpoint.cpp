// Checkpoints: exact returns to every position, forks, and what a caller holds.
#include "check.h"
#include "session_fixture.h"

#include <cstring>

using namespace ds4;
using namespace session_test;

// ------------------------------------------------------------------------------------------------------------- going back

TEST(every_rewind_target_is_exact_and_costs_the_replay_from_the_nearest_checkpoint) {
    ScratchDir dir;
    for (const uint32_t n_window : {4u, 100u, 400u}) {
        const auto engine = open_tiny(dir, {0, 0, n_window == 4, 32, 2, n_window});
        const Tokens tokens = prompt(320);
        const std::vector<Logits> rows = all_rows(engine, tokens, 320);
        const Positions ends = {20, 128, 200, 300};
        const auto s = session_with(engine, tokens, ends);
        CHECK(checkpoints_of(*s) == ends);
        const auto held = s->checkpoint();
        for (uint32_t to = 0; to <= 300; to++) {
            const auto back = Session::resume(*held, 400); // knows the same checkpoints, its rings hardly go back
            uint32_t near = 0;
            for (const uint32_t end : ends) near = end <= to ? end : near;
            if (to == 299) near = to; // so that a prompt of 300 can be given again
            CHECK_EQ(back->near(to), near);
            CHECK_EQ(layers(*engine, [&] { back->rewind(to, nullptr); }), replay_layers(to - near, 32));
            CHECK_EQ(back->pos(), to);
            CHECK(checkpoints_of(*back) == Positions(ends.begin(), std::upper_bound(ends.begin(), ends.end(), to)));
            check_goes_on(*back, tokens, rows);
        }
        CHECK_EQ(s->near(291), 291u);
        CHECK_EQ(s->near(290), 200u);
        CHECK_EQ(s->near(5000), 300u);
        CHECK_EQ(layers(*engine, [&] { s->rewind(291, nullptr); }), 0u);
        check_goes_on(*s, tokens, rows);
        CHECK_ERROR(s->rewind(400, nullptr), DS4X_ERR_ARGUMENT, "rewind to position 400");
    }
}

TEST(going_back_again_and_again_stays_exact) {
    ScratchDir dir;
    const auto engine = open_tiny(dir);
    const Tokens tokens = prompt(300);
    const std::vector<Logits> rows = all_rows(engine, tokens, 300);
    const auto s = session_with(engine, tokens, {100, 200, 280});
    for (const uint32_t to :
         {275u, 271u, 262u, 203u, 202u, 200u, 199u, 130u, 128u, 127u, 101u, 100u, 99u, 3u, 1u, 0u}) {
        s->rewind(to, nullptr);
        check_goes_on(*s, tokens, rows, 5);
        s->rewind(to, nullptr);
    }
}

TEST(a_rewind_without_memory_changes_nothing) {
    ScratchDir dir;
    const Tokens tokens = prompt(300);
    const auto probe = open_tiny(dir);
    const KvLayout &kv = probe->kv_layout();
    const auto engine = open_tiny(dir, {2 * kv.state_bytes + 3 * kv.page_bytes});
    const std::vector<Logits> rows = all_rows(probe, tokens, 300);
    Session s(engine, 400);
    s.set_auto_checkpoints(false);
    feed(s, tokens, 0, 280);
    CHECK_ERROR(s.rewind(200, nullptr), DS4X_ERR_MEMORY, "KV budget"); // pages for the replay
    CHECK_EQ(s.pos(), 280u);
    CHECK_EQ(s.near(271), 271u);
    check_goes_on(s, tokens, rows);
}

TEST(a_rewind_cancelled_on_the_way_stops_within_a_layer) {
    ScratchDir dir;
    const auto engine = open_tiny(dir, {0, 0, true, 16, 1});
    const Tokens tokens = prompt(300);
    const std::vector<Logits> rows = all_rows(engine, tokens, 300);
    const auto s = session_with(engine, tokens, {100, 280});
    // A flag in a ring that the replay writes: its state is the one that was given back last.
    Session *spare = new Session(engine, 10);
    uint8_t *state = spare->state();
    delete spare;
    if (!engine->backend()->kv_host(state)) return; // the flag would lie on a device
    const LayerKv &layer = engine->kv_layout().layers[0];
    const size_t row_bytes = tiny_model::head_dim * engine->kv_layout().element_bytes();
    uint8_t *slot = state + layer.raw + (101 % layer.n_raw_slots) * row_bytes; // not among the rows restored for 100
    std::memset(slot, 0, row_bytes);
    const auto flag = reinterpret_cast<const int32_t *>(slot);
    const int32_t cancel = 1;
    CHECK_EQ(layers(*engine, [&] { CHECK_ERROR(s->rewind(200, &cancel), DS4X_ERR_CANCELLED, "cancelled"); }), 0u);
    CHECK_EQ(layers(*engine, [&] { CHECK_ERROR(s->rewind(200, flag), DS4X_ERR_CANCELLED, "cancelled"); }), 1u);
    CHECK_EQ(s->pos(), 280u);
    CHECK(checkpoints_of(*s) == Positions({100, 280}));
    check_goes_on(*s, tokens, rows);
}

// ---------------------------------------------------------------------------------------------------- forks and checkpoints

TEST(forks_are_like_separate_sessions_whoever_writes_first_and_whoever_goes) {
    ScratchDir dir;
    const auto engine = open_tiny(dir);
    const Tokens tokens = prompt(400);
    for (const uint32_t at : {0u, 1u, 3u, 127u, 128u, 129u, 150u, 256u}) {
        Tokens other = tokens;
        for (size_t i = at; i < other.size(); i++) other[i] = 3 + (other[i] + 11) % 250;
        const std::vector<Logits> rows = all_rows(engine, tokens, 400), other_rows = all_rows(engine, other, 400);
        for (const int order : {0, 1, 2}) {
            auto s = session_with(engine, tokens, at ? Positions{at} : Positions{});
            auto twin = s->fork();
            CHECK(checkpoints_of(*twin) == (at ? Positions{at} : Positions{}));
            if (order == 0) check_goes_on(*s, tokens, rows, 140);
            if (order == 2) s.reset();
            check_goes_on(*twin, other, other_rows, 140);
            if (order == 1) check_goes_on(*s, tokens, rows, 140);
            if (s) check_goes_on(*s, tokens, rows, 20);
            twin->rewind(at, nullptr);
            check_goes_on(*twin, tokens, rows, 20);
        }
    }
}

TEST(fork_at_takes_the_way_of_a_rewind_and_leaves_the_session) {
    ScratchDir dir;
    const auto engine = open_tiny(dir, {0, 0, true, 32});
    const Tokens tokens = prompt(320);
    const std::vector<Logits> rows = all_rows(engine, tokens, 320);
    for (const uint32_t at : {0u, 1u, 64u, 128u, 150u, 200u, 250u, 291u, 299u, 300u}) {
        const auto s = session_with(engine, tokens, {100, 200, 300});
        const uint32_t near = s->near(at);
        std::unique_ptr<Session> twin;
        CHECK_EQ(layers(*engine, [&] { twin = s->fork_at(at, nullptr); }), replay_layers(at - near, 32));
        CHECK_EQ(s->pos(), 300u);
        CHECK_EQ(twin->pos(), at);
        CHECK_EQ(s->near(at), at); // the fork's checkpoint is shared
        check_goes_on(*twin, tokens, rows, 40);
        check_goes_on(*s, tokens, rows, 20);
        s->rewind(at, nullptr);
        check_goes_on(*s, tokens, rows, 20);
    }
    const auto s = session_with(engine, tokens, {300});
    const int32_t cancel = 1;
    CHECK_ERROR(s->fork_at(100, &cancel), DS4X_ERR_CANCELLED, "cancelled");
    CHECK_ERROR(s->fork_at(301, nullptr), DS4X_ERR_ARGUMENT, "fork at position 301");
}

TEST(a_checkpoint_goes_back_only_where_its_session_could) {
    ScratchDir dir;
    const auto engine = open_tiny(dir);
    const Tokens tokens = prompt(400);
    const std::vector<Logits> rows = all_rows(engine, tokens, 400);
    Session s(engine, 400);
    s.set_auto_checkpoints(false);
    for (uint32_t i = 0; i < 300; i++) feed(s, tokens, i, i + 1);
    const uint32_t at = 300 - ds4::rewind_slack; // the furthest that costs nothing
    CHECK_EQ(s.near(at), at);
    s.rewind(at, nullptr);
    const auto held = s.checkpoint();
    const auto resumed = Session::resume(*held, 400); // without some of the rows that the position before needs
    resumed->rewind(at - 1, nullptr);
    check_goes_on(*resumed, tokens, rows, 20);
    const auto again = resumed->checkpoint();
    CHECK_EQ(again->checkpoint().back(), 1u);
    const auto third = Session::resume(*again, 400);
    third->rewind(third->pos() - 1, nullptr);
    check_goes_on(*third, tokens, rows, 20);
}

TEST(checkpoints_survive_their_session_and_serve_many) {
    ScratchDir dir;
    const auto engine = open_tiny(dir);
    const Tokens tokens = prompt(400), other = prompt(400, 1);
    const std::vector<Logits> rows = all_rows(engine, tokens, 400);
    const uint64_t idle = kv_bytes(*engine); // a spare state
    for (const uint32_t at : {0u, 1u, 4u, 127u, 128u, 130u, 256u, 300u}) {
        auto s = std::make_unique<Session>(engine, 400);
        s->set_auto_checkpoints(false);
        if (at) feed(*s, tokens, 0, at);
        const uint64_t pages = engine->memory_used().kv_pages;
        auto held = s->checkpoint();
        CHECK_EQ(held->checkpoint().pos(), at);
        CHECK_EQ(engine->memory_used().checkpoints, held->checkpoint().bytes());
        CHECK_EQ(engine->memory_used().kv_pages, pages); // shared
        CHECK(held->checkpoint().bytes() <= engine->kv_layout().state_bytes);
        CHECK(checkpoints_of(*s) == (at ? Positions{at} : Positions{}));
        const auto again = s->checkpoint(); // the same one
        CHECK_EQ(engine->memory_used().checkpoints, held->checkpoint().bytes());
        check_goes_on(*s, tokens, rows, 50);
        s->rewind(at, nullptr);
        s.reset();
        for (int i = 0; i < 3; i++) {
            const auto one = Session::resume(*held, 400 - uint32_t(i));
            CHECK_EQ(one->n_ctx(), 400 - uint32_t(i));
            check_goes_on(*one, tokens, rows, 90);
            one->rewind(at, nullptr);
            check_goes_on(*one, tokens, rows, 20);
        }
        if (at) CHECK_ERROR(Session::resume(*held, at - 1), DS4X_ERR_CONTEXT, "n_ctx");
    }
    CHECK_EQ(kv_bytes(*engine), std::max<uint64_t>(idle, engine->kv_layout().state_bytes));
}

TEST(a_freed_checkpoint_leaves_its_sessions_and_its_bytes) {
    ScratchDir dir;
    const auto engine = open_tiny(dir);
    const Tokens tokens = prompt(300);
    const std::vector<Logits> rows = all_rows(engine, tokens, 300);
    Session s(engine, 400);
    s.set_auto_checkpoints(false);
    feed(s, tokens, 0, 100);
    auto held = s.checkpoint();
    feed(s, tokens, 100, 200);
    CHECK_EQ(s.near(150), 100u);
    held.reset();
    CHECK_EQ(engine->memory_used().checkpoints, 0u);
    CHECK_EQ(s.near(150), 0u);
    CHECK_EQ(s.copy_checkpoints(nullptr, 0), 0u);
    s.rewind(150, nullptr);
    check_goes_on(s, tokens, rows);
    // One that the session made for itself goes back to it.
    s.set_auto_checkpoints(true);
    const auto twin = s.fork();
    held = twin->checkpoint();
    held.reset();
    CHECK(checkpoints_of(s) == Positions{s.pos()});
}

TEST(swapped_sessions_hold_each_others_tokens) {
    ScratchDir dir;
    const auto engine = open_tiny(dir);
    const Tokens tokens = prompt(400), other = prompt(400, 1);
    const std::vector<Logits> rows = all_rows(engine, tokens, 400), other_rows = all_rows(engine, other, 400);
    const auto a = session_with(engine, tokens, {150}, 400), b = session_with(engine, other, {40, 220}, 400);
    const auto c = session_with(engine, tokens, {}, 401);
    a->swap(*b);
    CHECK_EQ(a->pos(), 220u);
    CHECK(checkpoints_of(*a) == Positions({40, 220}));
    check_goes_on(*a, other, other_rows);
    check_goes_on(*b, tokens, rows);
    a->rewind(50, nullptr);
    check_goes_on(*a, other, other_rows);
    const uint32_t at = a->pos();
    a->swap(*a);
    CHECK_EQ(a->pos(), at);
    CHECK_ERROR(a->swap(*c), DS4X_ERR_ARGUMENT, "n_ctx");
    const auto elsewhere = open_tiny(dir);
    Session d(elsewhere, 400);
    CHECK_ERROR(a->swap(d), DS4X_ERR_ARGUMENT, "different engines");
}
