// The first inputs of a fuzzer, written by the fuzzer itself: `fuzz_gguf --write-seeds DIR`.
#pragma once

#include "gguf_builder.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace fuzz_seeds {

using Seeds = std::vector<std::pair<std::string, gguf_builder::Bytes>>;

// Call from LLVMFuzzerInitialize; ends the program when it was asked to write seeds.
template <typename MakeSeeds> void handle(int argc, char **argv, MakeSeeds make_seeds) {
    if (argc != 3 || std::string(argv[1]) != "--write-seeds") return;
    std::filesystem::create_directories(argv[2]);
    const Seeds seeds = make_seeds();
    for (const auto &[name, bytes] : seeds) {
        FILE *f = std::fopen((std::filesystem::path(argv[2]) / name).string().c_str(), "wb");
        const bool written = f && std::fwrite(bytes.data(), 1, bytes.size(), f) == bytes.size();
        if (!f || std::fclose(f) != 0 || !written) {
            std::fprintf(stderr, "can not write %s in %s\n", name.c_str(), argv[2]);
            std::exit(1);
        }
    }
    std::printf("%zu seeds written to %s\n", seeds.size(), argv[2]);
    std::exit(0);
}

} // namespace fuzz_seeds
