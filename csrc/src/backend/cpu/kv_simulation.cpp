// The KV rounding, exactly as specified for the released model.
#include "backend/cpu/kv_simulation.h"

#include <cmath>

namespace ds4 {
namespace {

// x rounded to a float with `mantissa` bits below the leading one and smallest exponent e_min, ties to even.
float round_to(float x, int mantissa, int e_min) {
    if (x == 0) return x;
    int e;
    std::frexp(x, &e); // |x| = m * 2^e, m in [0.5, 1)
    const int exponent = e - 1 < e_min ? e_min : e - 1;
    const float step = std::ldexp(1.0f, exponent - mantissa);
    return std::nearbyint(x / step) * step;
}

float clamp(float x, float limit) { return x > limit ? limit : x < -limit ? -limit : x; }

// Rounds n values that share one power-of-two scale.
void round_block(float *x, int64_t n, float floor, float limit, int mantissa, int e_min) {
    float top = floor;
    for (int64_t i = 0; i < n; i++) top = std::fmax(top, std::fabs(x[i]));
    const float scale = std::exp2(std::ceil(std::log2(top / limit)));
    for (int64_t i = 0; i < n; i++) x[i] = round_to(clamp(x[i] / scale, limit), mantissa, e_min) * scale;
}

} // namespace

void simulate_kv_row(float *x, int64_t n) noexcept {
    // E4M3: three mantissa bits, smallest normal 2^-6, largest 448.
    for (int64_t i = 0; i < n; i += 64) round_block(x + i, 64, 1e-4f, 448.0f, 3, -6);
}

void simulate_index_row(float *x, int64_t n) noexcept {
    for (int64_t stride = 1; stride < n; stride *= 2)
        for (int64_t i = 0; i < n; i += 2 * stride)
            for (int64_t k = i; k < i + stride; k++) {
                const float a = x[k], b = x[k + stride];
                x[k] = a + b;
                x[k + stride] = a - b;
            }
    const float norm = float(1.0 / std::sqrt(double(n)));
    for (int64_t i = 0; i < n; i++) x[i] *= norm;
    // E2M1: one mantissa bit, smallest normal 1, largest 6.
    for (int64_t i = 0; i < n; i += 32) round_block(x + i, 32, 6.0f * 0x1p-126f, 6.0f, 1, 0);
}

} // namespace ds4
