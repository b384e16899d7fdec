// A GGUF file, or the parts of a split one: metadata and tensor directory, mapped read-only. Trusts nothing in the file.
#pragma once

#include "base/error.h"
#include "quant/types.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ds4 {

// One metadata value; a view into the mapped file. Scalars are decoded, arrays are decoded item by item.
struct MetaValue {
    int32_t type = -1;                              // ds4x_meta_type
    int32_t item_type = -1;                         // of an array
    uint64_t count = 1;                             // items of an array, else 1
    uint64_t u = 0;                                 // integers and bool, two's complement for the signed ones
    double f = 0;                                   // floats
    std::string_view s;                             // strings
    const uint8_t *items = nullptr;                 // first item of an array
    const std::vector<uint64_t> *offsets = nullptr; // of an array of strings: offset of each item (its u64 length)

    bool is_unsigned() const noexcept;
    bool is_signed() const noexcept;
    bool is_integer() const noexcept { return is_unsigned() || is_signed(); }
    bool is_float() const noexcept { return type == DS4X_META_F32 || type == DS4X_META_F64; }
    bool is_array() const noexcept { return type == DS4X_META_ARRAY; }
    int64_t as_i64() const noexcept { return int64_t(u); }
    MetaValue item(uint64_t index) const; // throws Error(ARGUMENT) when out of range or not an array
};

// Plain data: it crosses to libds4_cuda, which another compiler may have built with another standard library.
struct TensorInfo {
    const char *name = ""; // the file's own; lives as long as it
    int32_t type = 0;      // ggml type id, known to type_traits
    uint32_t n_dims = 0;
    uint64_t dims[4] = {1, 1, 1, 1}; // dims[0] contiguous; unused ones are 1
    uint64_t elements = 0;
    uint64_t bytes = 0;
    uint64_t offset = 0;           // from the start of its part's data section
    uint32_t part = 0;             // which file of a split model
    const uint8_t *data = nullptr; // nullptr when it lies beyond the end of a file opened header_only
};

class GgufFile {
public:
    enum class Mode {
        full,        // every tensor's data must lie inside its file
        header_only, // the data section may be missing
    };

    // Opens path; when it is "...-00001-of-0000N.gguf", all N parts. Throws Error(IO | FORMAT | MEMORY) naming the file
    // and the key or tensor.
    static std::unique_ptr<GgufFile> open(const std::string &path, Mode mode);
    // Parses a buffer that the caller keeps alive (tests, fuzzing).
    static std::unique_ptr<GgufFile> from_memory(const uint8_t *data, size_t size, const std::string &name, Mode mode);
    ~GgufFile();
    GgufFile(const GgufFile &) = delete;
    GgufFile &operator=(const GgufFile &) = delete;

    const std::string &path() const noexcept;
    uint64_t file_bytes() const noexcept; // all parts

    // Metadata of the first part, in file order.
    size_t meta_count() const noexcept;
    const std::string &meta_key(size_t index) const;
    const MetaValue *find(std::string_view key) const noexcept; // nullptr when missing

    // Typed access; `get_*` throw Error(MODEL) naming file, key and the expected type or range, `opt_*` return the
    // default when the key is missing. Any integer type is accepted where an integer is expected, if the value fits.
    uint64_t get_uint(std::string_view key, uint64_t min, uint64_t max) const;
    uint64_t opt_uint(std::string_view key, uint64_t fallback, uint64_t min, uint64_t max) const;
    double get_float(std::string_view key) const; // integers are accepted; must be finite
    double opt_float(std::string_view key, double fallback) const;
    bool opt_bool(std::string_view key, bool fallback) const;
    std::string opt_string(std::string_view key, std::string_view fallback) const;
    // A scalar (repeated n times) or an array of at least n items.
    std::vector<double> get_floats(std::string_view key, size_t n) const;
    std::vector<uint64_t> get_uints(std::string_view key, size_t n, uint64_t max) const;

    size_t tensor_count() const noexcept; // all parts
    const TensorInfo &tensor(size_t index) const;
    const TensorInfo *find_tensor(std::string_view name) const noexcept;

    // Copies bytes of a tensor's data from the file, without the mapping: what was read does not stay in the process.
    // Any thread. Throws Error(IO).
    void read(const TensorInfo &tensor, uint64_t offset, void *out, size_t n) const;

    // Throws Error(IO) when a part's size or modification time is no longer what it was at open. Cheap (one fstat a part).
    void check_unchanged() const;
    // Tells the system that all data will be read soon.
    void advise_willneed() const noexcept;

private:
    struct Impl;
    explicit GgufFile(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace ds4
