// The GGUF reader on valid files: every type, typed access, split models, shared data, files that are none.
#include "check.h"
#include "gguf_builder.h"
#include "scratch_dir.h"

#include "gguf/gguf.h"
#include "gguf/split.h"
#include "gguf/text.h"

#include <chrono>
#include <cmath>
#include <limits>

#if !defined(_WIN32)
#  include <sys/stat.h>
#  include <unistd.h>
#endif

using ds4::GgufFile;
using ds4::MetaValue;
using gguf_builder::Builder;
using gguf_builder::Bytes;
using Mode = GgufFile::Mode;

namespace {

constexpr uint32_t f32 = 0, q8_0 = 8;

std::unique_ptr<GgufFile> parse(const Bytes &bytes, Mode mode = Mode::full) {
    return GgufFile::from_memory(bytes.data(), bytes.size(), "test.gguf", mode);
}
std::unique_ptr<GgufFile> parse(const Builder &builder, Mode mode = Mode::full) {
    static Bytes bytes; // must outlive the file; one file at a time is enough here
    bytes = builder.build();
    return parse(bytes, mode);
}

Builder small() {
    Builder b;
    b.add_string("general.architecture", "deepseek4").add<uint32_t>("a.count", 7);
    b.add_f32("w", {2, 3}, {1, 2, 3, 4, 5, 6});
    return b;
}

} // namespace

TEST(gguf_reads_every_scalar_type) {
    Builder b;
    b.add<uint8_t>("u8", 200).add<int8_t>("i8", -100).add<uint16_t>("u16", 60000).add<int16_t>("i16", -30000);
    b.add<uint32_t>("u32", 4000000000u).add<int32_t>("i32", -2000000000).add<float>("f32", 0.5f).add<bool>("yes", true);
    b.add<uint64_t>("u64", UINT64_MAX).add<int64_t>("i64", INT64_MIN).add<double>("f64", 1e300);
    b.add_string("s", std::string("a\0b\xff", 4)).add_string("empty", "");
    const auto file = parse(b);
    CHECK_EQ(file->meta_count(), size_t(13));
    CHECK_EQ(file->meta_key(0), std::string("u8"));
    CHECK_EQ(file->meta_key(12), std::string("empty"));
    CHECK_EQ(file->find("u8")->u, uint64_t(200));
    CHECK_EQ(file->find("i8")->as_i64(), int64_t(-100));
    CHECK_EQ(file->find("u16")->u, uint64_t(60000));
    CHECK_EQ(file->find("i16")->as_i64(), int64_t(-30000));
    CHECK_EQ(file->find("u32")->u, uint64_t(4000000000u));
    CHECK_EQ(file->find("i32")->as_i64(), int64_t(-2000000000));
    CHECK_EQ(file->find("f32")->f, 0.5);
    CHECK_EQ(file->find("yes")->u, uint64_t(1));
    CHECK_EQ(file->find("u64")->u, UINT64_MAX);
    CHECK_EQ(file->find("i64")->as_i64(), INT64_MIN);
    CHECK_EQ(file->find("f64")->f, 1e300);
    CHECK(file->find("s")->s == std::string_view("a\0b\xff", 4));
    CHECK(file->find("empty")->s.empty());
    CHECK(file->find("none") == nullptr);
    CHECK(file->find("") == nullptr);
    CHECK_ERROR(file->meta_key(13), DS4X_ERR_ARGUMENT, "out of range");
    CHECK_EQ(file->tensor_count(), size_t(0));
    CHECK_ERROR(file->tensor(0), DS4X_ERR_ARGUMENT, "out of range");
}

TEST(gguf_reads_arrays_item_by_item) {
    Builder b;
    b.add_array<int32_t>("ints", {1, -2, 3}).add_array<float>("floats", {0.25f, 4}).add_array<uint16_t>("none", {});
    b.add_strings("strings", {"", "one", std::string(1000, 'x'), std::string("\0", 1)}).add_strings("no strings", {});
    const auto file = parse(b);
    const MetaValue ints = *file->find("ints");
    CHECK_EQ(ints.count, uint64_t(3));
    CHECK_EQ(ints.item_type, int32_t(DS4X_META_I32));
    CHECK_EQ(ints.item(1).as_i64(), int64_t(-2));
    CHECK_ERROR(ints.item(3), DS4X_ERR_ARGUMENT, "out of range");
    CHECK_EQ(file->find("floats")->item(0).f, 0.25);
    CHECK_EQ(file->find("none")->count, uint64_t(0));
    CHECK_ERROR(file->find("none")->item(0), DS4X_ERR_ARGUMENT, "out of range");
    const MetaValue strings = *file->find("strings");
    CHECK_EQ(strings.count, uint64_t(4));
    CHECK(strings.item(0).s.empty());
    CHECK(strings.item(1).s == "one");
    CHECK_EQ(strings.item(2).s.size(), size_t(1000));
    CHECK(strings.item(3).s == std::string_view("\0", 1));
    CHECK_ERROR(file->find("no strings")->item(0), DS4X_ERR_ARGUMENT, "out of range");
    CHECK_ERROR(ints.item(0).item(0), DS4X_ERR_ARGUMENT, "not an array");
}

TEST(gguf_typed_access_takes_any_integer_that_fits) {
    Builder b;
    b.add<uint8_t>("u8", 7).add<int16_t>("i16", 7).add<uint64_t>("u64", 7).add<int32_t>("negative", -1);
    b.add<float>("f", 2.5f)
        .add<float>("nan", NAN)
        .add<double>("inf", INFINITY)
        .add<bool>("b", true)
        .add_string("s", "x");
    const auto file = parse(b);
    for (const char *key : {"u8", "i16", "u64"}) CHECK_EQ(file->get_uint(key, 1, 10), uint64_t(7));
    CHECK_EQ(file->opt_uint("missing", 99, 1, 10), uint64_t(99));
    CHECK_ERROR(file->get_uint("missing", 1, 10), DS4X_ERR_MODEL,
                "test.gguf: metadata key \"missing\" is missing, expected an integer from 1 to 10");
    CHECK_ERROR(file->get_uint("u8", 1, 6), DS4X_ERR_MODEL, "\"u8\" is u8 7, expected an integer from 1 to 6");
    CHECK_ERROR(file->get_uint("u8", 8, UINT64_MAX), DS4X_ERR_MODEL, "an integer of at least 8");
    CHECK_ERROR(file->get_uint("u8", 4, 4), DS4X_ERR_MODEL, "the integer 4");
    CHECK_ERROR(file->get_uint("negative", 0, UINT64_MAX), DS4X_ERR_MODEL, "i32 -1");
    for (const char *key : {"f", "b", "s"})
        CHECK_ERROR(file->opt_uint(key, 0, 0, 10), DS4X_ERR_MODEL, "expected an integer from 0 to 10");

    CHECK_EQ(file->get_float("f"), 2.5);
    CHECK_EQ(file->get_float("negative"), -1.0);
    CHECK_EQ(file->opt_float("missing", 3.5), 3.5);
    CHECK_ERROR(file->get_float("missing"), DS4X_ERR_MODEL, "\"missing\" is missing");
    for (const char *key : {"nan", "inf", "b", "s"})
        CHECK_ERROR(file->opt_float(key, 0), DS4X_ERR_MODEL, "expected a finite number");

    CHECK_EQ(file->opt_bool("b", false), true);
    CHECK_EQ(file->opt_bool("missing", true), true);
    CHECK_ERROR(file->opt_bool("u8", false), DS4X_ERR_MODEL, "\"u8\" is u8 7, expected a bool");
    CHECK_EQ(file->opt_string("s", ""), std::string("x"));
    CHECK_EQ(file->opt_string("missing", "d"), std::string("d"));
    CHECK_ERROR(file->opt_string("f", ""), DS4X_ERR_MODEL, "\"f\" is f32 2.5, expected a string");
}

TEST(gguf_lists_take_a_scalar_or_an_array) {
    Builder b;
    b.add<uint32_t>("one", 5).add_array<int32_t>("many", {1, 2, 3}).add_array<int32_t>("bad", {1, -2, 3});
    b.add<float>("half", 0.5f).add_array<double>("mixed", {1, NAN}).add_strings("words", {"a", "b"});
    const auto file = parse(b);
    CHECK(file->get_uints("one", 3, 10) == (std::vector<uint64_t>{5, 5, 5}));
    CHECK(file->get_uints("many", 2, 10) == (std::vector<uint64_t>{1, 2}));
    CHECK(file->get_floats("many", 3) == (std::vector<double>{1, 2, 3}));
    CHECK(file->get_floats("half", 2) == (std::vector<double>{0.5, 0.5}));
    CHECK_ERROR(file->get_uints("many", 4, 10), DS4X_ERR_MODEL,
                "array of 3 i32, expected an integer from 0 to 10 or an array");
    CHECK_ERROR(file->get_uints("bad", 3, 10), DS4X_ERR_MODEL, "is at item 1 i32 -2");
    CHECK_ERROR(file->get_uints("many", 3, 2), DS4X_ERR_MODEL, "is at item 2 i32 3, expected an integer from 0 to 2");
    CHECK_ERROR(file->get_uints("half", 1, 2), DS4X_ERR_MODEL, "f32 0.5");
    CHECK_ERROR(file->get_floats("mixed", 2), DS4X_ERR_MODEL, "is at item 1 f64");
    CHECK_ERROR(file->get_floats("words", 2), DS4X_ERR_MODEL, "string \"a\"");
    CHECK_ERROR(file->get_floats("missing", 2), DS4X_ERR_MODEL, "\"missing\" is missing");
}

TEST(gguf_tensors_lie_in_the_mapping) {
    Builder b = small();
    b.add_tensor("q", q8_0, {64, 2}, Bytes(4 * 34, 9));
    const Bytes bytes = b.build();
    const auto file = parse(bytes);
    CHECK_EQ(file->tensor_count(), size_t(2));
    const ds4::TensorInfo *w = file->find_tensor("w");
    CHECK_EQ(w->elements, uint64_t(6));
    CHECK_EQ(w->bytes, uint64_t(24));
    CHECK_EQ(w->n_dims, uint32_t(2));
    CHECK_EQ(w->dims[0], uint64_t(2));
    CHECK_EQ(w->dims[1], uint64_t(3));
    CHECK_EQ(w->dims[2], uint64_t(1));
    CHECK(w->data >= bytes.data() && w->data + w->bytes <= bytes.data() + bytes.size());
    float value;
    std::memcpy(&value, w->data + 20, 4);
    CHECK_EQ(value, 6.0f);
    CHECK_EQ(file->find_tensor("q")->bytes, uint64_t(136));
    CHECK_EQ(file->find_tensor("q")->data[135], uint8_t(9));
    CHECK(file->find_tensor("Q") == nullptr);
    CHECK_EQ(file->file_bytes(), uint64_t(bytes.size()));
}

TEST(gguf_version_2_is_read_and_others_are_named) {
    Builder b = small();
    b.version = 2;
    CHECK_EQ(parse(b)->meta_count(), size_t(2));
    for (const uint32_t version : {0u, 1u, 4u}) {
        b.version = version;
        CHECK_ERROR(parse(b), DS4X_ERR_FORMAT, ("GGUF version " + std::to_string(version)).c_str());
    }
    b.version = 3u << 24;
    CHECK_ERROR(parse(b), DS4X_ERR_FORMAT, "big-endian");
    Bytes reversed = small().build();
    std::memcpy(reversed.data(), "FUGG", 4);
    CHECK_ERROR(parse(reversed), DS4X_ERR_FORMAT, "big-endian");
    std::memcpy(reversed.data(), "PK\x03\x04", 4);
    CHECK_ERROR(parse(reversed), DS4X_ERR_FORMAT, "begins with \"PK\\x03\\x04\", expected \"GGUF\"");
}

TEST(gguf_alignment_is_a_power_of_two_of_any_integer_type) {
    for (const uint64_t alignment : {8, 16, 64, 4096}) {
        Builder b = small();
        b.alignment = alignment;
        b.add<uint64_t>("general.alignment", alignment);
        b.add_f32("v", {1}, {3});
        const Bytes bytes = b.build();
        const auto file = parse(bytes);
        CHECK_EQ(size_t(file->find_tensor("v")->data - bytes.data()) % alignment, size_t(0));
        CHECK_EQ(file->find_tensor("v")->offset,
                 alignment < 24 ? uint64_t(24 + alignment - 1) / alignment * alignment : alignment);
    }
    for (const int32_t alignment : {0, 1, 4, 24, 33, 1 << 21, -32}) {
        Builder b = small();
        b.add<int32_t>("general.alignment", alignment);
        CHECK_ERROR(parse(b), DS4X_ERR_FORMAT, "\"general.alignment\": found i32");
    }
    Builder b = small();
    b.add<float>("general.alignment", 32);
    CHECK_ERROR(parse(b), DS4X_ERR_FORMAT, "expected an integer that is a power of two from 8 to 1048576");
}

TEST(gguf_tensors_may_share_data_only_as_equals) {
    Builder b = small();
    b.add_tensor("alias", f32, {2, 3}, {}, 0);
    const auto file = parse(b);
    CHECK(file->find_tensor("alias")->data == file->find_tensor("w")->data);

    const char *words = "tensors \"w\" and \"other\": their data overlaps";
    Builder shape = small();
    shape.add_tensor("other", f32, {3, 2}, {}, 0);
    CHECK_ERROR(parse(shape), DS4X_ERR_FORMAT, words);
    Builder type = small();
    type.add_tensor("other", 26, {2, 3}, {}, 0);
    CHECK_ERROR(parse(type), DS4X_ERR_FORMAT, words);
    Builder partial;
    partial.add_tensor("w", f32, {32}, Bytes(128));
    partial.add_tensor("other", f32, {32}, Bytes(128), 96);
    CHECK_ERROR(parse(partial), DS4X_ERR_FORMAT, words);
    // The same range twice and a third tensor inside it, listed first.
    Builder inside;
    inside.add_tensor("in", f32, {8}, Bytes(32), 32);
    inside.add_tensor("x", f32, {32}, Bytes(128), 0);
    inside.add_tensor("y", f32, {32}, Bytes(128), 0);
    CHECK_ERROR(parse(inside), DS4X_ERR_FORMAT, "tensors \"y\" and \"in\": their data overlaps");
}

TEST(gguf_overlap_check_stays_fast_with_many_tensors) {
    Builder b;
    for (int i = 0; i < 50000; i++) b.add_tensor("t" + std::to_string(i), f32, {1}, {}, i % 2 ? 0 : 32 * (50000 - i));
    b.tensors[0].data = Bytes(4);
    const Bytes bytes = b.build();
    const auto start = std::chrono::steady_clock::now();
    CHECK_EQ(parse(bytes)->tensor_count(), size_t(50000));
    // Comparing every pair would take minutes under a sanitizer; the bound is generous and not a benchmark.
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}

TEST(gguf_duplicates_are_named) {
    Builder keys = small();
    keys.add<uint32_t>("a.count", 8);
    CHECK_ERROR(parse(keys), DS4X_ERR_FORMAT, "key \"a.count\" appears twice (entries 1 and 2)");
    Builder tensors = small();
    tensors.add_f32("w", {1}, {1});
    CHECK_ERROR(parse(tensors), DS4X_ERR_FORMAT, "tensor \"w\" appears twice");
}

TEST(gguf_unknown_tensor_types_are_named_with_the_known_ones) {
    Builder b;
    b.add_tensor("odd", 9999, {32}, Bytes(128));
    CHECK_ERROR(parse(b), DS4X_ERR_FORMAT, "tensor \"odd\": its type id 9999 is unknown, expected one of F32");
    Builder block;
    block.add_tensor("half", q8_0, {48}, Bytes(128));
    CHECK_ERROR(parse(block), DS4X_ERR_FORMAT, "tensor \"half\": dimension 0 is 48, expected a multiple of 32");
}

TEST(gguf_dimensions_are_checked) {
    const auto with = [](std::vector<uint64_t> dims) {
        Builder b;
        b.add_tensor("t", f32, std::move(dims), Bytes(64));
        return b;
    };
    CHECK_ERROR(parse(with({})), DS4X_ERR_FORMAT, "tensor \"t\": it has 0 dimensions, expected 1 to 4");
    CHECK_ERROR(parse(with({1, 1, 1, 1, 1})), DS4X_ERR_FORMAT, "it has 5 dimensions");
    CHECK_ERROR(parse(with({4, 0})), DS4X_ERR_FORMAT, "dimension 1 is 0");
    CHECK_ERROR(parse(with({1ull << 32, 1ull << 32})), DS4X_ERR_FORMAT, "the number of elements overflows");
    CHECK_ERROR(parse(with({1ull << 62})), DS4X_ERR_FORMAT, "number of bytes overflows");
    CHECK_ERROR(parse(with({1ull << 61})), DS4X_ERR_FORMAT, "but the file has");
    CHECK_ERROR(parse(with({(1ull << 62) - 1})), DS4X_ERR_FORMAT, "overflow");
    CHECK_EQ(parse(with({2, 2, 2, 2}))->find_tensor("t")->elements, uint64_t(16));
}

TEST(gguf_keys_and_names_must_be_c_strings) {
    Builder empty;
    empty.add<uint32_t>("", 1);
    CHECK_ERROR(parse(empty), DS4X_ERR_FORMAT, "metadata entry 0: its key is empty");
    Builder nul;
    nul.add<uint32_t>(std::string("a\0b", 3), 1);
    CHECK_ERROR(parse(nul), DS4X_ERR_FORMAT, "its key \"a\\x00b\" holds a NUL byte");
    Builder longest;
    longest.add<uint32_t>(std::string(65535, 'k'), 1);
    CHECK_EQ(parse(longest)->meta_key(0).size(), size_t(65535));
    Builder too_long;
    too_long.add<uint32_t>(std::string(65536, 'k'), 1);
    CHECK_ERROR(parse(too_long), DS4X_ERR_FORMAT, "its key has 65536 bytes, at most 65535");
    Builder tensor;
    tensor.add_tensor(std::string("t\0", 2), f32, {1}, Bytes(4));
    CHECK_ERROR(parse(tensor), DS4X_ERR_FORMAT, "tensor entry 0: its name \"t\\x00\" holds a NUL byte");
}

TEST(gguf_header_only_leaves_missing_data_null) {
    Builder b = small();
    b.add_tensor("huge", f32, {1ull << 40}, {});
    CHECK_ERROR(parse(b), DS4X_ERR_FORMAT, "tensor \"huge\": its data ends at byte");
    const auto file = parse(b, Mode::header_only);
    CHECK(file->find_tensor("w")->data != nullptr);
    CHECK(file->find_tensor("huge")->data == nullptr);
    CHECK_EQ(file->find_tensor("huge")->bytes, uint64_t(1) << 42);
    // What the directory says must hold together all the same.
    b.add_tensor("across", f32, {2}, {}, 1 << 20);
    CHECK_ERROR(parse(b, Mode::header_only), DS4X_ERR_FORMAT, "tensors \"huge\" and \"across\"");
}

TEST(gguf_split_names_are_recognised) {
    ds4::SplitName name;
    CHECK(ds4::parse_split_name("/m/big-00001-of-00003.gguf", name));
    CHECK_EQ(name.base, std::string("/m/big"));
    CHECK_EQ(name.number, 1u);
    CHECK_EQ(name.count, 3u);
    CHECK_EQ(ds4::split_path(name.base, 12, 345), std::string("/m/big-00012-of-00345.gguf"));
    for (const char *no : {"big.gguf", "big-00000-of-00003.gguf", "big-00004-of-00003.gguf", "big-0001-of-0003.gguf",
                           "big-00001-of-00003.ggu", "big-0000x-of-00003.gguf", "00001-of-00003.gguf", ""})
        CHECK(!ds4::parse_split_name(no, name));
}

TEST(gguf_split_model_opens_as_one) {
    ScratchDir dir;
    const auto part = [&](uint32_t number, uint32_t count, const std::string &tensor, int32_t total,
                          const std::string &base = "m") {
        Builder b;
        if (number == 1) b.add_string("general.architecture", "deepseek4");
        b.add<uint16_t>("split.no", uint16_t(number - 1)).add<uint16_t>("split.count", uint16_t(count));
        b.add<int32_t>("split.tensors.count", total);
        b.add_f32(tensor, {1}, {float(number)});
        return dir.write(ds4::split_path(base, number, count), b.build());
    };
    const std::string first = part(1, 3, "a", 3), second = part(2, 3, "b", 3);
    CHECK_ERROR(GgufFile::open(first, Mode::full), DS4X_ERR_IO, "m-00003-of-00003.gguf: no such file");
    const std::string third = part(3, 3, "c", 3);
    const auto file = GgufFile::open(first, Mode::full);
    CHECK_EQ(file->tensor_count(), size_t(3));
    CHECK_EQ(file->opt_string("general.architecture", ""), std::string("deepseek4"));
    for (uint32_t i = 0; i < 3; i++) {
        float value;
        std::memcpy(&value, file->tensor(i).data, 4);
        CHECK_EQ(value, float(i + 1));
        CHECK_EQ(file->tensor(i).part, i);
    }
    CHECK_ERROR(GgufFile::open(second, Mode::full), DS4X_ERR_FORMAT,
                "this is part 2 of 3 of a split model; open the first");

    part(3, 3, "a", 3);
    CHECK_ERROR(GgufFile::open(first, Mode::full), DS4X_ERR_FORMAT, "tensor \"a\" appears twice");
    part(3, 3, "c", 3);
    std::filesystem::copy_file(second, third, std::filesystem::copy_options::overwrite_existing);
    CHECK_ERROR(GgufFile::open(first, Mode::full), DS4X_ERR_FORMAT, "\"split.no\" is 1, expected 2");
    part(3, 3, "c", 3);
    part(1, 3, "a", 4);
    CHECK_ERROR(GgufFile::open(first, Mode::full), DS4X_ERR_FORMAT,
                "\"split.tensors.count\" is 4, but the parts hold 3");
    const std::string renamed = dir.path("renamed.gguf");
    std::filesystem::copy_file(first, renamed);
    CHECK_ERROR(GgufFile::open(renamed, Mode::full), DS4X_ERR_FORMAT, "part 0 (from 0) of 3");

    // A merged file says 0, a model in one part 1.
    for (const uint16_t count : {0, 1}) {
        Builder b = small();
        b.add<uint16_t>("split.count", count);
        CHECK_EQ(parse(b)->tensor_count(), size_t(1));
    }
}

TEST(gguf_files_that_can_not_be_opened_say_why) {
    ScratchDir dir;
    CHECK_ERROR(GgufFile::open("", Mode::full), DS4X_ERR_IO, "empty");
    CHECK_ERROR(GgufFile::open(dir.path("no.gguf"), Mode::full), DS4X_ERR_IO, "no.gguf: no such file");
    CHECK_ERROR(GgufFile::open(dir.path(""), Mode::full), DS4X_ERR_IO, "is a directory");
    CHECK_ERROR(GgufFile::open(dir.write("empty.gguf", {}), Mode::full), DS4X_ERR_FORMAT,
                "empty.gguf: header: the file has only 0");
    CHECK_ERROR(GgufFile::open(dir.write("e.gguf", {}) + "/x", Mode::full), DS4X_ERR_IO, "no such file");
    CHECK_ERROR(GgufFile::open(std::string("a\0b", 3), Mode::full), DS4X_ERR_IO, "NUL");
#if !defined(_WIN32)
    const std::string pipe = dir.path("pipe.gguf");
    CHECK_EQ(mkfifo(pipe.c_str(), 0600), 0);
    CHECK_ERROR(GgufFile::open(pipe, Mode::full), DS4X_ERR_IO, "pipe.gguf: is a pipe");
    CHECK_ERROR(GgufFile::open("/dev/null", Mode::full), DS4X_ERR_IO, "/dev/null: is not a regular file");
    const std::string secret = dir.write("secret.gguf", small().build());
    chmod(secret.c_str(), 0);
    if (geteuid() != 0) CHECK_ERROR(GgufFile::open(secret, Mode::full), DS4X_ERR_IO, "permission denied");
    chmod(secret.c_str(), 0600);
#endif
}

TEST(gguf_a_file_that_changed_is_noticed) {
    ScratchDir dir;
    const std::string path = dir.write("m.gguf", small().build());
    const auto file = GgufFile::open(path, Mode::full);
    file->advise_willneed();
    file->check_unchanged();
    const auto time = std::filesystem::last_write_time(path);
    std::filesystem::last_write_time(path, time + std::chrono::seconds(5));
    CHECK_ERROR(file->check_unchanged(), DS4X_ERR_IO, "m.gguf: the file changed since it was opened");
    std::filesystem::last_write_time(path, time);
    file->check_unchanged();
    std::filesystem::resize_file(path, 100);
    CHECK_ERROR(file->check_unchanged(), DS4X_ERR_IO, "m.gguf: the file changed since it was opened: it had");
}

TEST(gguf_a_file_replaced_by_renaming_stays_readable) {
    ScratchDir dir;
    const std::string path = dir.write("m.gguf", small().build());
    const auto file = GgufFile::open(path, Mode::full);
    std::filesystem::rename(dir.write("other.gguf", {1, 2, 3}), path);
    file->check_unchanged();
    float value;
    std::memcpy(&value, file->find_tensor("w")->data, 4);
    CHECK_EQ(value, 1.0f);
}

TEST(gguf_messages_are_one_printable_line) {
    Builder b;
    b.add<uint32_t>("line\nbreak\x1b[0m", 1).add<uint32_t>("line\nbreak\x1b[0m", 1);
    CHECK_ERROR(parse(b), DS4X_ERR_FORMAT, "\"line\\x0abreak\\x1b[0m\" appears twice");
    CHECK_ERROR(GgufFile::open("no\nsuch.gguf", Mode::full), DS4X_ERR_IO, "no\\x0asuch.gguf: no such file");
    CHECK_EQ(ds4::shown_path("/model/größe.gguf"), std::string("/model/größe.gguf"));
    CHECK(ds4::quoted(std::string(100000, 'x')).size() < 120);
    CHECK(ds4::shown_path(std::string(100000, 'x')).size() < 600);
}
