// Spans with a sample, a reason of their own and two flags; sessions read and freed while others compute.
#include "session_api_fixture.h"

#include <atomic>
#include <cstring>
#include <thread>

using namespace session_api_test;

TEST(a_sample_in_the_span_is_the_one_ds4x_sample_draws) {
    const Api api;
    const Tokens tokens = prompt(60);
    Timeline a(api), b(api);
    const uint32_t wanted[2] = {7, 19};
    ds4x_sample_params in_span[2], after[2];
    ds4x_token_score top[2][3];
    ds4x_span spans[2] = {};
    for (int i : {0, 1}) {
        ds4x_sample_params_init(&in_span[i], sizeof in_span[i]);
        in_span[i].temperature = 1.5f;
        in_span[i].rng = 5 + uint64_t(i);
        in_span[i].row = 77; // is set
        in_span[i].n_top = 3;
        in_span[i].top = top[i];
        after[i] = in_span[i];
        spans[i].session = i ? b.s : a.s;
        spans[i].tokens = tokens.data() + i;
        spans[i].n_tokens = 20;
        spans[i].wanted = wanted;
        spans[i].n_wanted = 2;
        spans[i].sample = &in_span[i];
    }
    ds4x_error err{};
    CHECK_EQ(ds4x_forward(api.e, spans, 2, nullptr, &err), int32_t(DS4X_OK));
    for (uint32_t i : {0u, 1u}) {
        CHECK_EQ(in_span[i].status, int32_t(DS4X_OK));
        CHECK_EQ(in_span[i].row, spans[i].first_row + 1);
        after[i].row = in_span[i].row;
    }
    CHECK_EQ(ds4x_sample(api.e, after, 2, &err), int32_t(DS4X_OK));
    for (int i : {0, 1}) {
        CHECK_EQ(in_span[i].token, after[i].token);
        CHECK_EQ(in_span[i].rng, after[i].rng);
        CHECK_EQ(in_span[i].logprob, after[i].logprob);
        CHECK_EQ(in_span[i].n_top_out, 3u);
    }
}

TEST(a_failing_sample_leaves_its_span_and_says_why) {
    const Api api;
    const Tokens tokens = prompt(20);
    Timeline t(api);
    ds4x_sample_params p;
    ds4x_error why{};
    ds4x_span span{};
    span.session = t.s;
    span.tokens = tokens.data();
    span.n_tokens = 5;
    span.sample = &p;
    span.error = &why;
    const uint32_t last = 4;
    ds4x_sample_params_init(&p, sizeof p);
    CHECK_EQ(ds4x_forward(api.e, &span, 1, nullptr, nullptr), int32_t(DS4X_OK)); // no row is wanted
    CHECK_EQ(span.status, int32_t(DS4X_OK));
    CHECK_EQ(p.status, int32_t(DS4X_ERR_ARGUMENT));
    CHECK(std::strstr(why.message, "n_wanted"));
    span.wanted = &last;
    span.n_wanted = 1;
    p.top_p = NAN;
    CHECK_EQ(ds4x_forward(api.e, &span, 1, nullptr, nullptr), int32_t(DS4X_OK));
    CHECK_EQ(span.status, int32_t(DS4X_OK));
    CHECK_EQ(p.status, int32_t(DS4X_ERR_ARGUMENT));
    CHECK_EQ(why.code, int32_t(DS4X_ERR_ARGUMENT));
    CHECK(std::strstr(why.message, "top_p"));
    p.struct_size = 8;
    CHECK_EQ(ds4x_forward(api.e, &span, 1, nullptr, nullptr), int32_t(DS4X_OK));
    CHECK_EQ(p.status, int32_t(DS4X_ERR_ARGUMENT));
    CHECK(std::strstr(why.message, "struct_size"));
    CHECK_EQ(ds4x_session_pos(t.s), 15u);
    ds4x_sample_params_init(&p, sizeof p);
    CHECK_EQ(ds4x_forward(api.e, &span, 1, nullptr, nullptr), int32_t(DS4X_OK));
    CHECK_EQ(p.status, int32_t(DS4X_OK));
    CHECK_EQ(why.code, int32_t(DS4X_OK));
    CHECK_EQ(why.message[0], '\0');
}

TEST(every_span_has_its_own_reason_and_two_flags) {
    const Api api;
    const Tokens tokens = prompt(60);
    Timeline a(api, 10), b(api), c(api), d(api), e(api);
    const Tokens bad = {3, 100000};
    const int32_t up = 1, down = 0;
    ds4x_error why[5] = {}, err{};
    ds4x_span spans[5] = {};
    ds4x_session *const sessions[5] = {a.s, b.s, c.s, d.s, e.s};
    for (int i = 0; i < 5; i++) {
        spans[i].session = sessions[i];
        spans[i].tokens = tokens.data();
        spans[i].n_tokens = 20;
        spans[i].cancel = spans[i].abandon = &down;
        spans[i].error = &why[i];
    }
    spans[1].tokens = bad.data();
    spans[1].n_tokens = 2;
    spans[2].cancel = &up;
    spans[3].abandon = &up;
    CHECK_EQ(ds4x_forward(api.e, spans, 5, nullptr, &err), int32_t(DS4X_OK));
    const int32_t expected[5] = {DS4X_ERR_CONTEXT, DS4X_ERR_TOKEN, DS4X_ERR_CANCELLED, DS4X_ERR_CANCELLED, DS4X_OK};
    const char *const words[5] = {"n_ctx = 10", "100000", "cancelled", "cancelled", ""};
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(spans[i].status, expected[i]);
        CHECK_EQ(why[i].code, expected[i]);
        CHECK(std::strstr(why[i].message, words[i]));
        CHECK_EQ(ds4x_session_pos(sessions[i]), i == 4 ? 20u : 0u);
    }
    CHECK(!std::strcmp(err.message, why[0].message));
}

TEST(sessions_are_read_freed_and_resumed_while_others_compute) {
    const Api api(64, 3 << 20);
    const Tokens tokens = prompt(300), other = prompt(300, 1);
    const Logits expected = logits_of(api, tokens);
    Timeline t(api);
    std::atomic<bool> stop{false};
    std::atomic<uint32_t> reads{0};
    std::thread reader([&] {
        uint32_t at[8];
        while (!stop) {
            const uint32_t pos = ds4x_session_pos(t.s);
            CHECK(ds4x_session_near(t.s, 300) <= 300);
            ds4x_session_checkpoints(t.s, at, 8);
            CHECK(ds4x_session_common_prefix(t.s, tokens.data(), 300) <= 300);
            Tokens copy(300);
            ds4x_session_tokens(t.s, copy.data(), 300);
            reads += pos <= 300;
        }
    });
    std::thread churner([&] {
        while (!stop) {
            Timeline mine(api);
            ds4x_checkpoint *held = nullptr;
            ds4x_session *twin = nullptr;
            CHECK_EQ(mine.sync(first(other, 40)), int32_t(DS4X_OK));
            CHECK_EQ(ds4x_checkpoint_create(mine.s, &held, &mine.err), int32_t(DS4X_OK));
            CHECK_EQ(ds4x_checkpoint_resume(held, 100, &twin, &mine.err), int32_t(DS4X_OK));
            ds4x_session_free(twin);
            ds4x_checkpoint_free(held);
        }
    });
    for (int i = 0; i < 30; i++) {
        CHECK_EQ(t.sync(i % 3 == 1 ? other : first(tokens, 150)), int32_t(DS4X_OK));
        CHECK_EQ(ds4x_session_rewind(t.s, 40 + uint32_t(i), nullptr, &t.err), int32_t(DS4X_OK));
        CHECK_EQ(t.sync(tokens), int32_t(DS4X_OK));
        CHECK(t.logits == expected);
    }
    while (reads < 100) std::this_thread::yield();
    stop = true;
    reader.join();
    churner.join();
}
