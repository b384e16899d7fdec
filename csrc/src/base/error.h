// The one exception type of libds4: a status code and a sentence. Thrown below the C API, turned into codes by api/.
#pragma once

#include "ds4x.h"

#include <cstdarg>
#include <cstdio>
#include <exception>
#include <string>

namespace ds4 {

class Error : public std::exception {
public:
    // Text from a file may be part of the message: whatever is not printable becomes '?', so it stays one line.
    Error(ds4x_status code, std::string message) : code_(code), message_(std::move(message)) {
        for (char &c : message_)
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    }
    ds4x_status code() const noexcept { return code_; }
    const char *what() const noexcept override { return message_.c_str(); }

private:
    ds4x_status code_;
    std::string message_;
};

#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
inline std::string format(const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    const int n = std::vsnprintf(nullptr, 0, fmt, args);
    va_end(args);
    std::string out(n > 0 ? size_t(n) : 0, '\0');
    if (n > 0) std::vsnprintf(&out[0], size_t(n) + 1, fmt, again);
    va_end(again);
    return out;
}

template <typename... Args> [[noreturn]] void fail(ds4x_status code, const char *fmt, Args... args) {
    if constexpr (sizeof...(args) == 0)
        throw Error(code, fmt);
    else
        throw Error(code, format(fmt, args...));
}

} // namespace ds4
