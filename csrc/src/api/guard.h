// Turns exceptions into status codes at the C boundary. Every extern "C" function that can fail runs its body in guard().
#pragma once

#include "base/error.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace ds4 {

inline int32_t report(ds4x_error *err, int32_t code, const char *message) noexcept {
    if (err) {
        err->code = code;
        const size_t n = std::min(std::strlen(message), sizeof err->message - 1);
        std::memcpy(err->message, message, n);
        err->message[n] = '\0';
    }
    return code;
}

template <typename F> int32_t guard(ds4x_error *err, F &&body) noexcept {
    if (err) report(err, DS4X_OK, "");
    try {
        body();
        return DS4X_OK;
    } catch (const Error &e) {
        return report(err, e.code(), e.what());
    } catch (const std::bad_alloc &) {
        return report(err, DS4X_ERR_MEMORY, "out of memory");
    } catch (const std::exception &e) {
        return report(err, DS4X_ERR_INTERNAL, e.what());
    } catch (...) {
        return report(err, DS4X_ERR_INTERNAL, "an exception of unknown type");
    }
}

template <typename T> T &need(T *pointer, const char *what) {
    if (!pointer) fail(DS4X_ERR_ARGUMENT, "%s is NULL", what);
    return *pointer;
}

// Copies a caller's size-versioned struct over the defaults: fields his version does not know keep them, fields ours does
// not know must be zero.
template <typename T> T versioned(const T *given, T defaults, const char *what) {
    need(given, what);
    const uint32_t size = given->struct_size;
    if (size < sizeof(uint32_t) * 2 || size > 65536)
        fail(DS4X_ERR_ARGUMENT, "%s.struct_size is %u: initialise the struct with its _init function", what, size);
    const char *bytes = reinterpret_cast<const char *>(given);
    for (size_t i = sizeof(T); i < size; i++)
        if (bytes[i]) fail(DS4X_ERR_ARGUMENT, "%s holds an option this libds4 does not know (byte %zu)", what, i);
    std::memcpy(&defaults, given, std::min<size_t>(size, sizeof(T)));
    defaults.struct_size = sizeof(T);
    return defaults;
}

// Writes our struct into the caller's, no further than he has room.
template <typename T> void versioned_out(T *out, const T &value, const char *what) {
    const uint32_t size = need(out, what).struct_size;
    if (size < sizeof(uint32_t) * 2 || size > 65536)
        fail(DS4X_ERR_ARGUMENT, "%s.struct_size is %u: set it to the struct's size", what, size);
    std::memcpy(out, &value, std::min<size_t>(size, sizeof(T)));
    out->struct_size = size;
}

} // namespace ds4
