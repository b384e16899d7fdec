// libFuzzer: any bytes, encoded and decoded with a small vocabulary, come back as they were, with and without special
// tokens; without, no protocol or control token appears.
#include "fuzz_seeds.h"
#include "tokenizer_fixture.h"

namespace {

struct Target {
    std::unique_ptr<ds4::Tokenizer> tokenizer;
    int32_t first_special;

    Target() {
        fixture::Vocabulary v;
        for (const char *pair : {"aa", "ab", "ba", "  ", "\n\n", " a", "th", "<t", "\xE4\xB8", "\xEF\xBD"}) {
            v.merge(std::string_view(pair, 1), std::string_view(pair + 1, 1));
        }
        v.merge("aa", "aa");
        v.merge("<t", "h");
        v.merge("  ", "  ");
        v.merge("\xEF\xBD", "\x9C");
        v.add("user token", DS4X_TOKEN_USER);
        v.add("user", DS4X_TOKEN_USER);
        first_special = int32_t(v.tokens.size());
        for (const char *text : {"<｜User｜>", "<｜Assistant｜>", "<think>", "</think>", "｜DSML｜", "a｜b"}) {
            v.add(text, DS4X_TOKEN_CONTROL);
        }
        v.merges.push_back("<th ink>");
        tokenizer = v.open();
    }
};

fuzz_seeds::Seeds make_seeds() {
    const char *texts[] = {
        "aaaab ab th<think>the</think>\n\n", "<｜User｜>user token<｜Assistant｜></think>",
        "中文 abc，“x” 123456\r\n  a",       "\xE4\xB8\xEF\xBD\xFF\xC0\x80",
        "a｜b｜DSML｜user user token",
    };
    fuzz_seeds::Seeds seeds;
    for (const std::string text : texts) {
        seeds.emplace_back("text-" + std::to_string(seeds.size()), gguf_builder::Bytes(text.begin(), text.end()));
    }
    return seeds;
}

} // namespace

extern "C" int LLVMFuzzerInitialize(int *argc, char ***argv) {
    fuzz_seeds::handle(*argc, *argv, make_seeds);
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const Target target;
    const std::string_view text(reinterpret_cast<const char *>(data), size);
    for (const bool parse_special : {false, true}) {
        const std::vector<int32_t> ids = fixture::encode(*target.tokenizer, text, parse_special);
        if (fixture::decode(*target.tokenizer, ids) != text) __builtin_trap();
        for (int32_t id : ids) {
            if (!parse_special && id >= target.first_special) __builtin_trap();
        }
    }
    return 0;
}
