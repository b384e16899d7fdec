// A file of full size, where DS4_CUDA_FULL_SHAPE names one: the device against the CPU, prompts against single tokens,
// repeats against each other, and what all of it costs. DS4_CUDA_LENGTHS: prompt lengths; DS4_CUDA_CPU_MAX: the longest
// one that the CPU computes too (longer ones are compared with the device's exact mode).
#include "cuda_fixture.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

using namespace ds4;
using namespace cuda_test;

namespace {

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double resident_gib() {
    std::ifstream status("/proc/self/status");
    std::string word;
    while (status >> word)
        if (word == "VmRSS:") {
            double kib = 0;
            status >> kib;
            return kib / 1048576;
        }
    return 0;
}

double relative_l2(const Logits &a, const Logits &b) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < b.size(); i++) {
        difference += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
        size += double(b[i]) * b[i];
    }
    return std::sqrt(difference / size);
}
double worst_l2(const std::vector<Logits> &a, const std::vector<Logits> &b) {
    double worst = 0;
    for (size_t i = 0; i < b.size(); i++) {
        const double d = relative_l2(a[i], b[i]);
        worst = d > worst || d != d ? d : worst;
    }
    return worst;
}

// 32 positions spread over n tokens, the last one among them.
std::vector<uint32_t> positions(uint32_t n) {
    std::vector<uint32_t> out;
    const uint32_t count = std::min(n, 32u);
    for (uint32_t i = 1; i <= count; i++) out.push_back(uint32_t(uint64_t(n) * i / count) - 1);
    return out;
}

struct Run {
    std::vector<Logits> rows;
    std::vector<std::vector<int32_t>> picked; // by the tokens of the last batch, in the last layer with an indexer
    double seconds = 0;
};

// The part of the rows picked by one that the other picked too.
double agreement(const Run &a, const Run &b) {
    size_t both = 0, all = 0;
    for (size_t i = 0; i < a.picked.size(); i++) {
        std::vector<int32_t> common;
        std::set_intersection(a.picked[i].begin(), a.picked[i].end(), b.picked[i].begin(), b.picked[i].end(),
                              std::back_inserter(common));
        both += common.size();
        all += a.picked[i].size();
    }
    return all ? double(both) / double(all) : 1;
}
Run prefill(const std::shared_ptr<Engine> &engine, const Tokens &tokens, const std::vector<uint32_t> &wanted) {
    Session s(engine, uint32_t(tokens.size()) + 128);
    s.set_auto_checkpoints(false);
    ForwardSpan span;
    span.session = &s;
    span.tokens = tokens.data();
    span.n_tokens = uint32_t(tokens.size());
    span.wanted = wanted.data();
    span.n_wanted = uint32_t(wanted.size());
    Run out;
    const double start = seconds();
    engine->forward(&span, 1, nullptr);
    out.seconds = seconds() - start;
    if (span.status != DS4X_OK) throw Error(ds4x_status(span.status), span.message);
    for (uint32_t i = 0; i < span.n_wanted; i++) out.rows.push_back(row(*engine, span.first_row + i));
    if (tokens.size() / 4 > engine->config().idx_top_k) // below, no row is left out
        for (size_t i = 0; i < tokens.size() % engine->n_batch(); i++)
            out.picked.push_back(picked_rows(*engine, int32_t(i)));
    return out;
}

// The last n_single tokens one at a time, after the others at once.
Run decode(const std::shared_ptr<Engine> &engine, const Tokens &tokens, uint32_t n_single) {
    Session s(engine, uint32_t(tokens.size()) + 128);
    s.set_auto_checkpoints(false);
    const size_t first = tokens.size() - n_single;
    if (first) feed(s, tokens, 0, first);
    Run out;
    const double start = seconds();
    for (size_t i = first; i < tokens.size(); i++) out.rows.push_back(feed(s, tokens, i, i + 1));
    out.seconds = seconds() - start;
    return out;
}

} // namespace

TEST(full_shape_device_agrees_with_the_cpu) {
    const char *path = std::getenv("DS4_CUDA_FULL_SHAPE");
    if (!path) return;
    const char *cpu_max_text = std::getenv("DS4_CUDA_CPU_MAX"), *lengths_text = std::getenv("DS4_CUDA_LENGTHS");
    const uint32_t cpu_max = cpu_max_text ? uint32_t(std::atoi(cpu_max_text)) : 33;
    std::vector<uint32_t> lengths;
    std::istringstream text(lengths_text ? lengths_text : "33");
    for (uint32_t n; text >> n;) lengths.push_back(n);

    const auto opened = [&](int32_t backend, bool exact) {
        const double start = seconds();
        Choice choice;
        choice.backend = backend;
        choice.exact = exact;
        choice.n_batch = 512;
        auto o = options_of(path, choice);
        o.backend_options.n_threads = 0;
        auto engine = Engine::open(o);
        std::printf("%s%s: opened in %.2f s, %.2f GiB resident, %s\n", backend == DS4X_BACKEND_CPU ? "cpu" : "cuda",
                    exact ? " exact" : "", seconds() - start, resident_gib(), engine->backend_reason().c_str());
        std::fflush(stdout);
        return engine;
    };
    const auto fast = opened(DS4X_BACKEND_CUDA, false), exact = opened(DS4X_BACKEND_CUDA, true);
    CHECK(resident_gib() < 2);
    std::shared_ptr<Engine> cpu;
    for (const uint32_t n : lengths) {
        Tokens tokens(n);
        uint64_t state = n;
        for (int32_t &t : tokens) {
            state = state * 6364136223846793005ull + 1442695040888963407ull;
            t = int32_t((state >> 33) % fast->config().n_vocab);
        }
        const std::vector<uint32_t> wanted = positions(n);
        const Run f = prefill(fast, tokens, wanted), again = prefill(fast, tokens, wanted),
                  e = prefill(exact, tokens, wanted);
        CHECK(f.rows == again.rows);
        const uint32_t n_single = std::min(n, 32u);
        const Run single = decode(fast, tokens, n_single);
        std::vector<uint32_t> last(n_single);
        for (uint32_t i = 0; i < n_single; i++) last[i] = n - n_single + i;
        const double step = worst_l2(single.rows, prefill(fast, tokens, last).rows);
        const double gap = worst_l2(f.rows, e.rows);
        std::printf("%5u tokens: fast against exact %.3e, single tokens against prefill %.3e, repeats %s; "
                    "prefill %.0f tokens/s (exact %.0f), %.1f single tokens/s\n",
                    n, gap, step, f.rows == again.rows ? "identical" : "DIFFER", n / again.seconds, n / e.seconds,
                    n_single / single.seconds);
        std::fflush(stdout);
        if (!f.picked.empty())
            std::printf("%5u tokens: %.2f %% of the rows picked are the same\n", n, 100 * agreement(f, e));
        CHECK(agreement(f, e) >= 0.99);
        CHECK(gap <= 0.01);
        CHECK(step <= 0.01);
        if (n > cpu_max) continue;
        if (!cpu) cpu = opened(DS4X_BACKEND_CPU, true);
        const Run c = prefill(cpu, tokens, wanted);
        const double gap_exact = worst_l2(e.rows, c.rows), gap_fast = worst_l2(f.rows, c.rows);
        std::printf("%5u tokens: against the exact CPU (%.1f s): exact %.3e, largest %.3e of std, fast %.3e\n", n,
                    c.seconds, gap_exact, far_apart(e.rows, c.rows), gap_fast);
        std::fflush(stdout);
        if (!c.picked.empty())
            std::printf("%5u tokens: of the rows that the CPU picked, exact picked %.2f %%, fast %.2f %%\n", n,
                        100 * agreement(c, e), 100 * agreement(c, f));
        std::fflush(stdout);
        CHECK(agreement(c, e) >= 0.99);
        CHECK(agreement(c, f) >= 0.99);
        CHECK(gap_fast <= 0.01);
        CHECK(gap_exact <= 0.001);
    }
}
