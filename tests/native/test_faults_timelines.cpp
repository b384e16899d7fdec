// Every allocation refused in turn: timelines that fork, go back, sync and return to checkpoints, through the C API.
#include "fault_run.h"

using namespace fault_test;

TEST(faults_timelines_that_fork_and_go_back) {
    const Tiny tiny;
    refuse_each("fork and rewind", [&](Run &run) {
        Model m;
        tiny.open(m);
        Timeline a, b, c, d;
        a.create(run, m);
        a.feed(run, m, all, 100);
        a.feed(run, m, all, 150);
        a.fork(run, b);
        a.fork_at(run, 245, c);
        a.fork_at(run, 130, d);
        b.feed(run, m, all, 20);
        b.rewind(run, 262);
        b.rewind(run, 120);
        b.feed(run, m, all, 30);
        run.call("swap", [&](ds4x_error *err) { return ds4x_session_swap(b.s, c.s, err); });
        std::swap(b.tokens, c.tokens);
        for (Timeline *t : {&a, &b, &c, &d}) t->feed(run, m, all, 10);
        a.rewind(run, 3);
        a.feed(run, m, all, 20);
        d.rewind(run, 0);
        d.feed(run, m, all, 20);
    });
}

TEST(faults_checkpoints_on_a_long_way) {
    const Tiny tiny;
    const Tokens way = prompt(4300);
    refuse_each("long way", [&](Run &run) {
        Model m;
        {
            ds4x_options o = options(tiny.path);
            o.n_batch = 512;
            Run calm;
            const faults::Scope scope(faults::Scope::watching);
            m.open(calm, o);
        }
        Timeline t;
        t.create(run, m, 5000);
        t.feed(run, m, way, 4300); // two checkpoints on the way and one at its end
        t.rewind(run, 2060);
        t.feed(run, m, way, 3, 3);
    });
}

TEST(faults_sync_with_progress) {
    const Tiny tiny;
    struct Seen {
        ds4x_session *s;
        uint32_t last, calls;
        uint8_t room[64 * 1024];
    };
    static Seen seen;
    const auto progress = [](void *user, const char *event, uint32_t current, uint32_t total) {
        Seen &p = *static_cast<Seen *>(user);
        CHECK(!std::strcmp(event, "prefill_chunk") && current > p.last && current <= total);
        CHECK_EQ(ds4x_session_pos(p.s), current);
        p.last = current;
        uint64_t n = 0; // it may save the session
        if (p.calls++ % 3 == 0) ds4x_state_save(p.s, DS4X_STATE_PAGES, nullptr, p.room, sizeof p.room, &n, nullptr);
    };
    Tokens parted = first(all, 150); // then others
    parted.insert(parted.end(), other.begin(), other.begin() + 40);
    refuse_each("sync", [&](Run &run) {
        Model m;
        tiny.open(m);
        Timeline t;
        t.create(run, m);
        seen.s = t.s;
        const auto sync = [&](const Tokens &to) {
            seen.last = 0;
            uint32_t common = 0;
            while (common < std::min(t.tokens.size(), to.size()) && t.tokens[common] == to[common]) common++;
            Floats logits(m.n_vocab);
            run.call(
                "sync with progress",
                [&](ds4x_error *err) {
                    seen.last = 0;
                    return ds4x_session_sync(t.s, to.data(), uint32_t(to.size()), nullptr, progress, &seen,
                                             logits.data(), err);
                },
                [&] {
                    const uint32_t pos = ds4x_session_pos(t.s);
                    if (ds4x_session_common_prefix(t.s, to.data(), uint32_t(to.size())) != pos || pos < common)
                        t.look();
                });
            t.tokens = to;
            t.look();
            run.answer(logits);
        };
        sync(first(all, 100));
        t.sync(run, m, first(all, 200));
        sync(first(all, 200)); // the logits again
        sync(parted);
        t.sync(run, m, first(all, 97));
        t.sync(run, m, first(other, 60));
        t.feed(run, m, other, 10, 10);
    });
}

TEST(faults_checkpoints_with_and_without_a_budget) {
    const Tiny tiny;
    uint64_t page = 0, state = 0;
    {
        Model m;
        tiny.open(m);
        ds4x_engine_info info{};
        info.struct_size = sizeof info;
        ds4x_engine_get_info(m.e, &info, nullptr);
        page = info.page_bytes, state = info.state_bytes;
    }
    for (const bool tight : {false, true}) {
        refuse_each(tight ? "checkpoints in little room" : "checkpoints", [&](Run &run) {
            Model m;
            tiny.open(m, tight ? 4 * state + 7 * page : 0);
            Timeline t;
            t.create(run, m);
            ds4x_checkpoint *kept[3] = {};
            for (ds4x_checkpoint *&c : kept) {
                t.feed(run, m, all, 60);
                run.call(
                    "checkpoint", [&](ds4x_error *err) { return ds4x_checkpoint_create(t.s, &c, err); },
                    [&] {
                        t.look();
                        CHECK(!c);
                    });
                t.feed(run, m, all, 1);
            }
            t.rewind(run, 70);
            for (ds4x_checkpoint *c : kept) {
                const uint32_t pos = ds4x_checkpoint_pos(c);
                Timeline back;
                run.call(
                    "resume", [&](ds4x_error *err) { return ds4x_checkpoint_resume(c, 300, &back.s, err); },
                    [&] { CHECK(!back.s && ds4x_checkpoint_pos(c) == pos); });
                back.tokens = first(all, pos);
                back.feed(run, m, all, 3, 3);
                if (pos > 100) back.rewind(run, 65);
                back.feed(run, m, all, 2, 2);
                run.plain([&] { ds4x_checkpoint_free(c); });
            }
            t.feed(run, m, all, 30);
        });
    }
}
