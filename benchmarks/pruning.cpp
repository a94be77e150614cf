// Counts candidates nearer than each truth, most of them decided by bounds.
//
// Plain C++17 that a compiler vectorises: the sums of absolute differences of bytes become one
// instruction for 16 to 64 pairs. benchmarks/bounds.py derives the bounds, benchmarks/pruning.py
// holds the shapes: N truths, K candidates, D floats of a vector, F features (a multiple of LANES).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr long LANES = 128;
constexpr float HALF = 0.70710677f;
constexpr float TINY = 1e-30f;  // as benchmarks.kernels: so roots have the same bits

enum Kind : long { L1, MODULUS, L2 };  // as benchmarks.pruning.KINDS

float root(float square) { return std::sqrt(square < TINY ? TINY : square); }

// What one number of two vectors adds to their distance; the imaginary part is H floats further on.
template <Kind kind>
float term(const float* a, const float* b, long H) {
    float real = a[0] - b[0];
    if (kind == L1) return std::fabs(real);
    if (kind == L2) return real * real;
    float imaginary = a[H] - b[H];
    return root(real * real + imaginary * imaginary);
}

template <Kind kind>
float finish(float sum) {
    return kind == L2 ? root(sum) : sum;
}

// The distance as the dense loops add it: in the order of dimensions.
template <Kind kind>
float exact(const float* a, const float* b, long D) {
    const long H = kind == MODULUS ? D / 2 : D;
    float sum = 0;
    for (long d = 0; d < H; d++) sum += term<kind>(a + d, b + d, H);
    return finish<kind>(sum);
}

// The same distance up to rounding, in an order that fills a vector unit.
template <Kind kind>
float rounded(const float* a, const float* b, long D) {
    constexpr long W = 16;
    const long H = kind == MODULUS ? D / 2 : D;
    float sums[W] = {};
    long d = 0;
    for (; d + W <= H; d += W)
        for (long w = 0; w < W; w++) sums[w] += term<kind>(a + d + w, b + d + w, H);
    float sum = 0;
    for (; d < H; d++) sum += term<kind>(a + d, b + d, H);
    for (long w = 0; w < W; w++) sum += sums[w];
    return finish<kind>(sum);
}

using Distance = float (*)(const float*, const float*, long);
constexpr Distance EXACT[] = {exact<L1>, exact<MODULUS>, exact<L2>};
constexpr Distance ROUNDED[] = {rounded<L1>, rounded<MODULUS>, rounded<L2>};

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
void score_pairs(const float* a, const float* b, float gamma, long K, long D, long kind,
                 float* scores) {
    for (long k = 0; k < K; k++) scores[k] = gamma - EXACT[kind](a + k * D, b + k * D, D);
}

// Adds to `above`, `equal` and `undecided`, (N,) each, for the truths of queries `rows`.
//
// A rough distance is a row of `products` (U, K), or where there are codes (F > 0) a sum over them.
// A candidate is farther than the truth where it and `low` are together above `far`, nearer where it
// and `high` are below `near`. What lies between is computed, and what is equal up to `margin`
// computed in the dense loops' order.
void count_block(const float* queries, const uint8_t* query_codes, const float* products,
                 const int64_t* rows, const float* truths, const float* margins, const float* near,
                 const float* far, const float* candidates, const uint8_t* codes, const float* low,
                 const float* high, float gamma, long N, long K, long D, long F, long kind,
                 int64_t* above, int64_t* equal, int64_t* undecided) {
    for (long n = 0; n < N; n++) {
        const float* query = queries + rows[n] * D;
        const uint8_t* mine = query_codes + rows[n] * F;
        const float distance = gamma - truths[n];
        for (long start = 0; start < K; start += LANES) {
            const long size = std::min(LANES, K - start);
            float sums[LANES];
            for (long j = 0; F && j < size; j++) {
                int sum = 0;
                for (long f = 0; f < F; f += LANES) sum += apart(mine + f, codes + (start + j) * F + f);
                sums[j] = static_cast<float>(sum);
            }
            const float* rough = F ? sums : products + rows[n] * K + start;
            const float *down = low + start, *up = high + start;
            int nearer = 0, farther = 0;
            for (long j = 0; j < size; j++) {
                nearer += rough[j] + up[j] < near[n];
                farther += rough[j] + down[j] > far[n];
            }
            above[n] += nearer;
            long open = size - nearer - farther;
            undecided[n] += open;
            for (long j = 0; open > 0; j++) {
                if (rough[j] + up[j] < near[n] || rough[j] + down[j] > far[n]) continue;
                open--;
                const float* candidate = candidates + (start + j) * D;
                float found = ROUNDED[kind](query, candidate, D);
                if (found > distance + margins[n]) continue;
                if (found < distance - margins[n]) {
                    above[n]++;
                    continue;
                }
                float score = gamma - EXACT[kind](query, candidate, D);
                above[n] += score > truths[n];
                equal[n] += score == truths[n];
            }
        }
    }
}

}
