// Writes GGUF files in memory, valid ones or not, and remembers where every field lies so that tests can damage it.
#pragma once

#include "ds4x.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace gguf_builder {

using Bytes = std::vector<uint8_t>;

// One field of the written file. `what` tells its class and owner: "type of kv general.name".
struct Field {
    std::string what;
    size_t offset = 0;
    size_t width = 0;
    bool is_integer = true; // fixed-width little-endian integer; else raw bytes (magic, keys, names, strings)
};

template <typename T> void put(Bytes &out, T value) {
    uint8_t raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    out.insert(out.end(), raw, raw + sizeof(T));
}
inline void put_bytes(Bytes &out, const std::string &text) { out.insert(out.end(), text.begin(), text.end()); }
inline void put_string(Bytes &out, const std::string &text) {
    put<uint64_t>(out, text.size());
    put_bytes(out, text);
}

// Type numbers of the C++ types that are written.
template <typename T> constexpr uint32_t type_of();
template <> constexpr uint32_t type_of<uint8_t>() { return DS4X_META_U8; }
template <> constexpr uint32_t type_of<int8_t>() { return DS4X_META_I8; }
template <> constexpr uint32_t type_of<uint16_t>() { return DS4X_META_U16; }
template <> constexpr uint32_t type_of<int16_t>() { return DS4X_META_I16; }
template <> constexpr uint32_t type_of<uint32_t>() { return DS4X_META_U32; }
template <> constexpr uint32_t type_of<int32_t>() { return DS4X_META_I32; }
template <> constexpr uint32_t type_of<float>() { return DS4X_META_F32; }
template <> constexpr uint32_t type_of<bool>() { return DS4X_META_BOOL; }
template <> constexpr uint32_t type_of<uint64_t>() { return DS4X_META_U64; }
template <> constexpr uint32_t type_of<int64_t>() { return DS4X_META_I64; }
template <> constexpr uint32_t type_of<double>() { return DS4X_META_F64; }

struct Kv {
    std::string key;
    uint32_t type = 0;
    Bytes value;               // as it follows the type
    std::vector<Field> fields; // within value
};

struct Tensor {
    std::string name;
    uint32_t type = 0;
    std::vector<uint64_t> dims;
    Bytes data;
    int64_t offset = -1; // -1: behind the tensor before it
};

class Builder {
public:
    uint32_t version = 3;
    uint64_t alignment = 32; // used for padding; written only when a general.alignment key is added
    std::vector<Kv> kvs;
    std::vector<Tensor> tensors;

    template <typename T> Builder &add(const std::string &key, T value) {
        Kv kv{key, type_of<T>(), {}, {}};
        put<T>(kv.value, value);
        kv.fields.push_back({"value", 0, sizeof(T), true});
        kvs.push_back(std::move(kv));
        return *this;
    }
    Builder &add_string(const std::string &key, const std::string &text) {
        Kv kv{key, DS4X_META_STRING, {}, {}};
        put_string(kv.value, text);
        kv.fields = {{"string length", 0, 8, true}, {"string bytes", 8, text.size(), false}};
        kvs.push_back(std::move(kv));
        return *this;
    }
    template <typename T> Builder &add_array(const std::string &key, const std::vector<T> &items) {
        Kv kv = array_start(key, type_of<T>(), items.size());
        for (const T item : items) {
            kv.fields.push_back({"array item", kv.value.size(), sizeof(T), true});
            put<T>(kv.value, item);
        }
        kvs.push_back(std::move(kv));
        return *this;
    }
    Builder &add_strings(const std::string &key, const std::vector<std::string> &items) {
        Kv kv = array_start(key, DS4X_META_STRING, items.size());
        for (const std::string &item : items) {
            kv.fields.push_back({"item length", kv.value.size(), 8, true});
            kv.fields.push_back({"item bytes", kv.value.size() + 8, item.size(), false});
            put_string(kv.value, item);
        }
        kvs.push_back(std::move(kv));
        return *this;
    }
    Builder &add_tensor(const std::string &name, uint32_t type, std::vector<uint64_t> dims, Bytes data,
                        int64_t offset = -1) {
        tensors.push_back({name, type, std::move(dims), std::move(data), offset});
        return *this;
    }
    Builder &add_f32(const std::string &name, std::vector<uint64_t> dims, const std::vector<float> &values) {
        Bytes data;
        for (const float v : values) put(data, v);
        return add_tensor(name, 0, std::move(dims), std::move(data));
    }
    Kv *kv(const std::string &key) {
        for (Kv &one : kvs)
            if (one.key == key) return &one;
        return nullptr;
    }
    Tensor *tensor(const std::string &name) {
        for (Tensor &one : tensors)
            if (one.name == name) return &one;
        return nullptr;
    }

    // The file. `fields` gets every field in file order, `borders` the offsets where a section or an entry begins.
    Bytes build(std::vector<Field> *fields = nullptr, std::vector<size_t> *borders = nullptr) const {
        Bytes out;
        const auto field = [&](const std::string &what, size_t width, bool is_integer = true) {
            if (fields) fields->push_back({what, out.size(), width, is_integer});
        };
        const auto border = [&] {
            if (borders) borders->push_back(out.size());
        };
        field("magic", 4, false);
        put_bytes(out, "GGUF");
        border();
        field("version", 4);
        put<uint32_t>(out, version);
        border();
        field("tensor count", 8);
        put<uint64_t>(out, tensors.size());
        border();
        field("kv count", 8);
        put<uint64_t>(out, kvs.size());
        for (const Kv &kv : kvs) {
            const std::string owner = " of kv " + kv.key;
            border();
            field("key length" + owner, 8);
            put<uint64_t>(out, kv.key.size());
            field("key bytes" + owner, kv.key.size(), false);
            put_bytes(out, kv.key);
            field("type" + owner, 4);
            put<uint32_t>(out, kv.type);
            for (const Field &f : kv.fields)
                if (fields) fields->push_back({f.what + owner, out.size() + f.offset, f.width, f.is_integer});
            out.insert(out.end(), kv.value.begin(), kv.value.end());
        }
        std::vector<uint64_t> offsets;
        uint64_t next = 0;
        for (const Tensor &t : tensors) {
            offsets.push_back(t.offset >= 0 ? uint64_t(t.offset) : next);
            if (t.offset < 0) next += (t.data.size() + alignment - 1) / alignment * alignment;
        }
        for (size_t i = 0; i < tensors.size(); i++) {
            const Tensor &t = tensors[i];
            const std::string owner = " of tensor " + t.name;
            border();
            field("name length" + owner, 8);
            put<uint64_t>(out, t.name.size());
            field("name bytes" + owner, t.name.size(), false);
            put_bytes(out, t.name);
            field("n_dims" + owner, 4);
            put<uint32_t>(out, uint32_t(t.dims.size()));
            for (const uint64_t dim : t.dims) {
                field("dim" + owner, 8);
                put<uint64_t>(out, dim);
            }
            field("type" + owner, 4);
            put<uint32_t>(out, t.type);
            field("offset" + owner, 8);
            put<uint64_t>(out, offsets[i]);
        }
        border();
        while (out.size() % alignment) out.push_back(0);
        const size_t data_start = out.size();
        for (size_t i = 0; i < tensors.size(); i++) {
            border();
            const uint64_t at = data_start + offsets[i];
            if (tensors[i].data.empty()) continue;
            if (out.size() < at + tensors[i].data.size()) out.resize(size_t(at) + tensors[i].data.size());
            std::memcpy(out.data() + at, tensors[i].data.data(), tensors[i].data.size());
        }
        border();
        return out;
    }

private:
    static Kv array_start(const std::string &key, uint32_t item_type, uint64_t count) {
        Kv kv{key, DS4X_META_ARRAY, {}, {}};
        put<uint32_t>(kv.value, item_type);
        put<uint64_t>(kv.value, count);
        kv.fields = {{"item type", 0, 4, true}, {"array count", 4, 8, true}};
        return kv;
    }
};

} // namespace gguf_builder
