// Reads little-endian fields from a buffer and never past its end.
#pragma once

#include "base/error.h"
#include "gguf/text.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ds4 {

#if defined(__BYTE_ORDER__)
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensor data is used as it lies in the file: little-endian");
#endif

class Cursor {
public:
    Cursor(const uint8_t *data, uint64_t size, const std::string &file) : data_(data), size_(size), file_(file) {}

    uint64_t pos() const noexcept { return pos_; }
    uint64_t left() const noexcept { return size_ - pos_; }
    const uint8_t *here() const noexcept { return data_ + pos_; }

    // What the following reads belong to, for messages: `metadata key 3`, `tensor "output.weight"`.
    std::string subject = "header";

    // `what` is the field within the subject: "type", "dimension 1".
    template <typename T> T read(const char *what) {
        need(sizeof(T), what);
        T value;
        std::memcpy(&value, data_ + pos_, sizeof(T));
        pos_ += sizeof(T);
        return value;
    }
    // A u64 length and that many bytes.
    std::string_view read_string(const char *what) {
        const uint64_t at = pos_;
        const uint64_t length = read<uint64_t>(what);
        if (length > left())
            wrong(format("%s has a length of %llu bytes at offset %llu, but only %llu bytes are left: the file "
                         "is truncated or damaged",
                         what, (unsigned long long)length, (unsigned long long)at, (unsigned long long)left()));
        std::string_view out(reinterpret_cast<const char *>(data_ + pos_), size_t(length));
        pos_ += length;
        return out;
    }
    void skip(uint64_t n, const char *what) {
        need(n, what);
        pos_ += n;
    }
    // The file is damaged: names file and subject.
    [[noreturn]] void wrong(const std::string &what) const {
        fail(DS4X_ERR_FORMAT, "%s: %s: %s", shown_path(file_).c_str(), subject.c_str(), what.c_str());
    }

private:
    void need(uint64_t n, const char *what) const {
        if (n > left())
            wrong(format("the file ends inside its %s (offset %llu of %llu bytes): it is truncated or damaged", what,
                         (unsigned long long)pos_, (unsigned long long)size_));
    }

    const uint8_t *data_;
    uint64_t size_;
    uint64_t pos_ = 0;
    const std::string &file_;
};

} // namespace ds4
