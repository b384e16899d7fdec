// The tokenizer from a GGUF file: what is read, what may be missing, and what is refused with which words.
#include "check.h"
#include "gguf_builder.h"
#include "tokenizer_fixture.h"

using namespace ds4;
using fixture::Vocabulary;
using gguf_builder::Builder;

static Vocabulary small_vocabulary() {
    Vocabulary v;
    v.merge("a", "b");
    v.add("<think>", DS4X_TOKEN_CONTROL);
    return v;
}

static Builder file_of(const Vocabulary &v) {
    Builder b;
    b.add_string("general.architecture", "deepseek4").add_string("tokenizer.ggml.model", "gpt2");
    b.add_strings("tokenizer.ggml.tokens", v.tokens).add_strings("tokenizer.ggml.merges", v.merges);
    b.add_array("tokenizer.ggml.token_type", v.types);
    return b;
}

static void remove(Builder &b, const std::string &key) {
    for (size_t i = b.kvs.size(); i-- > 0;) {
        if (b.kvs[i].key == key) b.kvs.erase(b.kvs.begin() + ptrdiff_t(i));
    }
}

static std::unique_ptr<Tokenizer> open(const Builder &b, uint64_t n_vocab = 0) {
    const gguf_builder::Bytes bytes = b.build(); // the tokenizer keeps nothing of the file
    const auto file = GgufFile::from_memory(bytes.data(), bytes.size(), "vocab.gguf", GgufFile::Mode::full);
    return Tokenizer::from_gguf(*file, n_vocab);
}

TEST(tokenizer_reads_a_gguf_file) {
    const Vocabulary v = small_vocabulary();
    const auto t = open(file_of(v), v.tokens.size() + 10);
    CHECK_EQ(t->size(), v.tokens.size());
    CHECK_EQ(fixture::encode(*t, "abc<think>", true), (std::vector<int32_t>{256, 'c', 257}));
    CHECK_EQ(t->kind(257), int32_t(DS4X_TOKEN_CONTROL));
    CHECK_EQ(t->think_open(), 257);
}

TEST(tokenizer_of_a_file_without_tokens_is_null) {
    Builder b = file_of(small_vocabulary());
    remove(b, "tokenizer.ggml.tokens");
    CHECK(open(b) == nullptr);
    CHECK(open(b.add_strings("tokenizer.ggml.tokens", {})) == nullptr);
}

TEST(tokenizer_file_may_lack_types_and_model) {
    Builder b = file_of(small_vocabulary());
    remove(b, "tokenizer.ggml.token_type");
    remove(b, "tokenizer.ggml.model");
    const auto t = open(b);
    CHECK_EQ(t->kind(257), int32_t(DS4X_TOKEN_NORMAL));
    CHECK_EQ(fixture::encode(*t, "<think>", true), std::vector<int32_t>{257});
}

TEST(tokenizer_types_may_be_any_integers) {
    const Vocabulary v = small_vocabulary();
    Builder b = file_of(v);
    remove(b, "tokenizer.ggml.token_type");
    b.add_array("tokenizer.ggml.token_type", std::vector<uint64_t>(v.types.begin(), v.types.end()));
    CHECK_EQ(open(b)->kind(257), int32_t(DS4X_TOKEN_CONTROL));
}

TEST(tokenizer_refuses_damaged_files) {
    const Vocabulary v = small_vocabulary();
    const auto without = [&](const std::string &key) {
        Builder b = file_of(v);
        remove(b, key);
        return b;
    };
    const std::string tokens = "tokenizer.ggml.tokens", merges = "tokenizer.ggml.merges";
    const std::string types = "tokenizer.ggml.token_type", model = "tokenizer.ggml.model";
    CHECK_ERROR(open(file_of(v), 257), DS4X_ERR_MODEL, "tokens has 258 items; the model's vocabulary has 257 ids");
    CHECK_ERROR(open(without(tokens).add<uint32_t>(tokens, 1)), DS4X_ERR_MODEL, "vocab.gguf: tokenizer.ggml.tokens");
    CHECK_ERROR(open(without(tokens).add_array<int32_t>(tokens, {1, 2})), DS4X_ERR_MODEL, "not an array of strings");
    CHECK_ERROR(open(without(merges)), DS4X_ERR_MODEL, "tokenizer.ggml.merges is missing");
    CHECK_ERROR(open(without(merges).add_string(merges, "a b")), DS4X_ERR_MODEL, "merges is not an array of strings");
    CHECK_ERROR(open(without(types).add<int32_t>(types, 1)), DS4X_ERR_MODEL, "token_type is not an array of integers");
    CHECK_ERROR(open(without(types).add_array<float>(types, std::vector<float>(258, 1))), DS4X_ERR_MODEL,
                "token_type is not an array of integers");
    CHECK_ERROR(open(without(types).add_array<int32_t>(types, {1, 1})), DS4X_ERR_MODEL, "2 items for 258 tokens");
    CHECK_ERROR(open(without(types).add_array<int32_t>(types, {})), DS4X_ERR_MODEL, "0 items for 258 tokens");
    CHECK_ERROR(open(without(types).add_array(types, std::vector<uint64_t>(258, uint64_t(1) << 40))), DS4X_ERR_MODEL,
                "token_type[0]");
    CHECK_ERROR(open(without(model).add_string(model, "llama")), DS4X_ERR_MODEL, "\"llama\"");
}
