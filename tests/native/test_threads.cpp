// Several threads at one engine: one computes batches, the others do everything else that a scheduler's callers do.
#include "session_api_fixture.h"

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <random>
#include <thread>

using namespace session_api_test;

namespace {

constexpr uint32_t n_ctx = 400, n_sessions = 4;

// How often every thread does what it does.
int rounds() {
    const char *given = std::getenv("DS4_THREAD_ROUNDS");
    return given && std::atoi(given) > 0 ? std::atoi(given) : 4;
}

// CHECK for any thread; reported when they have ended.
class Findings {
public:
    void expect(bool good, const char *what) {
        if (good) return;
        const std::lock_guard<std::mutex> lock(mutex_);
        wrong_.push_back(what);
    }
    ~Findings() {
        for (const std::string &what : wrong_) check::report("threads", 0, what);
    }

private:
    std::mutex mutex_;
    std::vector<std::string> wrong_;
};

ds4x_engine *open(const std::string &path, int32_t n_threads, uint64_t kv_bytes_max = 0, bool exact = true) {
    ds4x_options o;
    ds4x_options_init(&o, sizeof o);
    o.model_path = path.c_str();
    o.exact = exact;
    o.n_threads = n_threads;
    o.n_batch = 64;
    o.kv_bytes_max = kv_bytes_max;
    ds4x_engine *e = nullptr;
    ds4x_error err{};
    CHECK_EQ(ds4x_engine_open(&o, &e, &err), int32_t(DS4X_OK));
    return e;
}

// What the undisturbed model says after every token of `tokens`.
struct Expected {
    Tokens tokens = prompt(n_ctx);
    uint32_t n_vocab = tiny_model::n_vocab;
    std::vector<Logits> rows;
    Tokens best; // the most likely token after each

    explicit Expected(const std::string &path) {
        ds4x_engine *e = open(path, 1);
        ds4x_session *s = nullptr;
        CHECK_EQ(ds4x_session_create(e, n_ctx, &s, nullptr), int32_t(DS4X_OK));
        std::vector<uint32_t> wanted(n_ctx);
        for (uint32_t i = 0; i < n_ctx; i++) wanted[i] = i;
        ds4x_span span{};
        span.session = s;
        span.tokens = tokens.data();
        span.n_tokens = span.n_wanted = n_ctx;
        span.wanted = wanted.data();
        CHECK_EQ(ds4x_forward(e, &span, 1, nullptr, nullptr), int32_t(DS4X_OK));
        rows.assign(n_ctx, Logits(n_vocab));
        for (uint32_t i = 0; i < n_ctx; i++) {
            CHECK_EQ(ds4x_logits(e, i, rows[i].data(), n_vocab, nullptr), int32_t(DS4X_OK));
            best.push_back(int32_t(std::max_element(rows[i].begin(), rows[i].end()) - rows[i].begin()));
        }
        ds4x_session_free(s);
        ds4x_engine_close(e);
    }
    bool goes_on(ds4x_session *s, uint32_t n) const { // up to n tokens, with the right logits
        Logits logits(n_vocab);
        return ds4x_session_sync(s, tokens.data(), n, nullptr, nullptr, nullptr, logits.data(), nullptr) == DS4X_OK &&
               logits == rows[n - 1];
    }
};

// One engine and its sessions, all of which hold beginnings of the same tokens.
struct Shared {
    const Expected &expected;
    const std::string &path;
    ds4x_engine *e;
    ds4x_session *sessions[n_sessions] = {};
    int32_t cancel[n_sessions + 1] = {}; // a span each, and the syncs of forks
    Findings found;
    std::atomic<int> busy{0}; // threads that have something to do besides

    Shared(const Expected &expected, const std::string &path, uint64_t kv_bytes_max)
        : expected(expected), path(path), e(open(path, 3, kv_bytes_max)) {
        for (ds4x_session *&s : sessions) CHECK_EQ(ds4x_session_create(e, n_ctx, &s, nullptr), int32_t(DS4X_OK));
    }
    ~Shared() {
        for (ds4x_session *s : sessions) ds4x_session_free(s);
        ds4x_memory m{};
        ds4x_engine_info info{};
        info.struct_size = sizeof info;
        CHECK_EQ(ds4x_engine_get_info(e, &info, nullptr), int32_t(DS4X_OK));
        CHECK_EQ(ds4x_memory_used(e, &m, nullptr), int32_t(DS4X_OK));
        CHECK_EQ(m.kv_pages + m.checkpoints, 0u);
        CHECK(m.session_state <= info.state_bytes);
        ds4x_engine_close(e);
    }
    Shared(const Shared &) = delete;
    Shared &operator=(const Shared &) = delete;

    // No room is an answer where the engine has a budget.
    bool done(int32_t status, const char *what) {
        found.expect(status == DS4X_OK || status == DS4X_ERR_MEMORY, what);
        return status == DS4X_OK;
    }
};

using Random = std::mt19937;
uint32_t below(Random &random, uint32_t n) { return uint32_t(random() % n); }

// Batches over all sessions, each with a prompt's piece or one token, until the others are done.
void compute(Shared &x) {
    Random random(1);
    ds4x_sample_params params[n_sessions];
    while (x.busy) {
        if (below(random, 4) == 0) {
            ds4x_session *const a = x.sessions[below(random, n_sessions)], *const b =
                                                                               x.sessions[below(random, n_sessions)];
            x.found.expect(ds4x_session_swap(a, b, nullptr) == DS4X_OK, "a swap failed");
            ds4x_session_auto_checkpoints(a, int32_t(below(random, 2)), nullptr);
        }
        ds4x_span spans[n_sessions] = {};
        uint32_t wanted[n_sessions], n = 0, before[n_sessions];
        for (uint32_t i = 0; i < n_sessions; i++) {
            ds4x_session *const s = x.sessions[i];
            __atomic_store_n(&x.cancel[i], 0, __ATOMIC_RELEASE);
            if (ds4x_session_pos(s) + 80 > n_ctx) {
                const uint32_t to = below(random, 3) ? ds4x_session_near(s, 200) : below(random, 200);
                x.done(ds4x_session_rewind(s, to, nullptr, nullptr), "a rewind failed");
                if (ds4x_session_pos(s) + 80 > n_ctx) continue; // no room for it just now
            }
            ds4x_span &span = spans[n];
            before[n] = ds4x_session_pos(s);
            span.session = s;
            span.tokens = x.expected.tokens.data() + before[n];
            span.n_tokens = below(random, 2) ? 1 : 1 + below(random, 80);
            wanted[n] = span.n_tokens - 1;
            span.wanted = &wanted[n];
            span.n_wanted = 1;
            span.cancel = &x.cancel[i];
            ds4x_sample_params_init(&params[n], sizeof params[n]);
            params[n].temperature = 0;
            span.sample = &params[n];
            n++;
        }
        x.found.expect(ds4x_forward(x.e, spans, n, nullptr, nullptr) == DS4X_OK, "a forward failed");
        for (uint32_t k = 0; k < n; k++) {
            const uint32_t after = before[k] + (spans[k].status == DS4X_OK ? spans[k].n_tokens : 0);
            x.found.expect(ds4x_session_pos(spans[k].session) == after, "a session moved otherwise than its span");
            if (spans[k].status == DS4X_OK)
                x.found.expect(params[k].status == DS4X_OK && params[k].token == x.expected.best[after - 1],
                               "a batch drew another token");
            else
                x.found.expect(spans[k].status == DS4X_ERR_CANCELLED || spans[k].status == DS4X_ERR_MEMORY,
                               "a span failed");
        }
        std::this_thread::yield();
    }
}

// Sessions that are being computed, read without waiting.
void read(Shared &x, Random &random) {
    const ds4x_session *s = x.sessions[below(random, n_sessions)];
    int32_t tokens[n_ctx];
    const uint32_t n = ds4x_session_tokens(s, tokens, n_ctx);
    x.found.expect(std::equal(tokens, tokens + n, x.expected.tokens.begin()), "a session held other tokens");
    x.found.expect(ds4x_session_pos(s) <= n_ctx && ds4x_session_n_ctx(s) == n_ctx, "a position beyond n_ctx");
    x.found.expect(ds4x_session_common_prefix(s, x.expected.tokens.data(), n_ctx) <= n_ctx, "a prefix beyond n_ctx");
    x.found.expect(ds4x_session_near(s, 100) <= 100, "near() beyond what was asked for");
    uint32_t at[32] = {};
    const uint32_t n_at = std::min(ds4x_session_checkpoints(s, at, 32), 32u);
    x.found.expect(std::is_sorted(at, at + n_at), "checkpoints out of order");
}

void cancel(Shared &x, Random &random) {
    for (uint32_t i = below(random, 200); i; i--) std::this_thread::yield(); // or nothing would ever be computed
    __atomic_store_n(&x.cancel[below(random, n_sessions + 1)], 1, __ATOMIC_RELEASE);
}

void meter(Shared &x, Random &random) {
    ds4x_memory m{};
    x.found.expect(ds4x_memory_used(x.e, &m, nullptr) == DS4X_OK && m.total > 0, "memory_used failed");
    x.found.expect(ds4x_memory_estimate(x.e, 1000, 3, &m, nullptr) == DS4X_OK, "memory_estimate failed");
    x.found.expect(ds4x_profile(x.e, int32_t(below(random, 2)), nullptr) == DS4X_OK, "profile failed");
    ds4x_op_time times[16];
    x.found.expect(ds4x_profile_read(x.e, times, 16) > 0, "no op times");
    ds4x_layers_computed(x.e);
    ds4x_n_rows(x.e);
    ds4x_engine_info info{};
    info.struct_size = sizeof info;
    x.found.expect(ds4x_engine_get_info(x.e, &info, nullptr) == DS4X_OK, "get_info failed");
    int32_t ids[32];
    size_t n = 0;
    x.found.expect(ds4x_tokenize(x.e, "hello well", 10, 1, ids, 32, &n, nullptr) == DS4X_OK && n, "tokenize failed");
    uint8_t fingerprint[32];
    x.found.expect(ds4x_fingerprint(x.e, fingerprint, nullptr) == DS4X_OK, "fingerprint failed");
}

// A fork of a session that is being computed goes its own way.
void fork(Shared &x, Random &random) {
    ds4x_session *s = x.sessions[below(random, n_sessions)], *f = nullptr;
    const uint32_t to = below(random, 200);
    int32_t status;
    if (below(random, 2) || ds4x_session_pos(s) < to) {
        status = ds4x_session_fork(s, &f, nullptr);
    } else {
        status = ds4x_session_fork_at(s, to, nullptr, &f, nullptr);
        // It may have gone back meanwhile, or moved between two pieces.
        if (status == DS4X_ERR_ARGUMENT || status == DS4X_ERR_STATE) return;
    }
    if (!x.done(status, "a fork failed")) return;
    const uint32_t at = std::min(ds4x_session_pos(f) + 1 + below(random, 100), n_ctx);
    Logits logits(x.expected.n_vocab);
    int32_t *const cancel = &x.cancel[n_sessions];
    __atomic_store_n(cancel, 0, __ATOMIC_RELEASE);
    const auto progress = [](void *user, const char *, uint32_t current, uint32_t) {
        auto &[shared, session] = *static_cast<std::pair<Shared &, ds4x_session *> *>(user);
        shared.found.expect(ds4x_session_pos(session) == current, "progress at another position");
    };
    std::pair<Shared &, ds4x_session *> user{x, f};
    status = ds4x_session_sync(f, x.expected.tokens.data(), at, cancel, progress, &user, logits.data(), nullptr);
    if (status == DS4X_ERR_CANCELLED)
        x.found.expect(ds4x_session_pos(f) < at, "a cancelled sync went on");
    else if (x.done(status, "a fork's sync failed"))
        x.found.expect(logits == x.expected.rows[at - 1], "a fork's logits differ");
    const uint32_t back = below(random, ds4x_session_pos(f) + 1);
    if (x.done(ds4x_session_rewind(f, back, nullptr, nullptr), "a fork's rewind failed"))
        x.found.expect(ds4x_session_pos(f) == back, "a fork went elsewhere");
    ds4x_session_free(f);
}

// A checkpoint, made here, resumed here and in a second thread, freed there.
void keep(Shared &x, Random &random) {
    ds4x_checkpoint *c = nullptr;
    if (!x.done(ds4x_checkpoint_create(x.sessions[below(random, n_sessions)], &c, nullptr), "a checkpoint failed"))
        return;
    const uint32_t at = ds4x_checkpoint_pos(c), to = std::min(at + 1 + below(random, 12), n_ctx);
    const auto resume = [&] {
        ds4x_session *s = nullptr;
        if (!x.done(ds4x_checkpoint_resume(c, n_ctx, &s, nullptr), "resuming failed")) return;
        Logits logits(x.expected.n_vocab);
        if (x.done(
                ds4x_session_sync(s, x.expected.tokens.data(), to, nullptr, nullptr, nullptr, logits.data(), nullptr),
                "a resumed session's sync failed"))
            x.found.expect(logits == x.expected.rows[to - 1], "a resumed session's logits differ");
        ds4x_session_free(s);
    };
    resume();
    std::thread([&] {
        resume();
        ds4x_checkpoint_free(c);
    }).join();
}

// The bytes of a session that is being computed are those of one of its positions.
void save(Shared &x, Random &random) {
    ds4x_session *s = x.sessions[below(random, n_sessions)], *t = nullptr;
    std::vector<uint8_t> bytes(1 << 20);
    uint64_t n = 0;
    const int32_t status = ds4x_state_save(s, DS4X_STATE_PAGES, nullptr, bytes.data(), bytes.size(), &n, nullptr);
    if (status == DS4X_ERR_STATE) return; // it held nothing
    if (!x.done(status, "saving failed") || !x.done(ds4x_session_create(x.e, n_ctx, &t, nullptr), "creating failed"))
        return;
    if (x.done(ds4x_state_load(t, DS4X_STATE_PAGES, bytes.data(), n, nullptr, nullptr, nullptr), "loading failed")) {
        const uint32_t to = std::min(ds4x_session_pos(t) + 1, n_ctx);
        Logits logits(x.expected.n_vocab);
        if (x.done(
                ds4x_session_sync(t, x.expected.tokens.data(), to, nullptr, nullptr, nullptr, logits.data(), nullptr),
                "a loaded session's sync failed"))
            x.found.expect(logits == x.expected.rows[to - 1], "a loaded session's logits differ");
    }
    ds4x_session_free(t);
}

// Another engine over the same file, with threads of its own.
void open_another(Shared &x, Random &random) {
    ds4x_engine *e = open(x.path, 2);
    ds4x_session *s = nullptr;
    x.found.expect(ds4x_session_create(e, n_ctx, &s, nullptr) == DS4X_OK, "creating failed");
    x.found.expect(x.expected.goes_on(s, 1 + below(random, 100)), "another engine's logits differ");
    ds4x_engine_close(e);
    x.found.expect(ds4x_session_rewind(s, 0, nullptr, nullptr) == DS4X_ERR_STATE, "a closed engine computed");
    ds4x_session_free(s);
}

// Each of these n times, and meanwhile the batches, readers and cancellers.
void run_all(Shared &x, int n) {
    using Job = void (*)(Shared &, Random &);
    const Job counted[] = {meter, fork, keep, save, open_another}, meanwhile[] = {read, cancel};
    std::vector<std::thread> threads;
    x.busy = int(sizeof counted / sizeof *counted);
    uint32_t seed = 2;
    for (const Job job : counted)
        threads.emplace_back([&x, n, job, own_seed = seed++] {
            Random random(own_seed);
            for (int i = 0; i < n; i++) job(x, random);
            x.busy--;
        });
    for (const Job job : meanwhile)
        threads.emplace_back([&x, job, own_seed = seed++] {
            Random random(own_seed);
            for (; x.busy; std::this_thread::yield()) job(x, random);
        });
    compute(x);
    for (std::thread &t : threads) t.join();
}

// Until `reached` holds; another thread makes it so.
template <typename F> void wait_until(F &&reached) {
    while (!reached()) std::this_thread::yield();
}

} // namespace

TEST(threads_share_an_engine) {
    const ScratchDir dir;
    const std::string path = session_test::write_tiny(dir);
    const Expected expected(path);
    Shared x(expected, path, 0);
    run_all(x, 4 * rounds());
}

TEST(threads_share_an_engine_in_little_room) {
    const ScratchDir dir;
    const std::string path = session_test::write_tiny(dir);
    const Expected expected(path);
    uint64_t room = 0;
    {
        const Api api;
        ds4x_engine_info info{};
        info.struct_size = sizeof info;
        ds4x_engine_get_info(api.e, &info, nullptr);
        // Every session full, and a little for all the rest.
        room =
            (n_sessions + 4) * info.state_bytes + (n_sessions + 1) * (n_ctx / info.page_tokens + 1) * info.page_bytes;
    }
    Shared x(expected, path, room);
    run_all(x, 4 * rounds());
}

TEST(threads_close_an_engine_that_computes) {
    const ScratchDir dir;
    const std::string path = session_test::write_tiny(dir);
    const Expected expected(path);
    for (int i = 0; i < rounds(); i++) {
        ds4x_engine *e = open(path, 3);
        ds4x_session *s = nullptr, *t = nullptr;
        CHECK_EQ(ds4x_session_create(e, n_ctx, &s, nullptr), int32_t(DS4X_OK));
        CHECK_EQ(ds4x_session_create(e, n_ctx, &t, nullptr), int32_t(DS4X_OK));
        ds4x_span span{};
        span.session = s;
        span.tokens = expected.tokens.data();
        span.n_tokens = n_ctx;
        int32_t status = -1, synced = -1;
        const uint64_t before = ds4x_layers_computed(e);
        // One of them holds the engine, the other waits for it or is between two pieces.
        std::thread forward([&] { status = ds4x_forward(e, &span, 1, nullptr, nullptr); });
        wait_until([&] { return ds4x_layers_computed(e) > before; });
        std::thread sync([&] {
            synced = ds4x_session_sync(t, expected.tokens.data(), n_ctx, nullptr, nullptr, nullptr, nullptr, nullptr);
        });
        ds4x_engine_close(e);
        forward.join();
        sync.join();
        CHECK_EQ(status, int32_t(DS4X_OK)); // it was there first
        CHECK_EQ(span.status, int32_t(DS4X_OK));
        CHECK_EQ(ds4x_session_pos(s), n_ctx);
        CHECK_EQ(ds4x_session_common_prefix(t, expected.tokens.data(), n_ctx), ds4x_session_pos(t));
        CHECK(synced == DS4X_OK || synced == DS4X_ERR_STATE);
        ds4x_session *none = nullptr;
        CHECK_EQ(ds4x_session_fork(s, &none, nullptr), int32_t(DS4X_ERR_STATE));
        ds4x_session_free(s);
        ds4x_session_free(t);
    }
}
