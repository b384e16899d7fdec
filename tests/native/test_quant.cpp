// The quantised formats: block sizes, dequantisers against golden values, and quantising activations.
#include "check.h"
#include "matmul_fixture.h"
#include "quant/load.h"

#include <limits>

using namespace ds4;
using namespace fixture;

namespace {

struct Golden {
    int32_t type;
    uint32_t seed;
    uint32_t samples[6];
    uint64_t hash;
};
const Golden kGolden[] = {
#include "golden_quant.inc"
};

std::vector<uint8_t> pseudo_random_bytes(uint32_t seed, size_t n) {
    std::vector<uint8_t> out(n);
    for (uint8_t &b : out) {
        seed = seed * 1664525u + 1013904223u;
        b = uint8_t(seed >> 24);
    }
    return out;
}

uint64_t fnv1a(const std::vector<float> &values) {
    uint64_t hash = 0xcbf29ce484222325ull;
    for (float v : values) {
        uint8_t bytes[4];
        std::memcpy(bytes, &v, 4);
        for (uint8_t b : bytes) hash = (hash ^ b) * 0x100000001b3ull;
    }
    return hash;
}

} // namespace

TEST(quant_block_sizes_are_those_of_the_format) {
    const struct {
        const char *name;
        int32_t type;
        uint32_t elements, bytes;
    } expected[] = {
        {"F32", 0, 1, 4},         {"F16", 1, 1, 2},         {"Q4_0", 2, 32, 18},      {"Q4_1", 3, 32, 20},
        {"Q5_0", 6, 32, 22},      {"Q5_1", 7, 32, 24},      {"Q8_0", 8, 32, 34},      {"Q8_1", 9, 32, 36},
        {"Q2_K", 10, 256, 84},    {"Q3_K", 11, 256, 110},   {"Q4_K", 12, 256, 144},   {"Q5_K", 13, 256, 176},
        {"Q6_K", 14, 256, 210},   {"Q8_K", 15, 256, 292},   {"IQ2_XXS", 16, 256, 66}, {"IQ2_XS", 17, 256, 74},
        {"IQ3_XXS", 18, 256, 98}, {"IQ1_S", 19, 256, 50},   {"IQ4_NL", 20, 32, 18},   {"IQ3_S", 21, 256, 110},
        {"IQ2_S", 22, 256, 82},   {"IQ4_XS", 23, 256, 136}, {"I8", 24, 1, 1},         {"I16", 25, 1, 2},
        {"I32", 26, 1, 4},        {"I64", 27, 1, 8},        {"F64", 28, 1, 8},        {"IQ1_M", 29, 256, 56},
        {"BF16", 30, 1, 2},       {"TQ1_0", 34, 256, 54},   {"TQ2_0", 35, 256, 66},   {"MXFP4", 39, 32, 17},
    };
    size_t n = 0;
    all_type_traits(&n);
    CHECK_EQ(n, sizeof(expected) / sizeof(expected[0]));
    for (const auto &e : expected) {
        const TypeTraits *t = type_traits(e.type);
        CHECK(t != nullptr);
        if (!t) continue;
        CHECK_EQ(std::string(t->name), std::string(e.name));
        CHECK_EQ(t->elements, e.elements);
        CHECK_EQ(t->bytes, e.bytes);
    }
    for (int32_t id : {-1, 4, 5, 31, 36, 40, 1000}) CHECK(type_traits(id) == nullptr);
}

TEST(quant_dequantisers_match_the_golden_values_bit_for_bit) {
    for (const Golden &g : kGolden) {
        const TypeTraits *t = type_traits(g.type);
        CHECK(t != nullptr && t->dequantize != nullptr);
        if (!t || !t->dequantize) continue;
        const uint32_t n_blocks = 4 * (t->elements < 32 ? 32 / t->elements : 1);
        const std::vector<uint8_t> raw = pseudo_random_bytes(g.seed, size_t(n_blocks) * t->bytes);
        for (size_t misalignment : {0, 1, 3}) {
            std::vector<uint8_t> placed(raw.size() + misalignment);
            std::memcpy(placed.data() + misalignment, raw.data(), raw.size());
            std::vector<float> out(size_t(n_blocks) * t->elements);
            t->dequantize(placed.data() + misalignment, out.size(), out.data());
            for (size_t i = 0; i < 6; i++) {
                uint32_t bits;
                std::memcpy(&bits, &out[i * out.size() / 6], 4);
                CHECK_EQ(bits, g.samples[i]);
            }
            if (fnv1a(out) != g.hash)
                check::report(__FILE__, __LINE__, std::string(t->name) + " differs from the golden hash");
        }
    }
    CHECK_EQ(types().size(), sizeof(kGolden) / sizeof(kGolden[0])); // every dequantiser is covered
}

TEST(quant_half_conversion_is_exact_for_every_value) {
    for (uint32_t h = 0; h < 0x10000; h++) {
        const float f = quant::half_to_float(uint16_t(h));
        const uint32_t exponent = (h >> 10) & 31, mantissa = h & 1023;
        if (exponent == 31) {
            CHECK(mantissa ? std::isnan(f) : std::isinf(f));
        } else {
            const double value =
                exponent ? std::ldexp(1024.0 + mantissa, int(exponent) - 25) : std::ldexp(mantissa, -24);
            CHECK_EQ(double(f), h & 0x8000 ? -value : value);
        }
        CHECK_EQ(std::signbit(f), (h & 0x8000) != 0);
    }
}

TEST(quant_activations_round_to_the_nearest_step) {
    std::mt19937 rng(5);
    for (const MatmulKernels *kernels : kernel_sets()) {
        for (ActFormat format : {ActFormat::Q8, ActFormat::Q8_K}) {
            const int64_t n_in = 256 * 5, block = format == ActFormat::Q8 ? 32 : 256,
                          per_sum = format == ActFormat::Q8 ? 32 : 16;
            const Rows rows(*kernels, format, random_floats(size_t(n_in), rng), n_in);
            for (int64_t b = 0; b < n_in / block; b++) {
                float most = 0;
                for (int64_t i = 0; i < block; i++) most = std::fmax(most, std::fabs(rows.f32[size_t(b * block + i)]));
                const float d = rows.x.d[b];
                CHECK_EQ(d, most / 127.f);
                for (int64_t i = b * block; i < (b + 1) * block; i++)
                    CHECK(std::fabs(rows.f32[size_t(i)] - double(d) * rows.x.q[i]) <= double(d) * 0.50002);
            }
            for (int64_t s = 0; s < n_in / per_sum; s++) {
                int32_t sum = 0;
                for (int64_t i = 0; i < per_sum; i++) sum += rows.x.q[s * per_sum + i];
                CHECK_EQ(rows.x.sums[s], sum);
            }
        }
    }
}

TEST(quant_activations_are_the_same_on_every_instruction_set) {
    std::mt19937 rng(6);
    const int64_t n_in = 256 * 19;
    std::vector<float> values = random_floats(size_t(n_in), rng);
    for (int64_t i = 0; i < 256; i++) values[size_t(i)] = float(i % 128); // exact halves below: 63.5 steps and the like
    for (int64_t i = 256; i < 512; i++) values[size_t(i)] = float(i % 255) - 127.f;
    for (ActFormat format : {ActFormat::Q8, ActFormat::Q8_K}) {
        const Rows first(matmul_portable, format, values, n_in);
        for (const MatmulKernels *kernels : kernel_sets()) {
            const Rows other(*kernels, format, values, n_in);
            CHECK(first.d == other.d);
            CHECK(first.sums == other.sums);
            CHECK(std::memcmp(first.x.q, other.x.q, size_t(n_in)) == 0);
        }
    }
}

TEST(quant_activations_of_any_value_keep_the_integers_in_range) {
    const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    const float extremes[] = {0.f, -0.f, 1e-45f, -1e-45f, 1e-38f, 1.4e-36f, 3.4e38f, -3.4e38f, inf, -inf, nan, 1.f};
    for (const MatmulKernels *kernels : kernel_sets()) {
        for (ActFormat format : {ActFormat::Q8, ActFormat::Q8_K}) {
            for (float a : extremes) {
                for (float b : extremes) {
                    std::vector<float> values(256, a);
                    for (size_t i = 0; i < values.size(); i += 3) values[i] = b;
                    const Rows rows(*kernels, format, values, 256);
                    for (int i = 0; i < 256; i++) CHECK(rows.x.q[i] >= -127);
                    if (std::isfinite(a) && std::isfinite(b))
                        for (float d : rows.d) CHECK(std::isfinite(d) && d >= 0);
                }
            }
            const Rows zeros(*kernels, format, std::vector<float>(256, 0.f), 256);
            for (float d : zeros.d) CHECK_EQ(d, 0.f);
            for (int i = 0; i < 256; i++) CHECK_EQ(int(zeros.x.q[i]), 0);
            for (int32_t s : zeros.sums) CHECK_EQ(s, 0);
            const Rows huge(*kernels, format, std::vector<float>(256, 3.4e38f), 256);
            for (int i = 0; i < 256; i++) CHECK_EQ(int(huge.x.q[i]), 127);
        }
    }
}
