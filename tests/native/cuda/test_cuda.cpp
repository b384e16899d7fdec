// The CUDA backend against the CPU, on the three-layer model, on whatever device there is.
#include "cuda_fixture.h"

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
