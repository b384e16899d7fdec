// Whole models with one thing wrong, through the C API: each opens and computes, or says in one line which file and why.
#include "check.h"
#include "drive_engine.h"
#include "gguf_builder.h"
#include "scratch_dir.h"
#include "tiny_model.h"

#include <algorithm>

using drive_engine::Result;
using gguf_builder::Builder;
using gguf_builder::Bytes;
using gguf_builder::Field;

namespace {

const ScratchDir &scratch() {
    static const ScratchDir dir;
    return dir;
}

Result drive(const Bytes &bytes, bool vocab_only) {
    const Result r = drive_engine::drive(scratch().write("broken.gguf", bytes), vocab_only);
    if (r.opened != DS4X_OK) {
        CHECK(r.opened == DS4X_ERR_FORMAT || r.opened == DS4X_ERR_MODEL || r.opened == DS4X_ERR_UNSUPPORTED ||
              r.opened == DS4X_ERR_MEMORY);
        if (r.message.find("broken.gguf") == std::string::npos)
            check::report(__FILE__, __LINE__, "no file name: " + r.message);
        CHECK(r.message.find('\n') == std::string::npos);
    }
    return r;
}

// Both ways of opening; returns the one with weights.
Result drive(const Builder &builder) {
    const Bytes bytes = builder.build();
    drive(bytes, true);
    return drive(bytes, false);
}

bool all_finite(const std::vector<float> &values) {
    return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

} // namespace

TEST(engine_damage_undamaged_model_computes) {
    const Result r = drive(tiny_model::make());
    CHECK_EQ(r.message, std::string());
    CHECK_EQ(r.opened, int32_t(DS4X_OK));
    CHECK_EQ(r.forward, int32_t(DS4X_OK));
    CHECK_EQ(r.logits.size(), size_t(tiny_model::n_vocab));
    CHECK(all_finite(r.logits));
}

TEST(engine_damage_every_model_key_with_extreme_values) {
    std::vector<Field> fields;
    const Builder model = tiny_model::make();
    const Bytes whole = model.build(&fields);
    int refused = 0;
    for (const Field &f : fields) {
        const bool scalar = f.what.find("value of kv deepseek4.") == 0;
        const bool item = f.what.find("array item of kv deepseek4.") == 0;
        if (!scalar && !item) continue;
        uint64_t value = 0;
        std::memcpy(&value, whole.data() + f.offset, f.width);
        for (const uint64_t damaged : {uint64_t(0), uint64_t(1), UINT64_MAX, value + 1, value - 1, value * 2,
                                       uint64_t(1) << 20, uint64_t(1) << 16, uint64_t(0x7f7fffff)}) {
            Bytes bytes = whole;
            std::memcpy(bytes.data() + f.offset, &damaged, f.width);
            refused += drive(bytes, false).opened != DS4X_OK;
            drive(bytes, true);
        }
    }
    CHECK(refused > 100);
}

TEST(engine_damage_every_tensor_missing) {
    const Builder model = tiny_model::make();
    for (size_t i = 0; i < model.tensors.size(); i++) {
        Builder b = model;
        b.tensors.erase(b.tensors.begin() + long(i));
        const Result r = drive(b);
        const bool optional = model.tensors[i].name.find("exp_probs_b") != std::string::npos;
        CHECK_EQ(r.opened, int32_t(optional ? DS4X_OK : DS4X_ERR_MODEL));
    }
}

TEST(engine_damage_every_tensor_as_another_type) {
    const Builder model = tiny_model::make();
    for (size_t i = 0; i < model.tensors.size(); i++)
        for (const uint32_t type : {0u, 1u, 2u, 8u, 24u, 26u, 28u, 30u, 39u}) {
            Builder b = model;
            uint64_t elements = 1;
            for (const uint64_t d : b.tensors[i].dims) elements *= d;
            b.tensors[i].type = type;
            b.tensors[i].data.assign(size_t(elements) * 8, 0); // enough for any of them
            drive(b);
        }
}

TEST(engine_damage_vocabulary) {
    const auto with = [](const std::string &key, auto change) {
        Builder b = tiny_model::make();
        const size_t at = size_t(b.kv(key) - b.kvs.data());
        Builder replacement;
        change(replacement, key);
        b.kvs.erase(b.kvs.begin() + long(at));
        b.kvs.insert(b.kvs.begin() + long(at), replacement.kvs.begin(), replacement.kvs.end());
        return drive(b).opened;
    };
    const std::string tokens = "tokenizer.ggml.tokens", merges = "tokenizer.ggml.merges",
                      types = "tokenizer.ggml.token_type";
    const auto strings = [](std::vector<std::string> items) {
        return [items](Builder &b, const std::string &key) { b.add_strings(key, items); };
    };
    const auto nothing = [](Builder &, const std::string &) {};
    CHECK_EQ(with(tokens, nothing), int32_t(DS4X_OK)); // ids work without a vocabulary
    with(tokens, strings({}));
    with(tokens, strings({"", "", "a"}));
    with(tokens, strings(std::vector<std::string>(300, "same")));
    with(tokens, strings({std::string("\0\xff\xfe", 3), "Ġ", "\xc4"}));
    with(tokens, [](Builder &b, const std::string &key) { b.add<uint32_t>(key, 1); });
    with(tokens, [](Builder &b, const std::string &key) { b.add_array<uint32_t>(key, {1, 2}); });
    with(merges, nothing);
    with(merges, strings({"", " ", "  ", "a", "a b c", "no such", std::string("\0 \0", 3), "h e", "h e"}));
    with(merges, [](Builder &b, const std::string &key) { b.add_array<float>(key, {1}); });
    with(types, nothing);
    with(types,
         [](Builder &b, const std::string &key) { b.add_array<int32_t>(key, {1, -1, 7, INT32_MAX, INT32_MIN}); });
    with(types, [](Builder &b, const std::string &key) { b.add_array<float>(key, std::vector<float>(272, NAN)); });
    with(types, strings({"a"}));
}

TEST(engine_damage_values_that_are_no_numbers_stay_in_the_logits) {
    // NaN and infinity in weights are legal bytes: they may spoil the logits, nothing else.
    const Builder model = tiny_model::make();
    for (size_t i = 0; i < model.tensors.size(); i++) {
        if (model.tensors[i].type == tiny_model::I32) continue;
        Builder b = model;
        std::fill(b.tensors[i].data.begin(), b.tensors[i].data.end(), uint8_t(0xff));
        const Result r = drive(b);
        CHECK_EQ(r.opened, int32_t(DS4X_OK));
        CHECK_EQ(r.forward, int32_t(DS4X_OK));
    }
}

TEST(engine_damage_expert_table_out_of_range) {
    Builder b = tiny_model::make();
    Bytes &data = b.tensor("blk.0.ffn_gate_tid2eid.weight")->data;
    for (const int32_t expert : {-1, int32_t(tiny_model::n_expert), INT32_MAX}) {
        std::memcpy(data.data() + data.size() - 4, &expert, 4);
        const Result r = drive(b.build(), false);
        CHECK_EQ(r.opened, int32_t(DS4X_ERR_MODEL));
        CHECK(r.message.find("blk.0.ffn_gate_tid2eid.weight") != std::string::npos);
    }
}

TEST(engine_damage_leaves_other_engines_alone) {
    const Bytes good = tiny_model::make().build();
    const Result before = drive(good, false);
    drive(Bytes(good.begin(), good.begin() + long(good.size() / 2)), false);
    drive(Bytes(1000, 0x47), false);
    const Result after = drive(good, false);
    CHECK(!before.logits.empty());
    CHECK(before.logits == after.logits);
}
