// Bringing a session to given tokens: what is kept, progress, cancelling.
#include "session_api_fixture.h"

#include <cstring>
#include <functional>

using namespace session_api_test;

namespace {

// Progress events, and what is to be done at one of them.
struct Events {
    Timeline &t;
    std::vector<uint32_t> seen;
    uint32_t total = 0;
    std::function<void(uint32_t)> then;
    static void record(void *user, const char *event, uint32_t current, uint32_t total) {
        auto *self = static_cast<Events *>(user);
        CHECK(!std::strcmp(event, "prefill_chunk"));
        CHECK_EQ(ds4x_session_pos(self->t.s), current); // it stands where the event says
        CHECK(self->seen.empty() || current > self->seen.back());
        self->seen.push_back(current);
        self->total = total;
        if (self->then) self->then(current);
    }
};

} // namespace

TEST(sync_computes_only_what_is_new) {
    const Api api;
    const Tokens tokens = prompt(300);
    Tokens other = tokens;
    other[150] = tokens[150] == 5 ? 6 : 5;
    Timeline t(api);
    struct Step {
        Tokens to;
        uint64_t n; // tokens computed
    };
    const Step steps[] = {{first(tokens, 100), 100}, {first(tokens, 100), 1}, {first(tokens, 200), 100},
                          {first(tokens, 195), 1},   {tokens, 105},           {first(tokens, 120), 20},
                          {first(tokens, 100), 100}, {tokens, 200},           {other, 200},
                          {first(other, 1), 1},      {{7, 8, 9}, 3},          {first(tokens, 50), 50}};
    for (const Step &step : steps) {
        const uint64_t before = ds4x_layers_computed(api.e);
        CHECK_EQ(t.sync(step.to), int32_t(DS4X_OK));
        CHECK_EQ(ds4x_layers_computed(api.e) - before, pieces(step.n));
        CHECK(t.tokens() == step.to);
        CHECK(t.logits == logits_of(api, step.to));
    }
}

TEST(sync_without_logits_computes_nothing_twice) {
    const Api api;
    const Tokens tokens = prompt(100);
    Timeline t(api);
    const auto sync = [&](uint32_t n) {
        const uint64_t before = ds4x_layers_computed(api.e);
        CHECK_EQ(ds4x_session_sync(t.s, tokens.data(), n, nullptr, nullptr, nullptr, nullptr, &t.err),
                 int32_t(DS4X_OK));
        CHECK(t.tokens() == first(tokens, n));
        return ds4x_layers_computed(api.e) - before;
    };
    CHECK_EQ(sync(100), pieces(100));
    CHECK_EQ(sync(100), 0u);
    CHECK_EQ(sync(92), 0u);
    CHECK_EQ(sync(95), pieces(3));
    CHECK_EQ(t.sync(tokens), int32_t(DS4X_OK));
    CHECK(t.logits == logits_of(api, tokens));
}

TEST(sync_leaves_the_rows_of_the_last_forward) {
    const Api api;
    const Tokens tokens = prompt(60);
    Timeline a(api), b(api);
    const uint32_t wanted[2] = {3, 9};
    ds4x_span span{};
    span.session = a.s;
    span.tokens = tokens.data();
    span.n_tokens = 10;
    span.wanted = wanted;
    span.n_wanted = 2;
    CHECK_EQ(ds4x_forward(api.e, &span, 1, nullptr, nullptr), int32_t(DS4X_OK));
    Logits rows[2] = {Logits(api.n_vocab), Logits(api.n_vocab)}, again = rows[0];
    for (uint32_t i : {0u, 1u}) ds4x_logits(api.e, i, rows[i].data(), api.n_vocab, nullptr);
    CHECK_EQ(b.sync(tokens), int32_t(DS4X_OK));
    CHECK_EQ(ds4x_n_rows(api.e), 2u);
    for (uint32_t i : {0u, 1u}) {
        ds4x_logits(api.e, i, again.data(), api.n_vocab, nullptr);
        CHECK(again == rows[i]);
    }
    CHECK_EQ(ds4x_logits(api.e, 2, again.data(), api.n_vocab, nullptr), int32_t(DS4X_ERR_STATE));
}

TEST(sync_checks_its_arguments_first) {
    const Api api;
    const Tokens tokens = prompt(60);
    Timeline t(api, 50);
    CHECK_EQ(t.sync(first(tokens, 30)), int32_t(DS4X_OK));
    CHECK_EQ(t.sync(tokens), int32_t(DS4X_ERR_CONTEXT));
    CHECK(std::strstr(t.err.message, "60 tokens do not fit n_ctx = 50"));
    CHECK_EQ(t.sync({}), int32_t(DS4X_ERR_ARGUMENT));
    Tokens bad = first(tokens, 40);
    bad[2] = -1;
    CHECK_EQ(t.sync(bad), int32_t(DS4X_ERR_TOKEN));
    CHECK(std::strstr(t.err.message, "token -1 at offset 2"));
    CHECK_EQ(ds4x_session_sync(nullptr, tokens.data(), 1, nullptr, nullptr, nullptr, nullptr, nullptr),
             int32_t(DS4X_ERR_ARGUMENT));
    CHECK_EQ(ds4x_session_sync(t.s, nullptr, 1, nullptr, nullptr, nullptr, nullptr, nullptr),
             int32_t(DS4X_ERR_ARGUMENT));
    CHECK(t.tokens() == first(tokens, 30));
}

TEST(progress_rises_to_the_prompts_length) {
    const Api api;
    const Tokens tokens = prompt(100), other = prompt(90, 1);
    Timeline t(api);
    Events events{t, {}, 0, {}};
    CHECK_EQ(t.sync(tokens, nullptr, Events::record, &events), int32_t(DS4X_OK));
    CHECK(events.seen == std::vector<uint32_t>({16, 32, 48, 64, 80, 96, 100}));
    CHECK_EQ(events.total, 100u);
    Tokens mixed = first(tokens, 60);
    mixed.insert(mixed.end(), other.begin(), other.end());
    events.seen.clear();
    CHECK_EQ(t.sync(mixed, nullptr, Events::record, &events), int32_t(DS4X_OK)); // computed again from the start
    CHECK_EQ(events.total, 150u);
    CHECK_EQ(events.seen.back(), 150u);
    CHECK(events.seen.front() >= 60); // the session never goes below what it shares with the tokens
    CHECK(t.logits == logits_of(api, mixed));
    events.seen.clear();
    CHECK_EQ(t.sync(first(mixed, 148), nullptr, Events::record, &events), int32_t(DS4X_OK));
    CHECK(events.seen == std::vector<uint32_t>({148}));
}

TEST(progress_may_read_the_session_and_its_logits_but_not_change_it) {
    const Api api;
    const Tokens tokens = prompt(100);
    Timeline t(api);
    Events events{t, {}, 0, {}};
    std::vector<Logits> seen;
    ds4x_session *twin = nullptr;
    ds4x_checkpoint *held = nullptr;
    events.then = [&](uint32_t current) {
        CHECK(t.tokens() == first(tokens, current));
        seen.push_back(t.logits);
        if (current == 32) CHECK_EQ(ds4x_session_fork(t.s, &twin, nullptr), int32_t(DS4X_OK));
        if (current == 48) CHECK_EQ(ds4x_checkpoint_create(t.s, &held, nullptr), int32_t(DS4X_OK));
    };
    CHECK_EQ(t.sync(tokens, nullptr, Events::record, &events), int32_t(DS4X_OK));
    for (size_t i = 0; i < seen.size(); i++) CHECK(seen[i] == logits_of(api, first(tokens, events.seen[i])));
    CHECK_EQ(ds4x_session_pos(twin), 32u);
    CHECK_EQ(ds4x_checkpoint_pos(held), 48u);
    ds4x_session_free(twin);
    ds4x_checkpoint_free(held);

    Timeline u(api);
    Events changing{u, {}, 0, [&](uint32_t current) {
                        if (current == 32) ds4x_session_rewind(u.s, 30, nullptr, nullptr);
                    }};
    CHECK_EQ(u.sync(tokens, nullptr, Events::record, &changing), int32_t(DS4X_ERR_STATE));
    CHECK(std::strstr(u.err.message, "progress callback"));
    CHECK_EQ(u.sync(tokens), int32_t(DS4X_OK));
    CHECK(u.logits == logits_of(api, tokens));
}

TEST(a_cancelled_sync_holds_a_beginning_of_the_tokens) {
    const Api api;
    const Tokens tokens = prompt(200), other = prompt(200, 1);
    for (const uint32_t common : {0u, 50u, 90u, 96u, 99u, 100u}) {
        Tokens next = first(tokens, common);
        next.insert(next.end(), other.begin(), other.end());
        for (const uint32_t at : {0u, common + 1, common + 40, common + 190}) {
            Timeline t(api);
            CHECK_EQ(t.sync(first(tokens, 100)), int32_t(DS4X_OK));
            int32_t cancel = at == 0;
            uint64_t layers = ds4x_layers_computed(api.e);
            Events events{t, {}, 0, [&](uint32_t current) {
                              if (current < at || cancel) return;
                              cancel = 1;
                              layers = ds4x_layers_computed(api.e);
                          }};
            const int32_t rc = t.sync(next, &cancel, Events::record, &events);
            CHECK(rc == DS4X_ERR_CANCELLED || events.seen.back() == next.size());
            CHECK(ds4x_layers_computed(api.e) - layers <= 1);
            const Tokens now = t.tokens();
            CHECK(now == first(tokens, 100) || (begins(next, now) && now.size() >= common));
            if (at) CHECK_EQ(now.size(), size_t(events.seen.back()));
            CHECK_EQ(t.sync(next), int32_t(DS4X_OK));
            CHECK(t.logits == logits_of(api, next));
        }
    }
    // Wanted again for its logits alone.
    Timeline t(api);
    CHECK_EQ(t.sync(tokens), int32_t(DS4X_OK));
    const int32_t cancel = 1;
    CHECK_EQ(t.sync(tokens, &cancel), int32_t(DS4X_ERR_CANCELLED));
    CHECK(t.tokens() == tokens);
    CHECK(t.checkpoints() == Tokens{200});
    CHECK_EQ(t.sync(tokens), int32_t(DS4X_OK));
    CHECK(t.checkpoints() == Tokens{200});
    CHECK(t.logits == logits_of(api, tokens));
}

TEST(a_sync_marks_its_end) {
    const Api api;
    const Tokens tokens = prompt(200);
    Timeline t(api);
    CHECK_EQ(t.sync(first(tokens, 33)), int32_t(DS4X_OK)); // the last piece is one token
    CHECK_EQ(t.sync(first(tokens, 42)), int32_t(DS4X_OK)); // 9 more
    CHECK_EQ(t.sync(first(tokens, 52)), int32_t(DS4X_OK)); // 10 more
    CHECK(t.checkpoints() == Tokens({33, 52}));
    CHECK_EQ(ds4x_session_near(t.s, 51), 51u);
    CHECK_EQ(ds4x_session_near(t.s, 40), 33u);
    CHECK_EQ(ds4x_session_near(t.s, 32), 0u);
}

TEST(sync_fails_when_the_engine_closes_on_the_way) {
    auto api = std::make_unique<Api>();
    const Tokens tokens = prompt(100);
    Timeline t(*api);
    Events events{t, {}, 0, [&](uint32_t current) {
                      if (current == 32) {
                          ds4x_engine_close(api->e);
                          api->e = nullptr;
                      }
                  }};
    CHECK_EQ(t.sync(tokens, nullptr, Events::record, &events), int32_t(DS4X_ERR_STATE));
    CHECK(std::strstr(t.err.message, "closed"));
    CHECK_EQ(ds4x_session_pos(t.s), 32u);
}

TEST(a_loaded_session_can_come_back_to_where_it_was_loaded) {
    const Api api;
    const Tokens tokens = prompt(200);
    Timeline t(api), loaded(api);
    CHECK_EQ(t.sync(first(tokens, 150)), int32_t(DS4X_OK));
    uint64_t n = 0;
    CHECK_EQ(ds4x_state_bytes(t.s, DS4X_STATE_PAGES, 0, &n, nullptr), int32_t(DS4X_OK));
    std::vector<uint8_t> bytes(n);
    CHECK_EQ(ds4x_state_save(t.s, DS4X_STATE_PAGES, nullptr, bytes.data(), n, &n, nullptr), int32_t(DS4X_OK));
    CHECK_EQ(ds4x_state_load(loaded.s, DS4X_STATE_PAGES, bytes.data(), n, nullptr, nullptr, nullptr), int32_t(DS4X_OK));
    CHECK(loaded.checkpoints() == Tokens{150});
    CHECK_EQ(loaded.sync(tokens), int32_t(DS4X_OK));
    CHECK_EQ(ds4x_session_near(loaded.s, 160), 150u);
    const uint64_t before = ds4x_layers_computed(api.e);
    CHECK_EQ(loaded.sync(first(tokens, 160)), int32_t(DS4X_OK));
    CHECK_EQ(ds4x_layers_computed(api.e) - before, pieces(10));
    CHECK(loaded.logits == logits_of(api, first(tokens, 160)));
}
