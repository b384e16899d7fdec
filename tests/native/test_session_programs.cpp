// Sessions under random programs, and when memory is refused.
#include "alloc_watch.h"
#include "check.h"
#include "session_fixture.h"

#include <cstdlib>
#include <random>

using namespace ds4;
using namespace session_test;

TEST(random_programs_agree_with_fresh_sessions) {
    ScratchDir dir;
    const auto probe = open_tiny(dir);
    const KvLayout &kv = probe->kv_layout();
    const char *asked = std::getenv("DS4_PROGRAM_SEEDS"); // fewer where computing is slow
    const uint32_t n_seeds = asked ? uint32_t(std::atoi(asked)) : 6;
    for (uint32_t seed = 0; seed < n_seeds; seed++) {
        Setup setup;
        setup.n_window = seed % 2 ? 40 : 4;
        setup.exact = seed % 3 != 0;
        if (seed > 2) setup.checkpoint_bytes_max = 2 * kv.state_bytes;
        const auto engine = open_tiny(dir, setup);
        std::mt19937 random(seed);
        const auto below = [&](uint32_t n) { return n ? uint32_t(random() % n) : 0; };
        struct One {
            std::unique_ptr<Session> s;
            Tokens tokens;
        };
        struct Kept {
            std::unique_ptr<HeldCheckpoint> held;
            Tokens tokens;
        };
        std::vector<One> all;
        std::vector<Kept> kept;
        all.push_back({std::make_unique<Session>(engine, 600), {}});
        for (int step = 0; step < 150; step++) {
            One &one = all[below(uint32_t(all.size()))];
            const uint32_t at = uint32_t(one.tokens.size()), to = below(at + 1);
            Tokens more = prompt(1 + (below(3) ? below(12) : below(90)), below(1000));
            const int32_t cancel = 1;
            switch (below(9)) {
            case 0: // replace the tail by other tokens
                one.tokens.resize(to);
                one.tokens.insert(one.tokens.end(), more.begin(), more.end());
                one.s->sync(one.tokens.data(), uint32_t(one.tokens.size()), nullptr, nullptr, nullptr);
                break;
            case 1:
                one.s->rewind(to, nullptr);
                one.tokens.resize(to);
                break;
            case 2:
                if (all.size() < 5) all.push_back({one.s->fork(), one.tokens});
                break;
            case 3:
                if (all.size() < 5) {
                    all.push_back({one.s->fork_at(to, nullptr), Tokens(one.tokens.begin(), one.tokens.begin() + to)});
                    break;
                }
                all.erase(all.begin() + below(uint32_t(all.size())));
                break;
            case 4: {
                One &two = all[below(uint32_t(all.size()))];
                one.s->swap(*two.s);
                std::swap(one.tokens, two.tokens);
                break;
            }
            case 5:
                kept.push_back({one.s->checkpoint(), one.tokens});
                if (kept.size() > 3) kept.erase(kept.begin() + below(4));
                break;
            case 6:
                if (kept.empty()) break;
                one.s = Session::resume(*kept[0].held, 600);
                one.tokens = kept[0].tokens;
                break;
            case 7: {
                ForwardSpan span;
                span.session = one.s.get();
                span.tokens = more.data();
                span.n_tokens = uint32_t(more.size());
                span.cancel = &cancel;
                if (below(2)) engine->forward(&span, 1, nullptr);
                break;
            }
            default:
                if (at + more.size() > 590) break;
                feed(*one.s, more, 0, more.size());
                one.tokens.insert(one.tokens.end(), more.begin(), more.end());
            }
            One &seen = all[below(uint32_t(all.size()))];
            CHECK(tokens_of(*seen.s) == seen.tokens);
            if (seen.tokens.size() > 590) {
                seen.s->rewind(3, nullptr);
                seen.tokens.resize(3);
            }
            seen.tokens.push_back(int32_t(3 + below(250)));
            const size_t n = seen.tokens.size();
            CHECK(feed(*seen.s, seen.tokens, n - 1, n) == fresh(engine, seen.tokens, n));
        }
        all.clear();
        kept.clear();
        const ds4x_memory m = engine->memory_used();
        CHECK_EQ(m.kv_pages + m.checkpoints, 0u);
        CHECK(m.session_state <= engine->kv_layout().state_bytes);
    }
}

TEST(refused_memory_fails_calls_and_leaves_sessions) {
    ScratchDir dir;
    Setup setup;
    setup.n_threads = 1; // the watch sees the calling thread
    const auto engine = open_tiny(dir, setup);
    const Tokens tokens = prompt(400), other = prompt(400, 1);
    const std::vector<Logits> rows = all_rows(engine, tokens, 400);
    const auto try_all = [&](Session &s, size_t limit) {
        uint64_t refused = 0;
        const auto attempt = [&](auto &&call) {
            try {
                const AllocWatch watch(limit);
                try {
                    call();
                } catch (...) {
                    refused += watch.refused();
                    throw;
                }
                refused += watch.refused();
            } catch (const Error &e) {
                CHECK_EQ(int(e.code()), int(DS4X_ERR_MEMORY));
            } catch (const std::bad_alloc &) {}
        };
        attempt([&] { s.fork(); });
        attempt([&] { s.fork_at(150, nullptr); });
        attempt([&] { s.checkpoint(); });
        attempt([&] { Session::resume(*s.checkpoint(), 400); });
        attempt([&] {
            Session t(engine, 400);
            t.sync(other.data(), 150, nullptr, nullptr, nullptr);
        });
        attempt([&] { s.rewind(190, nullptr); });
        attempt([&] { s.rewind(150, nullptr); });
        return refused;
    };
    uint64_t refused = 0;
    for (const size_t limit : {8u, 16u, 24u, 40u, 64u, 100u, 200u, 400u, 800u, 1600u, 3000u, 6000u, 12000u, 20000u}) {
        {
            const auto s = session_with(engine, tokens, {100, 200}, 400);
            refused += try_all(*s, limit);
            check_goes_on(*s, tokens, rows, 50);
        }
        const ds4x_memory m = engine->memory_used();
        CHECK_EQ(m.kv_pages + m.checkpoints, 0u);
    }
    CHECK(refused > 20);
}
