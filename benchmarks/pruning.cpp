// Counts candidates nearer than each truth, most of them decided by a byte per feature.
//
// Plain C++17 that a compiler vectorises: the sums of absolute differences of bytes become one
// instruction for 16 to 64 pairs. benchmarks/pruning.py derives the bounds and holds the shapes:
// N truths, K candidates, D floats of a vector, F features (a multiple of LANES).

#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr long LANES = 128;
constexpr float HALF = 0.70710677f;
constexpr float TINY = 1e-30f;  // as benchmarks.kernels: so the modulus has the same bits

// What one number of two vectors adds to their distance; the imaginary part is H floats further on.
template <bool modulus>
float term(const float* a, const float* b, long H) {
    if (!modulus) return std::fabs(*a - *b);
    float real = a[0] - b[0], imaginary = a[H] - b[H], square = real * real + imaginary * imaginary;
    return std::sqrt(square < TINY ? TINY : square);
}

// The distance as the dense loops add it: in the order of dimensions.
template <bool modulus>
float exact(const float* a, const float* b, long D) {
    const long H = modulus ? D / 2 : D;
    float sum = 0;
    for (long d = 0; d < H; d++) sum += term<modulus>(a + d, b + d, H);
    return sum;
}

// The same distance up to rounding, in an order that fills a vector unit.
template <bool modulus>
float rounded(const float* a, const float* b, long D) {
    constexpr long W = 16;
    const long H = modulus ? D / 2 : D;
    float sums[W] = {};
    long d = 0;
    for (; d + W <= H; d += W)
        for (long w = 0; w < W; w++) sums[w] += term<modulus>(a + d + w, b + d + w, H);
    float sum = 0;
    for (; d < H; d++) sum += term<modulus>(a + d, b + d, H);
    for (long w = 0; w < W; w++) sum += sums[w];
    return sum;
}

// The sum of absolute differences of LANES bytes: so many that a fixed loop beats one for any number.
int apart(const uint8_t* a, const uint8_t* b) {
    int sum = 0;
    for (long j = 0; j < LANES; j++) sum += std::abs(a[j] - b[j]);
    return sum;
}

float code_of(float value, float offset, float step, uint8_t* code, float* size) {
    float scaled = (value - offset) / step + 128;
    float whole = std::nearbyint(std::fmin(std::fmax(scaled, 0.0f), 255.0f));
    *code = static_cast<uint8_t>(whole);
    *size += std::fabs(value) + std::fabs(offset);
    return std::fabs(value - (offset + (whole - 128) * step));
}

}  // namespace

extern "C" {

// Codes of vectors (K, D), (K, F), and by how much their distances may be off, in steps, (K,).
void encode(const float* vectors, const float* offsets, float step, long K, long D, long F,
            bool modulus, float rounding, uint8_t* codes, float* slack) {
    long H = D / 2;
    for (long k = 0; k < K; k++) {
        const float* x = vectors + k * D;
        uint8_t* code = codes + k * F;
        float off = 0, size = 0;
        for (long d = 0; d < D; d++) off += code_of(x[d], offsets[d], step, code + d, &size);
        if (modulus)
            for (long d = 0; d < H; d++) {
                off += code_of(HALF * (x[d] + x[d + H]), offsets[D + d], step, code + D + d, &size);
                off += code_of(HALF * (x[d] - x[d + H]), offsets[D + H + d], step,
                               code + D + H + d, &size);
            }
        for (long f = modulus ? 2 * D : D; f < F; f++) code[f] = 0;
        slack[k] = ((1 + rounding) * off + rounding * size) / step;
    }
}

// Scores of pairs of vectors (K, D), gamma - distance, (K,).
void score_pairs(const float* a, const float* b, float gamma, long K, long D, bool modulus,
                 float* scores) {
    const auto distance = modulus ? exact<true> : exact<false>;
    for (long k = 0; k < K; k++) scores[k] = gamma - distance(a + k * D, b + k * D, D);
}

// Adds to `above`, `equal` and `undecided`, (N,) each, for the truths of queries `rows`. A candidate is farther than the truth where
// its bytes' distance is above `far` for certain, nearer where it is below `near`; what lies between
// is computed, and what is equal up to `margin` computed in the dense loops' order.
void count_block(const float* queries, const uint8_t* query_codes, const int64_t* rows,
                 const float* truths, const float* margins, const float* near, const float* far,
                 const float* candidates, const uint8_t* codes, const float* slack, float gamma,
                 long N, long K, long D, long F, bool modulus, int64_t* above, int64_t* equal,
                 int64_t* undecided) {
    const auto near_enough = modulus ? rounded<true> : rounded<false>;
    const auto to_the_bit = modulus ? exact<true> : exact<false>;
    for (long n = 0; n < N; n++) {
        const float* query = queries + rows[n] * D;
        const uint8_t* mine = query_codes + rows[n] * F;
        float distance = gamma - truths[n];
        for (long k = 0; k < K; k++) {
            const uint8_t* code = codes + k * F;
            int sum = 0;
            for (long f = 0; f < F; f += LANES) sum += apart(mine + f, code + f);
            float steps = static_cast<float>(sum);
            if (steps - slack[k] > far[n]) continue;
            if (steps + slack[k] < near[n]) {
                above[n]++;
                continue;
            }
            undecided[n]++;
            float found = near_enough(query, candidates + k * D, D);
            if (found > distance + margins[n]) continue;
            if (found < distance - margins[n]) {
                above[n]++;
                continue;
            }
            float score = gamma - to_the_bit(query, candidates + k * D, D);
            above[n] += score > truths[n];
            equal[n] += score == truths[n];
        }
    }
}

}
