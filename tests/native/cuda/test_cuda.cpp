// The CUDA backend against the CPU, on the three-layer model, on whatever device there is.
#include "cuda_fixture.h"
#include "kv/snapshot.h"

#include <utility>

using namespace ds4;
using namespace cuda_test;

TEST(cuda_exact_logits_are_those_of_the_cpu) {
    ScratchDir dir;
    for (const uint32_t n_window : {4u, 40u}) {
        const std::string path = write_tiny(dir, n_window);
        const auto cpu = open(path, {DS4X_BACKEND_CPU, true}), cuda = open(path, {DS4X_BACKEND_CUDA, true});
        const Tokens tokens = prompt(300);
        CHECK(far_apart(all_rows(cuda, tokens, 300), all_rows(cpu, tokens, 300)) < 1e-4);
    }
}

TEST(cuda_fast_logits_are_close_to_the_exact_ones) {
    ScratchDir dir;
    const std::string path = write_tiny(dir);
    const auto cpu = open(path, {DS4X_BACKEND_CPU, true}), cuda = open(path, {DS4X_BACKEND_CUDA, false});
    const Tokens tokens = prompt(120);
    const std::vector<Logits> exact = all_rows(cpu, tokens, 120);
    CHECK(far_apart(all_rows(cuda, tokens, 120), exact) < 5e-2);
    Session s(cuda, 120); // token by token
    std::vector<Logits> single;
    for (size_t i = 0; i < 120; i++) single.push_back(feed(s, tokens, i, i + 1));
    CHECK(far_apart(single, exact) < 5e-2);
}

TEST(cuda_the_same_batch_gives_the_same_bits) {
    ScratchDir dir;
    const std::string path = write_tiny(dir);
    for (const bool exact : {true, false}) {
        const auto engine = open(path, {DS4X_BACKEND_CUDA, exact});
        const Tokens tokens = prompt(200);
        const std::vector<Logits> first = all_rows(engine, tokens, 200);
        CHECK(all_rows(engine, tokens, 200) == first);
        CHECK(all_rows(open(path, {DS4X_BACKEND_CUDA, exact}), tokens, 200) == first);
    }
}

TEST(cuda_picks_the_rows_that_the_cpu_picks) {
    ScratchDir dir;
    const std::string path = write_tiny(dir);
    const auto cpu = open(path, {DS4X_BACKEND_CPU, true}), cuda = open(path, {DS4X_BACKEND_CUDA, true});
    const Tokens tokens = prompt(100);
    size_t n_rows = 0;
    for (const size_t at : {30u, 50u, 99u}) {
        for (const auto &engine : {cpu, cuda}) {
            Session s(engine, 100);
            feed(s, tokens, 0, at);
            feed(s, tokens, at, at + 1);
        }
        const std::vector<int32_t> picked = picked_rows(*cpu, 0);
        CHECK(picked_rows(*cuda, 0) == picked);
        n_rows += picked.size();
    }
    CHECK_EQ(n_rows, size_t(3 * tiny_model::idx_top_k));
}

TEST(cuda_a_saved_session_goes_on_on_the_other_backend) {
    ScratchDir dir;
    const std::string path = write_tiny(dir);
    const auto cpu = open(path, {DS4X_BACKEND_CPU, true}), cuda = open(path, {DS4X_BACKEND_CUDA, true});
    const Tokens tokens = prompt(300);
    for (const auto &[from, to] : {std::pair(cpu, cuda), std::pair(cuda, cpu)}) {
        Session saved(from, 300), loaded(to, 300);
        feed(saved, tokens, 0, 270);
        std::vector<uint8_t> bytes(snapshot_bytes(saved, false));
        MemorySink sink(bytes.data(), bytes.size());
        save_snapshot(saved, from->fingerprint(), nullptr, sink);
        MemorySource source(bytes.data(), bytes.size());
        Logits none;
        load_snapshot(loaded, to->fingerprint(), source, bytes.size(), none);
        CHECK(tokens_of(loaded) == Tokens(tokens.begin(), tokens.begin() + 270));
        CHECK(far_apart({feed(loaded, tokens, 270, 290)}, {feed(saved, tokens, 270, 290)}) < 1e-4);
    }
}
