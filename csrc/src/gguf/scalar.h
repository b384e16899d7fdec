// Scalars of GGUF metadata: sizes and decoding.
#pragma once

#include "gguf/gguf.h"

#include <cstdint>
#include <cstring>

namespace ds4 {

// Bytes of a scalar; 0 for strings, arrays and numbers the format does not define.
inline uint32_t scalar_bytes(int32_t type) noexcept {
    switch (type) {
    case DS4X_META_U8:
    case DS4X_META_I8:
    case DS4X_META_BOOL: return 1;
    case DS4X_META_U16:
    case DS4X_META_I16: return 2;
    case DS4X_META_U32:
    case DS4X_META_I32:
    case DS4X_META_F32: return 4;
    case DS4X_META_U64:
    case DS4X_META_I64:
    case DS4X_META_F64: return 8;
    default: return 0;
    }
}

template <typename T> T load(const uint8_t *p) noexcept { // fields are not aligned
    T value;
    std::memcpy(&value, p, sizeof value);
    return value;
}

// Decodes the scalar at p into out, whose type is set.
inline void decode_scalar(const uint8_t *p, MetaValue &out) noexcept {
    switch (out.type) {
    case DS4X_META_U8:
    case DS4X_META_BOOL: out.u = *p; break;
    case DS4X_META_I8: out.u = uint64_t(int64_t(load<int8_t>(p))); break;
    case DS4X_META_U16: out.u = load<uint16_t>(p); break;
    case DS4X_META_I16: out.u = uint64_t(int64_t(load<int16_t>(p))); break;
    case DS4X_META_U32: out.u = load<uint32_t>(p); break;
    case DS4X_META_I32: out.u = uint64_t(int64_t(load<int32_t>(p))); break;
    case DS4X_META_U64:
    case DS4X_META_I64: out.u = load<uint64_t>(p); break;
    case DS4X_META_F32: out.f = double(load<float>(p)); break;
    case DS4X_META_F64: out.f = load<double>(p); break;
    default: break;
    }
}

} // namespace ds4
