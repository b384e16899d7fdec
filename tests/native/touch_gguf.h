// Uses everything that an opened GGUF file offers, so that a sanitizer sees every byte that a caller could be led to.
#pragma once

#include "gguf/gguf.h"

#include <cstdint>
#include <string>

namespace touch_gguf {

template <typename Call> void allow_error(Call call) {
    try {
        call();
    } catch (const ds4::Error &) {}
}

inline uint64_t value(const ds4::MetaValue &v) {
    uint64_t sum = v.u + uint64_t(v.type) + v.count + (v.f == v.f);
    for (const char c : v.s) sum += static_cast<unsigned char>(c);
    if (v.is_array())
        for (uint64_t i = 0; i < v.count; i++) sum += value(v.item(i));
    return sum;
}

// Every typed getter on every key, whatever its type.
inline uint64_t getters(const ds4::GgufFile &file) {
    uint64_t sum = 0;
    for (size_t i = 0; i < file.meta_count(); i++) {
        const std::string &key = file.meta_key(i);
        allow_error([&] { sum += file.get_uint(key, 0, UINT64_MAX); });
        allow_error([&] { sum += file.opt_uint(key, 1, 1, 1000); });
        allow_error([&] { sum += file.get_float(key) > 0; });
        allow_error([&] { sum += file.opt_float(key, 0) > 0; });
        allow_error([&] { sum += file.opt_bool(key, false); });
        allow_error([&] { sum += file.opt_string(key, "").size(); });
        allow_error([&] { sum += file.get_floats(key, 3).size(); });
        allow_error([&] { sum += file.get_uints(key, 3, 1000).size(); });
        allow_error([&] { file.find(key)->item(file.find(key)->count); });
    }
    return sum;
}

// Every key, value, item and tensor. Returns a number that depends on all of it, so that the compiler can leave nothing
// out; 0 when looking up a name does not find what has it.
inline uint64_t contents(const ds4::GgufFile &file) {
    uint64_t sum = file.file_bytes();
    for (size_t i = 0; i < file.meta_count(); i++) {
        const ds4::MetaValue *v = file.find(file.meta_key(i));
        if (!v) return 0;
        sum += value(*v);
    }
    for (size_t i = 0; i < file.tensor_count(); i++) {
        const ds4::TensorInfo &t = file.tensor(i);
        if (file.find_tensor(t.name) != &t) return 0;
        if (t.data) sum += t.data[0] + t.data[t.bytes - 1];
    }
    file.check_unchanged();
    return sum;
}

} // namespace touch_gguf
