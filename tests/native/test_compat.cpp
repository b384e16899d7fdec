// DS4 sessions over a real model: return codes, going back, syncing, choosing tokens.
#include "check.h"
#include "compat_fixture.h"
#include "ds4x.h"

#include <algorithm>
#include <memory>

using namespace compat_test;

namespace {

struct Events {
    std::vector<std::pair<int, int>> seen;
    std::vector<int> pos;
    ds4_session *session = nullptr;
    static void record(void *ud, const char *event, int current, int total) {
        auto *self = static_cast<Events *>(ud);
        CHECK(!std::strcmp(event, "prefill_chunk"));
        self->seen.push_back({current, total});
        if (self->session) self->pos.push_back(ds4_session_pos(self->session));
    }
};

} // namespace

TEST(compat_short_prompts_and_odd_tails_equal_single_evals) {
    const Model m;
    const std::vector<int> prompt = m.prompt(40);
    for (size_t n : {1, 2, 3, 4, 5, 6, 7, 8, 9, 37, 38, 39, 40}) {
        Session whole(m, 64), single(m, 64);
        const std::vector<int> part(prompt.begin(), prompt.begin() + long(n));
        CHECK_EQ(whole.sync(part), 0);
        for (int token : part) CHECK_EQ(single.eval(token), 0);
        CHECK_EQ(ds4_session_pos(whole.s), int(n));
        CHECK(whole.logits() == single.logits());
        CHECK(whole.tokens() == part);
    }
}

TEST(compat_sync_checks_the_prompt_and_leaves_the_session) {
    const Model m;
    Session s(m, 8);
    const std::vector<int> prompt = m.prompt(8);
    CHECK_EQ(s.sync({}), 1);
    CHECK_EQ(s.error(), "prompt exceeds context");
    CHECK_EQ(s.sync(prompt), 1); // at most ctx - 1
    CHECK_EQ(s.error(), "prompt exceeds context");
    CHECK_EQ(s.sync(std::vector<int>(prompt.begin(), prompt.end() - 1)), 0);
    const std::vector<float> before = s.logits();
    std::vector<int> bad = prompt;
    bad.pop_back();
    bad[3] = m.n_vocab;
    CHECK_EQ(s.sync(bad), 1);
    CHECK(s.error().find("outside the vocabulary") != std::string::npos);
    CHECK_EQ(ds4_session_pos(s.s), 7);
    CHECK(s.logits() == before);
}

TEST(compat_eval_stops_at_the_context_and_at_bad_tokens) {
    const Model m;
    Session s(m, 5);
    const std::vector<int> prompt = m.prompt(5);
    CHECK_EQ(s.eval(-1), 1);
    CHECK_EQ(s.eval(m.n_vocab), 1);
    CHECK(s.error().find("vocabulary") != std::string::npos);
    for (int token : prompt) CHECK_EQ(s.eval(token), 0);
    const std::vector<float> before = s.logits();
    CHECK_EQ(s.eval(prompt[0]), 1);
    CHECK(s.error().find("context is full") != std::string::npos);
    CHECK_EQ(ds4_session_pos(s.s), 5);
    CHECK_EQ(ds4_session_ctx(s.s), 5);
    CHECK(s.logits() == before);
    ds4_session *none = nullptr;
    CHECK_EQ(ds4_session_create(&none, m.e, 0), 1);
    CHECK_EQ(ds4_session_create(&none, m.e, -4), 1);
}

TEST(compat_fresh_session_has_no_logits) {
    const Model m;
    Session s(m, 16);
    ds4_token_score score{};
    uint64_t rng = 3;
    CHECK_EQ(ds4_session_argmax(s.s), -1);
    CHECK_EQ(ds4_session_sample(s.s, 1, 0, 1, 0, &rng), -1);
    CHECK_EQ(rng, uint64_t(3));
    CHECK_EQ(ds4_session_top_logprobs(s.s, &score, 1), 0);
    CHECK_EQ(ds4_session_token_logprob(s.s, 0, &score), 0);
    CHECK_EQ(ds4_session_payload_bytes(s.s), uint64_t(0));
    CHECK(std::strstr(ds4_last_error(), "no valid checkpoint to save"));
    CHECK_EQ(ds4_session_common_prefix(s.s, ds4_session_tokens(s.s)), 0);
}

TEST(compat_rewind_is_exact) {
    const Model m;
    const std::vector<int> prompt = m.prompt(140);
    for (int back : {1, 5, 9, 10, 50, 139}) {
        Session s(m, 256), fresh(m, 256);
        CHECK_EQ(s.sync(prompt), 0);
        const std::vector<int> kept(prompt.begin(), prompt.end() - back);
        ds4_session_rewind(s.s, 140 - back);
        CHECK_EQ(ds4_session_pos(s.s), 140 - back);
        CHECK(s.tokens() == kept);
        CHECK_EQ(fresh.sync(kept), 0);
        if (back % 2) CHECK(s.logits() == fresh.logits()); // of the position gone back to
        for (int i = 0; i < 6; i++) {
            CHECK_EQ(s.eval(prompt[size_t(i) * 7]), 0);
            CHECK_EQ(fresh.eval(prompt[size_t(i) * 7]), 0);
            CHECK(s.logits() == fresh.logits());
        }
    }
    Session s(m, 256);
    CHECK_EQ(s.sync(prompt), 0);
    ds4_session_rewind(s.s, 300); // clamped
    CHECK_EQ(ds4_session_pos(s.s), 140);
    ds4_session_rewind(s.s, -3);
    CHECK_EQ(ds4_session_pos(s.s), 0);
    CHECK_EQ(ds4_session_argmax(s.s), -1);
}

TEST(compat_sync_after_rewind_to_the_same_tokens_has_fresh_logits) {
    const Model m;
    const std::vector<int> prompt = m.prompt(60), half(prompt.begin(), prompt.begin() + 30);
    Session s(m, 128), fresh(m, 128);
    CHECK_EQ(s.sync(prompt), 0);
    ds4_session_rewind(s.s, 30);
    CHECK_EQ(s.sync(half), 0);
    CHECK_EQ(fresh.sync(half), 0);
    CHECK(s.logits() == fresh.logits());
}

TEST(compat_invalidate_forgets_everything) {
    const Model m;
    const std::vector<int> prompt = m.prompt(20);
    Session s(m, 64), fresh(m, 64);
    CHECK_EQ(s.sync(prompt), 0);
    ds4_session_invalidate(s.s);
    CHECK_EQ(ds4_session_pos(s.s), 0);
    CHECK_EQ(ds4_session_argmax(s.s), -1);
    CHECK_EQ(ds4_session_payload_bytes(s.s), uint64_t(0));
    CHECK_EQ(s.eval(prompt[3]), 0);
    CHECK_EQ(fresh.eval(prompt[3]), 0);
    CHECK(s.logits() == fresh.logits());
}

TEST(compat_sync_to_shorter_and_diverging_prompts) {
    const Model m;
    const std::vector<int> prompt = m.prompt(150);
    std::vector<int> other = prompt;
    other[100] = prompt[0];
    const std::vector<int> shorter(prompt.begin(), prompt.begin() + 70);
    Session s(m, 256);
    for (const std::vector<int> &next : {prompt, shorter, other, prompt, shorter, shorter}) {
        Session fresh(m, 256);
        CHECK_EQ(s.sync(next), 0);
        CHECK_EQ(fresh.sync(next), 0);
        CHECK(s.logits() == fresh.logits());
        CHECK(s.tokens() == next);
    }
    CHECK_EQ(s.common(prompt), 70);
    CHECK_EQ(s.common(other), 70);
    const ds4_tokens *own = ds4_session_tokens(s.s); // the session's own vector is a valid prompt
    CHECK_EQ(ds4_session_sync(s.s, own, nullptr, 0), 0);
    CHECK_EQ(ds4_session_pos(s.s), 70);
}

TEST(compat_progress_rises_to_the_whole_prompt) {
    const Model m;
    const std::vector<int> prompt = m.prompt(1200);
    Session s(m, 2000);
    Events events;
    events.session = s.s;
    ds4_session_set_progress(s.s, Events::record, &events);
    CHECK_EQ(s.sync(prompt), 0);
    CHECK(events.seen.size() >= 2);
    for (size_t i = 0; i < events.seen.size(); i++) {
        CHECK_EQ(events.seen[i].second, 1200);
        CHECK_EQ(events.pos[i], events.seen[i].first); // the session stands where the event says
        if (i) CHECK(events.seen[i].first > events.seen[i - 1].first);
    }
    CHECK_EQ(events.seen.back().first, 1200);
    events.seen.clear();
    CHECK_EQ(s.sync(prompt), 0);
    CHECK(events.seen.empty()); // nothing to do
    Session whole(m, 2000);
    CHECK_EQ(whole.sync(prompt), 0);
    CHECK(whole.logits() == s.logits());
}

TEST(compat_progress_may_save_the_session) {
    const Model m;
    const std::vector<int> prompt = m.prompt(1200);
    Session s(m, 2000), loaded(m, 2000), fresh(m, 2000);
    struct Save {
        ds4_session *from;
        ds4_session_snapshot at{};
        static void progress(void *ud, const char *, int, int) {
            auto *self = static_cast<Save *>(ud);
            if (!self->at.len) CHECK_EQ(ds4_session_save_snapshot(self->from, &self->at, nullptr, 0), 0);
        }
    } save{s.s};
    ds4_session_set_progress(s.s, Save::progress, &save);
    CHECK_EQ(s.sync(prompt), 0);
    CHECK_EQ(ds4_session_load_snapshot(loaded.s, &save.at, nullptr, 0), 0);
    const std::vector<int> part(prompt.begin(), prompt.begin() + ds4_session_pos(loaded.s));
    CHECK(part.size() < prompt.size() && loaded.tokens() == part);
    CHECK_EQ(fresh.sync(part), 0);
    CHECK(loaded.logits() == fresh.logits());
    CHECK_EQ(loaded.sync(prompt), 0);
    CHECK(loaded.logits() == s.logits());
    ds4_session_snapshot_free(&save.at);
}

TEST(compat_progress_that_changes_the_session_fails_the_sync) {
    const Model m;
    const std::vector<int> prompt = m.prompt(1200);
    for (const bool evaluates : {false, true}) {
        Session s(m, 2000), fresh(m, 2000);
        struct Change {
            ds4_session *of;
            bool evaluates;
            static void progress(void *ud, const char *, int current, int) {
                auto *self = static_cast<Change *>(ud);
                if (self->evaluates)
                    ds4_session_eval(self->of, 7, nullptr, 0);
                else
                    ds4_session_rewind(self->of, current - 2);
            }
        } change{s.s, evaluates};
        ds4_session_set_progress(s.s, Change::progress, &change);
        CHECK_EQ(s.sync(prompt), 1);
        CHECK(s.error().find("progress callback") != std::string::npos);
        const std::vector<int> now = s.tokens();
        CHECK_EQ(fresh.sync(now), 0);
        CHECK(s.logits() == fresh.logits());
        ds4_session_set_progress(s.s, nullptr, nullptr);
        CHECK_EQ(s.sync(prompt), 0);
        CHECK_EQ(fresh.sync(prompt), 0);
        CHECK(s.logits() == fresh.logits());
    }
}

TEST(compat_rewrite_reports_as_before) {
    const Model m;
    const std::vector<int> prompt = m.prompt(20);
    CHECK(ds4_session_rewrite_requires_rebuild(-1, 5, 0) && ds4_session_rewrite_requires_rebuild(5, -1, 0));
    CHECK(ds4_session_rewrite_requires_rebuild(5, 5, -1) && ds4_session_rewrite_requires_rebuild(5, 9, 6));
    CHECK(ds4_session_rewrite_requires_rebuild(9, 5, 6) && ds4_session_rewrite_requires_rebuild(9, 9, 6));
    CHECK(!ds4_session_rewrite_requires_rebuild(5, 9, 5) && !ds4_session_rewrite_requires_rebuild(5, 5, 5));
    Session s(m, 32);
    const std::vector<int> half(prompt.begin(), prompt.begin() + 10);
    CHECK_EQ(s.rewrite(m.prompt(32), 0), DS4_SESSION_REWRITE_ERROR);
    CHECK_EQ(s.error(), "prompt exceeds context");
    CHECK_EQ(s.rewrite(prompt, 0), DS4_SESSION_REWRITE_ERROR);
    CHECK_EQ(s.error(), "session has no valid checkpoint");
    CHECK_EQ(s.sync(half), 0);
    CHECK_EQ(s.rewrite(prompt, 11), DS4_SESSION_REWRITE_ERROR);
    CHECK_EQ(s.error(), "invalid rewrite prefix");
    std::vector<int> other = prompt;
    other[2] = prompt[3] == prompt[2] ? prompt[2] + 1 : prompt[3];
    CHECK_EQ(s.rewrite(other, 5), DS4_SESSION_REWRITE_ERROR);
    CHECK_EQ(s.error(), "rewrite prefix does not match live checkpoint");
    CHECK_EQ(s.rewrite(prompt, 6), DS4_SESSION_REWRITE_REBUILD_NEEDED);
    CHECK_EQ(s.error(), "rewrite needs rebuild: common=6 live=10 canonical=20");
    CHECK_EQ(ds4_session_pos(s.s), 10);
    CHECK_EQ(s.rewrite(prompt, 10), DS4_SESSION_REWRITE_OK);
    CHECK_EQ(ds4_session_pos(s.s), 20);
}

TEST(compat_choices_come_from_the_logits) {
    const Model m;
    Session s(m, 64);
    CHECK_EQ(s.sync(m.prompt(21)), 0);
    const std::vector<float> l = s.logits();
    const int best = int(std::max_element(l.begin(), l.end()) - l.begin());
    CHECK_EQ(ds4_session_argmax(s.s), best);
    const int second = ds4_session_argmax_excluding(s.s, best);
    CHECK(second != best);
    for (size_t i = 0; i < l.size(); i++) CHECK(int(i) == best || l[i] <= l[size_t(second)]);
    CHECK_EQ(ds4_session_argmax_excluding(s.s, -1), best);
    uint64_t rng = 42;
    CHECK_EQ(ds4_session_sample(s.s, 0, 0, 1, 0, &rng), best);
    CHECK_EQ(rng, uint64_t(42));
    for (int i = 0; i < 40; i++) {
        ds4x_sample_params p;
        ds4x_sample_params_init(&p, sizeof p);
        p.temperature = 1.5f;
        p.top_k = i % 4 == 0 ? 1024 : i % 4 == 1 ? 30 : 0;
        p.top_p = i % 3 ? 0.9f : 1;
        p.min_p = i % 2 ? 0.01f : 0;
        p.rng = rng;
        CHECK_EQ(ds4x_sample_logits(l.data(), uint32_t(l.size()), &p, nullptr), int32_t(DS4X_OK));
        const int top_k = p.top_k == 1024 ? 1000000 : p.top_k; // capped
        CHECK_EQ(ds4_session_sample(s.s, p.temperature, top_k, p.top_p, p.min_p, &rng), p.token);
        CHECK_EQ(rng, p.rng);
    }
    ds4_token_score top[5], one{};
    CHECK_EQ(ds4_session_top_logprobs(s.s, top, 5), 5);
    CHECK_EQ(top[0].id, best);
    CHECK_EQ(top[1].id, second);
    double z = 0;
    for (float x : l) z += std::exp(double(x) - double(l[size_t(best)]));
    for (int i = 0; i < 5; i++) {
        CHECK(std::fabs(double(top[i].logprob) - (double(top[i].logit) - double(l[size_t(best)]) - std::log(z))) <
              1e-5);
        CHECK_EQ(ds4_session_token_logprob(s.s, top[i].id, &one), 1);
        CHECK(one.id == top[i].id && one.logit == top[i].logit && one.logprob == top[i].logprob);
    }
    CHECK_EQ(ds4_session_top_logprobs(s.s, top, 0), 0);
    CHECK_EQ(ds4_session_token_logprob(s.s, -1, &one), 0);
    CHECK_EQ(ds4_session_token_logprob(s.s, m.n_vocab, &one), 0);
    CHECK_EQ(ds4_session_token_logprob(s.s, 0, nullptr), 0);
}

TEST(compat_speculative_eval_accepts_the_first_token) {
    const Model m;
    Session s(m, 8);
    const int token = m.prompt(1)[0];
    int accepted[4] = {-7, -7, -7, -7};
    char err[64] = "";
    CHECK_EQ(ds4_session_eval_speculative_argmax(s.s, token, 4, -1, nullptr, 4, err, sizeof err), 0);
    CHECK_EQ(ds4_session_eval_speculative_argmax(s.s, token, 4, -1, accepted, 0, err, sizeof err), 0);
    CHECK_EQ(ds4_session_pos(s.s), 0);
    CHECK_EQ(ds4_session_eval_speculative_argmax(s.s, token, 4, -1, accepted, 4, err, sizeof err), 1);
    CHECK(accepted[0] == token && accepted[1] == -7);
    CHECK_EQ(ds4_session_pos(s.s), 1);
    CHECK_EQ(ds4_session_eval_speculative_argmax(s.s, -1, 4, -1, accepted, 4, err, sizeof err), -1);
    CHECK(err[0] != '\0');
}

TEST(compat_sessions_outlive_their_engine) {
    auto m = std::make_unique<Model>();
    Session s(*m, 16);
    const std::vector<int> prompt = m->prompt(5);
    CHECK_EQ(s.sync(prompt), 0);
    m.reset();
    CHECK_EQ(s.eval(prompt[0]), 0);
    CHECK_EQ(ds4_session_pos(s.s), 6);
}
