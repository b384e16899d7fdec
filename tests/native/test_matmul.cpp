// The matrix kernels: right within the formats' rounding, and bit for bit the same however a call is cut up.
#include "check.h"
#include "matmul_fixture.h"

#include <sys/mman.h>
#include <unistd.h>

using namespace ds4;
using namespace fixture;

namespace {

// Each dot product against double precision. What the kernel computes from quantised activations differs from the exact
// sum over them only by float rounding; against the caller's floats, each activation is off by at most half a step.
void check_against_oracle(const MatmulKernels &kernels, GgmlType type, bool exact, int64_t n_in, int64_t n_rows,
                          int64_t n_tokens, std::mt19937 &rng) {
    const TypeTraits *traits = type_traits(type);
    std::vector<uint8_t> w(row_bytes(type, n_in) * size_t(n_rows));
    fill_weights(type, w.data(), w.size(), rng);
    std::vector<float> values(size_t(n_in * n_rows));
    traits->dequantize(w.data(), uint64_t(n_in * n_rows), values.data());
    const ActFormat format = act_format(type, exact);
    const Rows x(kernels, format, random_floats(size_t(n_in * n_tokens), rng), n_in);
    std::vector<float> y(size_t(n_rows * n_tokens), NAN);
    MatmulArgs args;
    args.w = w.data();
    args.row_bytes = row_bytes(type, n_in);
    args.row_end = n_rows;
    args.x = x.x;
    args.n_tokens = n_tokens;
    args.y = y.data();
    args.y_stride = n_rows;
    kernels.find(type, exact)(args);

    const int64_t block = format == ActFormat::Q8 ? 32 : 256;
    int wrong_sum = 0, wrong_dot = 0;
    for (int64_t t = 0; t < n_tokens; t++) {
        for (int64_t r = 0; r < n_rows; r++) {
            double exact_sum = 0, seen_sum = 0, magnitude = 0, step = 0;
            for (int64_t i = 0; i < n_in; i++) {
                const double wi = values[size_t(r * n_in + i)];
                exact_sum += wi * x.f32[size_t(t * n_in + i)];
                seen_sum += wi * x.value(t, i);
                magnitude += std::fabs(wi * x.value(t, i));
                if (format != ActFormat::F32) step += std::fabs(wi) * x.d[size_t((t * n_in + i) / block)] / 2;
            }
            // Types with minimums subtract two larger sums: value = a - b with a, b up to 16 times the result's size.
            const double rounding =
                6e-8 * (double(n_in) / 16 + 24) * (magnitude + (format == ActFormat::Q8_K ? 16 * step : 0));
            const double got = y[size_t(t * n_rows + r)];
            wrong_sum += !(std::fabs(got - seen_sum) <= rounding);
            wrong_dot += !(std::fabs(got - exact_sum) <= step * 1.0001 + rounding);
        }
    }
    if (wrong_sum || wrong_dot)
        check::report(__FILE__, __LINE__,
                      std::string(kernels.isa) + " " + traits->name + (exact ? " exact" : "") + " n_in " +
                          std::to_string(n_in) + ": " + std::to_string(wrong_sum) + " sums and " +
                          std::to_string(wrong_dot) + " dot products out of bounds");
}

// One element of y computed in a call of its own.
float alone(MatmulFn fn, const MatmulArgs &whole, int64_t t, int64_t row) {
    MatmulArgs args = whole;
    const int32_t x_row = int32_t(whole.x_rows ? whole.x_rows[t] : t);
    float y = NAN;
    args.row_begin = row;
    args.row_end = row + 1;
    args.x_rows = &x_row;
    args.n_tokens = 1;
    args.y = &y;
    args.y_stride = 1;
    fn(args);
    return y;
}

bool same_bits(float a, float b) { return std::memcmp(&a, &b, 4) == 0; }

std::vector<int64_t> sizes_for(GgmlType type) {
    const int64_t e = type_traits(type)->elements;
    if (e == 1) return {1, 7, 16, 33, 200, 1024};
    if (e == 32) return {32, 64, 96, 480, 512, 544, 1056, 2080};
    return {256, 512, 768, 1024, 1280, 2304};
}

} // namespace

TEST(matmul_agrees_with_double_precision) {
    std::mt19937 rng(1);
    for (const MatmulKernels *kernels : kernel_sets())
        for (GgmlType type : types())
            for (bool exact : {false, true})
                for (int64_t n_in : sizes_for(type)) {
                    check_against_oracle(*kernels, type, exact, n_in, 5, 1, rng);
                    check_against_oracle(*kernels, type, exact, n_in, 37, 9, rng);
                }
}

// Largest integers of either sign against largest activations: partial sums in narrow integers must not overflow.
TEST(matmul_is_right_at_the_extremes_of_the_integers) {
    const int64_t n_in = 1024, n_rows = 3;
    for (const MatmulKernels *kernels : kernel_sets()) {
        for (GgmlType type : {GgmlType::Q8_0, GgmlType::MXFP4, GgmlType::Q2_K, GgmlType::Q4_K, GgmlType::IQ2_XXS}) {
            const TypeTraits *traits = type_traits(type);
            for (uint8_t fill : {0xff, 0x80, 0x7f, 0x77, 0x0f, 0xf0}) {
                std::vector<uint8_t> w(row_bytes(type, n_in) * size_t(n_rows), fill);
                const uint16_t half = 0x2c00; // 2^-4
                for (size_t at = 0; at < w.size(); at += traits->bytes) {
                    if (type == GgmlType::MXFP4) w[at] = 124;
                    for (int offset : half_offsets(type)) std::memcpy(&w[at + size_t(offset)], &half, 2);
                    if (type == GgmlType::IQ2_XXS)
                        for (size_t g = 0; g < 8; g++) { // the largest pairs of the codebook, the largest scale
                            const uint32_t words[2] = {fill & 2 ? 0xeeeeeeeeu : 0x46464646u,
                                                       fill & 1 ? 0xf0000000u : 0xffffffffu};
                            std::memcpy(&w[at + 2 + 8 * g], words, 8);
                        }
                }
                std::vector<float> values(size_t(n_in * n_rows));
                traits->dequantize(w.data(), values.size(), values.data());
                for (int64_t n_tokens : {1, 4}) {
                    for (float sign : {1.f, -1.f}) {
                        const Rows x(*kernels, act_format(type, false),
                                     std::vector<float>(size_t(n_in * n_tokens), 127 * sign), n_in);
                        std::vector<float> y(size_t(n_rows * n_tokens));
                        MatmulArgs args;
                        args.w = w.data();
                        args.row_bytes = row_bytes(type, n_in);
                        args.row_end = n_rows;
                        args.x = x.x;
                        args.n_tokens = n_tokens;
                        args.y = y.data();
                        args.y_stride = n_rows;
                        kernels->find(type, false)(args);
                        double sum = 0, magnitude = 1;
                        for (int64_t i = 0; i < n_in; i++) {
                            sum += double(values[size_t(i)]) * 127 * sign;
                            magnitude += std::fabs(double(values[size_t(i)])) * 127;
                        }
                        for (float v : y)
                            if (!(std::fabs(v - sum) <= 1e-5 * magnitude))
                                check::report(__FILE__, __LINE__,
                                              std::string(kernels->isa) + " " + traits->name + ": " +
                                                  std::to_string(v) + " instead of " + std::to_string(sum));
                    }
                }
            }
        }
    }
}

TEST(matmul_result_does_not_depend_on_the_call) {
    std::mt19937 rng(2);
    for (const MatmulKernels *kernels : kernel_sets()) {
        for (GgmlType type : types()) {
            for (bool exact : {false, true}) {
                const MatmulFn fn = kernels->find(type, exact);
                int different = 0;
                for (int round = 0; round < 6; round++) {
                    const std::vector<int64_t> sizes = sizes_for(type);
                    const int64_t n_in = sizes[rng() % sizes.size()], n_rows = 1 + int64_t(rng() % 75);
                    const int64_t n_tokens = round == 0 ? 1 : 1 + int64_t(rng() % 70), pool = 1 + int64_t(rng() % 20);
                    const int64_t begin = int64_t(rng() % uint64_t(n_rows)),
                                  end = begin + 1 + int64_t(rng() % uint64_t(n_rows - begin));
                    std::vector<uint8_t> w(row_bytes(type, n_in) * size_t(n_rows) + 1);
                    fill_weights(type, w.data() + 1, w.size() - 1, rng);
                    const bool gather = rng() % 2;
                    const Rows x(*kernels, act_format(type, exact),
                                 random_floats(size_t(n_in * (gather ? pool : n_tokens)), rng), n_in);
                    std::vector<int32_t> x_rows;
                    for (int64_t t = 0; t < n_tokens; t++) x_rows.push_back(int32_t(rng() % uint64_t(pool)));
                    MatmulArgs args;
                    args.w = w.data() + 1; // an odd address
                    args.row_bytes = row_bytes(type, n_in);
                    args.row_begin = begin;
                    args.row_end = end;
                    args.x = x.x;
                    args.x_rows = gather ? x_rows.data() : nullptr;
                    args.n_tokens = n_tokens;
                    args.y_stride = end - begin + 3;
                    std::vector<float> y(size_t(args.y_stride * n_tokens), 12345.f);
                    args.y = y.data();
                    fn(args);
                    for (int64_t t = 0; t < n_tokens; t++) {
                        for (int64_t r = begin; r < end; r++)
                            different += !same_bits(y[size_t(t * args.y_stride + r - begin)], alone(fn, args, t, r));
                        for (int64_t i = end - begin; i < args.y_stride; i++) // nothing is written between the tokens
                            different += y[size_t(t * args.y_stride + i)] != 12345.f;
                    }
                }
                if (different)
                    check::report(__FILE__, __LINE__,
                                  std::string(kernels->isa) + " " + type_traits(type)->name +
                                      (exact ? " exact: " : ": ") + std::to_string(different) + " differ");
            }
        }
    }
}

TEST(matmul_has_the_same_bits_on_every_instruction_set_with_fma) {
    std::vector<const MatmulKernels *> sets = kernel_sets();
    std::mt19937 rng(3);
    for (size_t i = 2; i < sets.size(); i++) {
        for (GgmlType type : types()) {
            for (bool exact : {false, true}) {
                for (int64_t n_in : sizes_for(type)) {
                    const int64_t n_rows = 35, n_tokens = 8;
                    std::vector<uint8_t> w(row_bytes(type, n_in) * size_t(n_rows));
                    fill_weights(type, w.data(), w.size(), rng);
                    const std::vector<float> values = random_floats(size_t(n_in * n_tokens), rng);
                    std::vector<float> y[2];
                    for (int k = 0; k < 2; k++) {
                        const MatmulKernels &kernels = k ? *sets[i] : *sets[1];
                        const Rows x(kernels, act_format(type, exact), values, n_in);
                        y[k].resize(size_t(n_rows * n_tokens));
                        MatmulArgs args;
                        args.w = w.data();
                        args.row_bytes = row_bytes(type, n_in);
                        args.row_end = n_rows;
                        args.x = x.x;
                        args.n_tokens = n_tokens;
                        args.y = y[k].data();
                        args.y_stride = n_rows;
                        kernels.find(type, exact)(args);
                    }
                    if (std::memcmp(y[0].data(), y[1].data(), y[0].size() * 4))
                        check::report(__FILE__, __LINE__,
                                      std::string(sets[i]->isa) + " " + type_traits(type)->name + " " +
                                          std::to_string(n_in) + (exact ? " exact" : "") + " differs");
                }
            }
        }
    }
}

TEST(matmul_never_reads_past_the_last_row) {
    const size_t page = size_t(sysconf(_SC_PAGESIZE));
    std::mt19937 rng(4);
    for (GgmlType type : types()) {
        for (int64_t n_in : sizes_for(type)) {
            for (int64_t n_rows : {1, 3, 17}) {
                const size_t bytes = row_bytes(type, n_in) * size_t(n_rows), data = (bytes + page - 1) / page * page;
                uint8_t *map = static_cast<uint8_t *>(
                    mmap(nullptr, data + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
                CHECK(map != MAP_FAILED);
                CHECK_EQ(mprotect(map + data, page, PROT_NONE), 0);
                uint8_t *w = map + data - bytes;
                fill_weights(type, w, bytes, rng);
                for (const MatmulKernels *kernels : kernel_sets()) {
                    for (bool exact : {false, true}) {
                        for (int64_t n_tokens : {1, 5}) {
                            const Rows x(*kernels, act_format(type, exact), random_floats(size_t(n_in * n_tokens), rng),
                                         n_in);
                            std::vector<float> y(size_t(n_rows * n_tokens));
                            MatmulArgs args;
                            args.w = w;
                            args.row_bytes = row_bytes(type, n_in);
                            args.row_end = n_rows;
                            args.x = x.x;
                            args.n_tokens = n_tokens;
                            args.y = y.data();
                            args.y_stride = n_rows;
                            kernels->find(type, exact)(args); // a read past the end would end the program
                        }
                    }
                }
                munmap(map, data + page);
            }
        }
    }
}

TEST(matmul_has_no_kernel_for_types_that_are_not_weights) {
    for (const MatmulKernels *kernels : kernel_sets())
        for (GgmlType type :
             {GgmlType::I8, GgmlType::I16, GgmlType::I32, GgmlType::I64, GgmlType::F64, GgmlType::Q8_1, GgmlType::Q8_K})
            for (bool exact : {false, true}) CHECK(kernels->find(type, exact) == nullptr);
}

TEST(matmul_types_with_and_without_own_kernels_take_the_documented_activations) {
    CHECK(act_format(GgmlType::Q8_0, false) == ActFormat::Q8);
    CHECK(act_format(GgmlType::MXFP4, false) == ActFormat::Q8);
    CHECK(act_format(GgmlType::Q2_K, false) == ActFormat::Q8_K);
    CHECK(act_format(GgmlType::Q4_K, false) == ActFormat::Q8_K);
    CHECK(act_format(GgmlType::IQ2_XXS, false) == ActFormat::Q8_K);
    CHECK(act_format(GgmlType::F16, false) == ActFormat::F32);
    CHECK(act_format(GgmlType::Q6_K, false) == ActFormat::F32);
    for (GgmlType type : types()) CHECK(act_format(type, true) == ActFormat::F32);
}

TEST(matmul_repacked_layout_gives_the_same_bits) {
    std::mt19937 rng(5);
    for (const MatmulKernels *kernels : kernel_sets()) {
        if (!kernels->repack_q8_0) continue;
        for (int64_t n_in : {32, 64, 96, 512, 1056, 2080}) {
            for (int64_t n_rows : {1, 15, 16, 17, 33, 80}) {
                const size_t bytes = row_bytes(GgmlType::Q8_0, n_in);
                std::vector<uint8_t> w(bytes * size_t(n_rows));
                fill_weights(GgmlType::Q8_0, w.data(), w.size(), rng);
                const size_t packed_bytes = kernels->repack_q8_0(nullptr, 0, n_rows, n_in, nullptr);
                std::vector<uint8_t> buffer(packed_bytes + 64);
                uint8_t *packed = buffer.data() + (64 - reinterpret_cast<uintptr_t>(buffer.data()) % 64) % 64;
                CHECK_EQ(kernels->repack_q8_0(w.data(), bytes, n_rows, n_in, packed), packed_bytes);
                for (int64_t n_tokens : {1, 2, 6, 7, 20}) {
                    const Rows x(*kernels, ActFormat::Q8, random_floats(size_t(n_in * n_tokens), rng), n_in);
                    MatmulArgs args;
                    args.x = x.x;
                    args.n_tokens = n_tokens;
                    args.y_stride = n_rows;
                    for (int64_t first = 0; first < n_rows; first += 16) {
                        std::vector<float> plain(size_t(n_rows * n_tokens), -1), fast(plain);
                        args.row_begin = first;
                        args.row_end = n_rows;
                        args.row_bytes = bytes;
                        args.w = w.data();
                        args.y = plain.data();
                        kernels->find(GgmlType::Q8_0, false)(args);
                        args.w = packed;
                        args.y = fast.data();
                        kernels->matmul_repacked_q8_0(args);
                        CHECK(plain == fast);
                    }
                }
            }
        }
    }
}
