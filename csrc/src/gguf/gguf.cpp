// Opens a GGUF file or all parts of a split one, and joins their tensor directories.
#include "gguf/gguf.h"

#include "gguf/mapping.h"
#include "gguf/part.h"
#include "gguf/split.h"
#include "gguf/text.h"

#include <cstring>
#include <deque>
#include <iterator>
#include <new>
#include <stdexcept>

namespace ds4 {

struct GgufFile::Impl {
    std::string path;
    uint64_t bytes = 0;
    std::vector<std::unique_ptr<Mapping>> mappings; // one a part; none for a buffer in memory
    GgufPart first;                                 // metadata; its tensors have moved to `tensors`
    std::vector<TensorInfo> tensors;
    std::deque<std::deque<std::string>> names; // of the tensors, a part each; addresses stay
    NameIndex tensor_index;

    void add_file(const std::string &part_path, uint32_t number, Mode mode, GgufPart &out);
    void join(GgufPart &part);
    void index_tensors();
};

namespace {

[[noreturn]] void wrong(const std::string &path, const std::string &what) {
    fail(DS4X_ERR_FORMAT, "%s: %s", shown_path(path).c_str(), what.c_str());
}

// A key of the split section, when the file has it.
bool split_value(const GgufPart &part, const std::string &path, const char *key, uint64_t &out) {
    const MetaValue *v = part.find(key);
    if (!v) return false;
    if (!v->is_integer() || (v->is_signed() && v->as_i64() < 0))
        wrong(path, "metadata key \"" + std::string(key) + "\": found " + describe(*v) + ", expected a count");
    out = v->u;
    return true;
}

void check_split_keys(const GgufPart &part, const std::string &path, uint32_t number, uint32_t count) {
    uint64_t value;
    if (split_value(part, path, "split.no", value) && value != number - 1)
        wrong(path, "metadata key \"split.no\" is " + std::to_string(value) + ", expected " +
                        std::to_string(number - 1) + " as the file name says");
    if (split_value(part, path, "split.count", value) && value != count)
        wrong(path, "metadata key \"split.count\" is " + std::to_string(value) + ", expected " + std::to_string(count) +
                        " as the file name says");
}

// A file without a part number in its name must be whole; merged files say so with a split.count of 0.
void check_whole(const GgufPart &part, const std::string &path) {
    uint64_t count = 0, number = 0;
    if (!split_value(part, path, "split.count", count) || count <= 1) return;
    split_value(part, path, "split.no", number);
    wrong(path,
          "metadata says that this is part " + std::to_string(number) + " (from 0) of " + std::to_string(count) +
              " of a split model; open the first part, named like model-00001-of-0000N.gguf, with all parts beside "
              "it");
}

template <typename Body> auto with_memory_errors(const std::string &path, Body body) {
    try {
        return body();
    } catch (const std::bad_alloc &) {
    } catch (const std::length_error &) {}
    fail(DS4X_ERR_MEMORY, "%s: out of memory while reading the header", shown_path(path).c_str());
}

} // namespace

void GgufFile::Impl::add_file(const std::string &part_path, uint32_t number, Mode mode, GgufPart &out) {
    mappings.push_back(std::make_unique<Mapping>(part_path));
    const Mapping &map = *mappings.back();
    bytes += map.size();
    parse_part(map.data(), map.size(), part_path, number, mode, out);
}

void GgufFile::Impl::join(GgufPart &part) {
    if (tensors.empty()) {
        tensors = std::move(part.tensors);
    } else {
        std::move(part.tensors.begin(), part.tensors.end(), std::back_inserter(tensors));
    }
    part.tensors.clear();
    names.push_back(std::move(part.names));
}

void GgufFile::Impl::index_tensors() {
    const auto twice = tensor_index.build(tensors.size(), [&](size_t i) { return std::string_view(tensors[i].name); });
    if (twice.first == NameIndex::none) return;
    wrong(path, "tensor " + quoted(tensors[twice.first].name) + " appears twice (entries " +
                    std::to_string(twice.first) + " and " + std::to_string(twice.second) + ")");
}

GgufFile::GgufFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GgufFile::~GgufFile() = default;

std::unique_ptr<GgufFile> GgufFile::open(const std::string &path, Mode mode) {
    return with_memory_errors(path, [&] {
        auto impl = std::make_unique<Impl>();
        impl->path = path;
        SplitName split;
        const bool is_split = parse_split_name(path, split);
        if (is_split && split.number != 1)
            wrong(path, "this is part " + std::to_string(split.number) + " of " + std::to_string(split.count) +
                            " of a split model; open the first part, " +
                            shown_path(split_path(split.base, 1, split.count)));
        impl->add_file(path, 0, mode, impl->first);
        if (!is_split) check_whole(impl->first, path);
        impl->join(impl->first);
        if (is_split) {
            check_split_keys(impl->first, path, 1, split.count);
            for (uint32_t number = 2; number <= split.count; number++) {
                const std::string part_path = split_path(split.base, number, split.count);
                GgufPart part;
                impl->add_file(part_path, number - 1, mode, part);
                check_split_keys(part, part_path, number, split.count);
                impl->join(part);
            }
            uint64_t total;
            if (split_value(impl->first, path, "split.tensors.count", total) && total != impl->tensors.size())
                wrong(path, "metadata key \"split.tensors.count\" is " + std::to_string(total) +
                                ", but the parts hold " + std::to_string(impl->tensors.size()) + " tensors");
        }
        impl->index_tensors();
        return std::unique_ptr<GgufFile>(new GgufFile(std::move(impl)));
    });
}

std::unique_ptr<GgufFile> GgufFile::from_memory(const uint8_t *data, size_t size, const std::string &name, Mode mode) {
    return with_memory_errors(name, [&] {
        auto impl = std::make_unique<Impl>();
        impl->path = name;
        impl->bytes = size;
        parse_part(data, size, name, 0, mode, impl->first);
        check_whole(impl->first, name);
        impl->join(impl->first);
        impl->index_tensors();
        return std::unique_ptr<GgufFile>(new GgufFile(std::move(impl)));
    });
}

const std::string &GgufFile::path() const noexcept { return impl_->path; }
uint64_t GgufFile::file_bytes() const noexcept { return impl_->bytes; }
size_t GgufFile::meta_count() const noexcept { return impl_->first.keys.size(); }
const std::string &GgufFile::meta_key(size_t index) const {
    if (index >= meta_count())
        fail(DS4X_ERR_ARGUMENT, "metadata index %zu is out of range, the file has %zu keys", index, meta_count());
    return impl_->first.keys[index];
}
const MetaValue *GgufFile::find(std::string_view key) const noexcept { return impl_->first.find(key); }

size_t GgufFile::tensor_count() const noexcept { return impl_->tensors.size(); }
const TensorInfo &GgufFile::tensor(size_t index) const {
    if (index >= tensor_count())
        fail(DS4X_ERR_ARGUMENT, "tensor index %zu is out of range, the file has %zu tensors", index, tensor_count());
    return impl_->tensors[index];
}
const TensorInfo *GgufFile::find_tensor(std::string_view name) const noexcept {
    const size_t i = impl_->tensor_index.find(name);
    return i == NameIndex::none ? nullptr : &impl_->tensors[i];
}

void GgufFile::read(const TensorInfo &tensor, uint64_t offset, void *out, size_t n) const {
    if (impl_->mappings.empty()) {
        if (n) std::memcpy(out, tensor.data + offset, n);
        return;
    }
    const Mapping &mapping = *impl_->mappings[tensor.part];
    mapping.read(uint64_t(tensor.data - mapping.data()) + offset, out, n);
}

void GgufFile::check_unchanged() const {
    for (const auto &mapping : impl_->mappings) mapping->check_unchanged();
}
void GgufFile::advise_willneed() const noexcept {
    for (const auto &mapping : impl_->mappings) mapping->advise_willneed();
}

} // namespace ds4
