// The fingerprint of a model: blind to where it lies and how it is opened, sharp on everything that is computed with.
#include "gguf/split.h"
#include "state_fixture.h"
#include "tiny_model.h"

#include <cstdlib>
#include <thread>

using namespace state_fixture;

namespace {

using Fingerprint = std::vector<uint8_t>;

Fingerprint of(ds4x_engine *e) {
    Fingerprint out(32);
    ds4x_error err{};
    CHECK_EQ(ds4x_fingerprint(e, out.data(), &err), DS4X_OK);
    return out;
}
Fingerprint of_file(const std::string &path, const ds4x_options *given = nullptr) {
    ds4x_options o;
    ds4x_options_init(&o, sizeof o);
    if (given) o = *given;
    o.model_path = path.c_str();
    ds4x_engine *e = nullptr;
    ds4x_error err{};
    CHECK_EQ(ds4x_engine_open(&o, &e, &err), DS4X_OK);
    const Fingerprint out = of(e);
    ds4x_engine_close(e);
    return out;
}

// A tiny model with one tensor that is only sampled, not read whole.
gguf_builder::Builder model() {
    gguf_builder::Builder b = tiny_model::make();
    Bytes data(40000);
    for (size_t i = 0; i < data.size(); i++) data[i] = uint8_t(i * 31);
    b.add_tensor("large", tiny_model::I32, {10000}, data);
    return b;
}

} // namespace

TEST(fingerprint_does_not_depend_on_path_order_or_options) {
    const ScratchDir dir;
    const gguf_builder::Builder b = model();
    const Fingerprint f = of_file(dir.write("a.gguf", b.build()));
    CHECK(f != Fingerprint(32));
    CHECK(of_file(dir.write("b.gguf", b.build())) == f);
    ds4x_options o;
    ds4x_options_init(&o, sizeof o);
    o.n_threads = 3;
    o.isa = DS4X_ISA_PORTABLE;
    o.exact = 1;
    o.repack = 1;
    o.n_batch = 7;
    CHECK(of_file(dir.path("a.gguf"), &o) == f);
    ds4x_options_init(&o, sizeof o);
    o.vocab_only = 1;
    CHECK(of_file(dir.path("a.gguf"), &o) == f);

    gguf_builder::Builder other = b;
    std::reverse(other.tensors.begin(), other.tensors.end());
    std::reverse(other.kvs.begin(), other.kvs.end());
    other.add_string("general.description", "the same model");
    other.kv("general.name")->value = other.kv("general.architecture")->value;
    CHECK(of_file(dir.write("c.gguf", other.build())) == f);
}

TEST(fingerprint_does_not_depend_on_splitting) {
    const ScratchDir dir;
    const gguf_builder::Builder whole = model();
    const std::string base = dir.path("parts");
    for (uint16_t part = 0; part < 2; part++) {
        gguf_builder::Builder b = part ? gguf_builder::Builder{} : whole;
        const size_t half = whole.tensors.size() / 2;
        b.tensors.assign(whole.tensors.begin() + long(part ? half : 0),
                         part ? whole.tensors.end() : whole.tensors.begin() + long(half));
        b.add<uint16_t>("split.no", part).add<uint16_t>("split.count", 2);
        b.add<int32_t>("split.tensors.count", int32_t(whole.tensors.size()));
        dir.write(ds4::split_path("parts", part + 1u, 2), b.build());
    }
    CHECK(of_file(ds4::split_path(base, 1, 2)) == of_file(dir.write("whole.gguf", whole.build())));
}

TEST(fingerprint_sees_weights_vocabulary_and_constants) {
    const ScratchDir dir;
    const gguf_builder::Builder good = model();
    std::vector<Fingerprint> all = {of_file(dir.write("m.gguf", good.build()))};
    const auto changed = [&](auto &&change) {
        gguf_builder::Builder b = good;
        change(b);
        all.push_back(of_file(dir.write("m.gguf", b.build())));
    };
    const auto flip = [&](const char *tensor, size_t at) {
        changed([&](auto &b) { b.tensor(tensor)->data[at] ^= 1; });
    };
    flip("large", 0);
    flip("large", 4095);
    flip("large", 20000);
    flip("large", 39999 - 4095);
    flip("large", 39999);
    flip("output_norm.weight", 9);
    flip("blk.0.ffn_gate_tid2eid.weight", 0);
    changed([](auto &b) { b.kv("tokenizer.ggml.tokens")->value.back() ^= 1; });
    changed([](auto &b) { b.kv("tokenizer.ggml.merges")->value.back() = 'h'; });
    changed([](auto &b) { b.kv("deepseek4.rope.freq_base")->value[0] ^= 1; });
    changed([](auto &b) { b.kv("deepseek4.rope.scaling.factor")->value[0] ^= 1; });
    changed([](auto &b) { b.kv("deepseek4.expert_weights_scale")->value[0] ^= 1; });
    changed([](auto &b) { b.kv("deepseek4.hyper_connection.sinkhorn_iterations")->value[0] = 5; });
    changed([](auto &b) { b.kv("deepseek4.swiglu_clamp_exp")->value.back() ^= 1; });
    changed([](auto &b) { b.kv("deepseek4.attention.sliding_window")->value[0] = 8; });
    changed([](auto &b) { b.tensor("large")->name = "larger"; });
    changed([](auto &b) { b.tensor("large")->dims = {100, 100}; });
    changed([](auto &b) { b.tensor("large")->type = tiny_model::F32; });
    for (size_t i = 0; i < all.size(); i++)
        for (size_t j = 0; j < i; j++)
            if (all[i] == all[j])
                check::report(__FILE__, __LINE__,
                              "models " + std::to_string(i) + " and " + std::to_string(j) + " look the same");
}

TEST(fingerprint_needs_the_tensors_and_an_unchanged_file) {
    const ScratchDir dir;
    const Bytes whole = tiny_model::make().build();
    const std::string path = dir.write("head.gguf", Bytes(whole.begin(), whole.end() - 5000));
    ds4x_options o;
    ds4x_options_init(&o, sizeof o);
    o.vocab_only = 1;
    o.model_path = path.c_str();
    ds4x_engine *e = nullptr;
    ds4x_error err{};
    CHECK_EQ(ds4x_engine_open(&o, &e, &err), DS4X_OK);
    uint8_t out[32] = {};
    CHECK_EQ(ds4x_fingerprint(e, out, &err), DS4X_ERR_STATE);
    CHECK(std::strstr(err.message, "has no data: the model was opened without weights"));
    dir.write("head.gguf", Bytes(100));
    CHECK_EQ(ds4x_fingerprint(e, out, &err), DS4X_ERR_IO);
    ds4x_engine_close(e);
}

TEST(fingerprint_is_computed_by_one_of_many_threads) {
    const ScratchDir dir;
    const Model m(dir.write("m.gguf", model().build()));
    std::vector<Fingerprint> all(4);
    std::vector<std::thread> threads;
    for (Fingerprint &f : all) threads.emplace_back([&] { f = of(m.e); });
    for (std::thread &t : threads) t.join();
    for (const Fingerprint &f : all) CHECK(f == all[0]);
}
