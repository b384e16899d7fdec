// Damaged GGUF files, systematically: every field class x {0, max, off by one, wrong type, duplicate, missing} and
// truncation everywhere. Each either opens or fails with a message that names the file, in bounded memory.
#include "alloc_watch.h"
#include "check.h"
#include "gguf_builder.h"
#include "gguf_samples.h"
#include "tiny_model.h"
#include "touch_gguf.h"

#include "gguf/gguf.h"
#include "model/config.h"
#include "model/weights.h"

#include <algorithm>

using ds4::GgufFile;
using gguf_builder::Builder;
using gguf_builder::Bytes;
using gguf_builder::Field;
using gguf_samples::every_type;
using Mode = GgufFile::Mode;

namespace {

constexpr size_t alloc_limit = 64u << 20;

struct Tally {
    int opened = 0, refused = 0;
};

// How one attempt ended; empty message: the file opened.
struct Outcome {
    ds4x_status code = DS4X_OK;
    std::string message;
};

Outcome attempt(const Bytes &bytes, Mode mode, bool as_model) {
    Outcome out;
    AllocWatch watch(alloc_limit);
    try {
        const auto file = GgufFile::from_memory(bytes.data(), bytes.size(), "damaged.gguf", mode);
        CHECK(touch_gguf::contents(*file) != 0);
        if (!as_model) {
            touch_gguf::getters(*file);
        } else {
            const ds4::Config config = ds4::Config::from_gguf(*file);
            ds4::check_weights(*file, config, ds4::BackendOptions());
        }
    } catch (const ds4::Error &e) {
        out = {e.code(), e.what()};
        CHECK(out.message.find("damaged.gguf: ") == 0);
        CHECK(out.message.find('\n') == std::string::npos);
        CHECK(out.code == DS4X_ERR_FORMAT || out.code == DS4X_ERR_MODEL || out.code == DS4X_ERR_UNSUPPORTED);
    }
    CHECK_EQ(watch.refused(), uint64_t(0));
    return out;
}

void attempt_both(const Bytes &bytes, bool as_model, Tally &tally) {
    for (const Mode mode : {Mode::full, Mode::header_only}) {
        const Outcome out = attempt(bytes, mode, as_model);
        (out.message.empty() ? tally.opened : tally.refused)++;
    }
}

uint64_t load(const Bytes &bytes, const Field &f) {
    uint64_t value = 0;
    std::memcpy(&value, bytes.data() + f.offset, f.width);
    return value;
}
void store(Bytes &bytes, const Field &f, uint64_t value) { std::memcpy(bytes.data() + f.offset, &value, f.width); }

std::vector<uint64_t> damaged_values(uint64_t value, size_t width) {
    const uint64_t max = width >= 8 ? UINT64_MAX : (uint64_t(1) << (8 * width)) - 1;
    const uint64_t top = uint64_t(1) << (8 * width - 1);
    std::vector<uint64_t> out = {0, 1, max, max - 1, value + 1, value - 1, value * 2, value ^ top, top, top - 1};
    for (uint64_t type = 0; type <= 13; type++) out.push_back(type); // all value types and one unknown
    for (uint64_t &v : out) v &= max;
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    out.erase(std::remove(out.begin(), out.end(), value), out.end());
    return out;
}

// Every field with every damaged value, one at a time.
Tally damage_every_field(const Builder &builder, bool as_model) {
    Tally tally;
    std::vector<Field> fields;
    Bytes bytes = builder.build(&fields);
    for (const Field &f : fields) {
        const Bytes saved(bytes.begin() + long(f.offset), bytes.begin() + long(f.offset + f.width));
        const auto restore = [&] { std::copy(saved.begin(), saved.end(), bytes.begin() + long(f.offset)); };
        if (f.is_integer) {
            for (const uint64_t value : damaged_values(load(bytes, f), f.width)) {
                store(bytes, f, value);
                attempt_both(bytes, as_model, tally);
                restore();
            }
        } else if (f.width) {
            for (const uint8_t byte : {0x00, 0xff, 0x0a, 0x41}) {
                std::fill_n(bytes.begin() + long(f.offset), f.width, byte);
                attempt_both(bytes, as_model, tally);
                restore();
                bytes[f.offset] = byte;
                attempt_both(bytes, as_model, tally);
                restore();
            }
        }
    }
    return tally;
}

// The value of `kv` as another type, well formed.
std::vector<gguf_builder::Kv> other_types(const std::string &key) {
    Builder b;
    b.add<uint8_t>(key, 0).add<int64_t>(key, -1).add<uint64_t>(key, UINT64_MAX).add<float>(key, NAN);
    b.add<double>(key, INFINITY).add<double>(key, -1e308).add<float>(key, 0).add<bool>(key, false).add_string(key, "");
    b.add_string(key, std::string(300, '\n')).add_array<uint32_t>(key, {}).add_array<int8_t>(key, {-1, -1, -1, -1});
    b.add_array<float>(key, {NAN, INFINITY, 0, -1}).add_strings(key, {"", "a b", std::string("\0", 1), "\xff"});
    b.add_array<uint64_t>(key, {UINT64_MAX, 0, 1, UINT64_MAX});
    return b.kvs;
}

} // namespace

TEST(damage_undamaged_files_open) {
    for (const bool as_model : {false, true}) {
        const Bytes bytes = (as_model ? tiny_model::make() : every_type()).build();
        for (const Mode mode : {Mode::full, Mode::header_only})
            CHECK_EQ(attempt(bytes, mode, as_model).message, std::string());
    }
}

TEST(damage_every_field_of_a_small_file) {
    const Tally tally = damage_every_field(every_type(), false);
    // Far more damage is refused than not (values and names may legally be anything).
    CHECK(tally.refused > 1000);
    CHECK(tally.opened > 100);
}

TEST(damage_every_field_of_a_model) {
    const Tally tally = damage_every_field(tiny_model::make(), true);
    CHECK(tally.refused > 10000);
    CHECK(tally.opened > 1000);
}

TEST(damage_truncation_at_every_byte) {
    const Bytes whole = every_type().build();
    for (size_t n = 0; n < whole.size(); n++) {
        const Bytes cut(whole.begin(), whole.begin() + long(n));
        CHECK(!attempt(cut, Mode::full, false).message.empty());
        attempt(cut, Mode::header_only, false);
    }
}

TEST(damage_truncation_at_every_border_of_a_model) {
    std::vector<size_t> borders;
    const Bytes whole = tiny_model::make().build(nullptr, &borders);
    CHECK(borders.size() > 200);
    for (const size_t border : borders)
        for (const size_t n : {border - 1, border, border + 1}) {
            if (n >= whole.size()) continue;
            const Outcome out = attempt(Bytes(whole.begin(), whole.begin() + long(n)), Mode::full, true);
            CHECK_EQ(int(out.code), int(DS4X_ERR_FORMAT));
        }
}

TEST(damage_trailing_bytes_are_harmless) {
    Bytes bytes = every_type().build();
    bytes.insert(bytes.end(), 1000, 0xAB);
    CHECK_EQ(attempt(bytes, Mode::full, false).message, std::string());
}

TEST(damage_every_key_twice) {
    const Builder model = tiny_model::make();
    for (size_t i = 0; i < model.kvs.size(); i++) {
        Builder b = model;
        b.kvs.push_back(b.kvs[i]);
        const Outcome out = attempt(b.build(), Mode::full, true);
        CHECK_EQ(int(out.code), int(DS4X_ERR_FORMAT));
        CHECK(out.message.find("key \"" + model.kvs[i].key + "\" appears twice") != std::string::npos);
    }
}

TEST(damage_every_tensor_twice) {
    const Builder model = tiny_model::make();
    for (size_t i = 0; i < model.tensors.size(); i++) {
        Builder b = model;
        b.tensors.push_back(b.tensors[i]);
        const Outcome out = attempt(b.build(), Mode::full, true);
        CHECK_EQ(int(out.code), int(DS4X_ERR_FORMAT));
        CHECK(out.message.find("tensor \"" + model.tensors[i].name + "\" appears twice") != std::string::npos);
    }
}

TEST(damage_every_key_missing) {
    const Builder model = tiny_model::make();
    int refused = 0;
    for (size_t i = 0; i < model.kvs.size(); i++) {
        Builder b = model;
        b.kvs.erase(b.kvs.begin() + long(i));
        const Outcome out = attempt(b.build(), Mode::full, true);
        if (out.message.empty()) continue; // optional
        CHECK_EQ(int(out.code), int(DS4X_ERR_MODEL));
        CHECK(out.message.find(model.kvs[i].key) != std::string::npos);
        refused++;
    }
    CHECK(refused >= 15);
}

TEST(damage_every_tensor_missing) {
    const Builder model = tiny_model::make();
    for (size_t i = 0; i < model.tensors.size(); i++) {
        const std::string &name = model.tensors[i].name;
        Builder b = model;
        b.tensors.erase(b.tensors.begin() + long(i));
        const Outcome out = attempt(b.build(), Mode::full, true);
        if (name.find("exp_probs_b") != std::string::npos) {
            CHECK_EQ(out.message, std::string()); // optional
            continue;
        }
        CHECK_EQ(int(out.code), int(DS4X_ERR_MODEL));
        // A missing compressor changes what kind of layer it is, which contradicts the metadata.
        CHECK(out.message.find(name) != std::string::npos || out.message.find("layer ") != std::string::npos);
    }
}

TEST(damage_every_key_as_another_type) {
    const Builder model = tiny_model::make();
    Tally tally;
    for (size_t i = 0; i < model.kvs.size(); i++)
        for (const gguf_builder::Kv &other : other_types(model.kvs[i].key)) {
            Builder b = model;
            b.kvs[i] = other;
            attempt_both(b.build(), true, tally);
        }
    CHECK(tally.refused > 500);
}

TEST(damage_every_tensor_of_another_shape_or_type) {
    const Builder model = tiny_model::make();
    Tally tally;
    for (size_t i = 0; i < model.tensors.size(); i++) {
        const auto with = [&](auto change) {
            Builder b = model;
            change(b.tensors[i]);
            attempt_both(b.build(), true, tally);
        };
        using gguf_builder::Tensor;
        with([](Tensor &t) { t.dims.push_back(1); });
        with([](Tensor &t) { t.dims.push_back(2); });
        with([](Tensor &t) { t.dims.pop_back(); });
        with([](Tensor &t) { std::swap(t.dims.front(), t.dims.back()); });
        with([](Tensor &t) { t.dims = {1, 1, 1, 1}; });
        with([](Tensor &t) { t.offset = 0; });
        with([](Tensor &t) {
            t.offset = INT64_MAX / 32 * 32;
            t.data.clear();
        });
        for (const uint32_t type : {0, 1, 8, 10, 24, 26, 30, 39}) with([&](Tensor &t) { t.type = type; });
    }
    CHECK(tally.refused > 500);
}

TEST(damage_counts_are_not_believed) {
    // Each asks for far more than the file holds; the watch in attempt() sees that nobody reserves memory for it.
    for (const uint64_t count : {uint64_t(100), uint64_t(1) << 20, uint64_t(1) << 32, uint64_t(1) << 60, UINT64_MAX}) {
        std::vector<Field> fields;
        Bytes bytes = every_type().build(&fields);
        for (const Field &f : fields) {
            if (f.width != 8 || !f.is_integer || f.what.find("value") == 0) continue;
            Bytes damaged = bytes;
            store(damaged, f, count);
            const Outcome out = attempt(damaged, Mode::full, false);
            CHECK_EQ(int(out.code), int(DS4X_ERR_FORMAT));
        }
    }
}

TEST(damage_nested_arrays_are_refused) {
    Builder b;
    gguf_builder::Kv kv{"deep", DS4X_META_ARRAY, {}, {}};
    for (int i = 0; i < 100000; i++) {
        gguf_builder::put<uint32_t>(kv.value, DS4X_META_ARRAY);
        gguf_builder::put<uint64_t>(kv.value, 1);
    }
    b.kvs.push_back(kv);
    const Outcome out = attempt(b.build(), Mode::full, false);
    CHECK_EQ(int(out.code), int(DS4X_ERR_FORMAT));
    CHECK(out.message.find("metadata key \"deep\": an array of arrays is not supported") != std::string::npos);
}

TEST(damage_memory_is_bounded_by_the_file) {
    Builder b;
    std::vector<std::string> empty(100000);
    b.add_strings("strings", empty);
    for (int i = 0; i < 20000; i++) b.add<uint8_t>("k" + std::to_string(i), 0);
    const Bytes bytes = b.build();
    AllocWatch watch(alloc_limit);
    const auto file = GgufFile::from_memory(bytes.data(), bytes.size(), "many.gguf", Mode::full);
    CHECK_EQ(file->meta_count(), size_t(20001));
    CHECK(watch.total_bytes() < 40 * bytes.size()); // all requests, also those of vectors that have grown since
}
