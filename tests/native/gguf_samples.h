// A small valid GGUF file with every value type, several tensor types and two tensors that share their data.
#pragma once

#include "gguf_builder.h"

namespace gguf_samples {

inline gguf_builder::Builder every_type() {
    gguf_builder::Builder b;
    b.add_string("general.architecture", "deepseek4").add<uint32_t>("general.alignment", 32);
    b.add<uint8_t>("u8", 1).add<int8_t>("i8", -1).add<uint16_t>("u16", 2).add<int16_t>("i16", -2);
    b.add<uint32_t>("u32", 3).add<int32_t>("i32", -3).add<float>("f32", 0.5f).add<bool>("bool", true);
    b.add<uint64_t>("u64", 4).add<int64_t>("i64", -4).add<double>("f64", 0.25);
    b.add_strings("strings", {"", "a", "bc"})
        .add_array<int16_t>("ints", {1, -1})
        .add_array<bool>("bools", {true, false});
    b.add_array<double>("empty", {});
    b.add_f32("one", {3}, {1, 2, 3}).add_tensor("two", 8, {32, 2}, gguf_builder::Bytes(68, 1));
    b.add_tensor("alias", 0, {3}, {}, 0);
    return b;
}

} // namespace gguf_samples
