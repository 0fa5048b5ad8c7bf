// The kernels of datasets/functions in C++, operation by operation those of the Python files beside it, which give the
// same bits and are used where this isn't built: it saves the time that numpy takes to load and store every intermediate
// result. Compiled without contraction to fused multiply-add, in which numpy's bits have no part either. The tables and
// polynomials come from Python.

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define KERNEL extern "C" __attribute__((visibility("default"), target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define KERNEL extern "C" __attribute__((visibility("default")))
#endif
#define INLINE static inline __attribute__((always_inline))

using Numbers = const double* __restrict;
using Results = double* __restrict;

INLINE int64_t bits(double x) {
    int64_t found;
    std::memcpy(&found, &x, 8);
    return found;
}

INLINE double number(int64_t found) {
    double x;
    std::memcpy(&x, &found, 8);
    return x;
}

INLINE int64_t shifted(int64_t x, int places) { return int64_t(uint64_t(x) << places); }

// numpy's minimum, which keeps NaN.
INLINE double smaller(double x, double y) { return x > y ? y : x; }

// high + more, and adds to low what rounding loses.
INLINE double sum(double high, double more, double& low) {
    const double total = high + more;
    low = low + (more - (total - high));
    return total;
}

extern "C" __attribute__((visibility("default"))) const char* kernels_source() { return KERNELS_SOURCE; }

// exponential.py: e**(x + low), where low may be null. Returns whether all x were within the limits; if not, the results
// are of no use.
template <bool has_low>
INLINE int exponentials(int64_t n, Numbers x, Numbers low, Results out, Numbers c, const int64_t* __restrict table,
                        Numbers tail) {
    const double per_step = c[0], step_high = c[1], step_low = c[2], c2 = c[3], c1 = c[4], c0 = c[5], rounder = c[6];
    const double least = c[7], most = c[8];
    int64_t fits = 1;
    for (int64_t i = 0; i < n; i++) {
        fits &= int64_t(x[i] >= least) & int64_t(x[i] <= most);
        const double steps = x[i] * per_step + rounder, k = steps - rounder;
        double r = (x[i] - k * step_high) - k * step_low;
        if (has_low) r = r + low[i];
        const int64_t j = bits(steps) & 255;
        const double more = r + (((c2 * r + c1) * r + c0) * (r * r) + tail[j]);
        const double power = number(shifted(bits(steps), 44) + table[j]);
        out[i] = power + power * more;
    }
    return int(fits);
}

KERNEL int kernels_exp(int64_t n, Numbers x, Numbers low, Results out, Numbers c, const int64_t* __restrict table,
                       Numbers tail) {
    return low ? exponentials<true>(n, x, low, out, c, table, tail)
               : exponentials<false>(n, x, low, out, c, table, tail);
}

// trigonometry.py: the sine of x and a number of steps.
KERNEL int kernels_sine(int64_t n, Numbers x, Results out, Numbers c, Numbers sine, Numbers sine_low, Numbers cosine,
                        Numbers cosine_low, int64_t shift) {
    const double per_step = c[0], first = c[1], second = c[2], third = c[3], fourth = c[4], s1 = c[5], s0 = c[6];
    const double c1 = c[7], c0 = c[8], rounder = c[9], unit = c[10], limit = c[11];
    int64_t fits = 1;
    for (int64_t i = 0; i < n; i++) {
        fits &= int64_t(x[i] >= -limit) & int64_t(x[i] <= limit);
        const double steps = x[i] * per_step + rounder, k = steps - rounder;
        const double a = x[i] - k * first, b = k * second, d = k * third;
        const double r = (a - b) - d, r_high = (r + unit) - unit, r_low = (((a - r_high) - b) - d) - k * fourth;
        const double square = r * r;
        const double more_sine = ((s1 * square + s0) * square) * r, less_cosine = (c1 * square + c0) * square;
        const int64_t j = (bits(steps) + shift) & 511;
        double more = sine[j] * less_cosine + sine_low[j];
        more = more + cosine_low[j] * r_high;
        more = more + (more_sine + r_low) * (cosine[j] + cosine_low[j]);
        const double found = (sine[j] + cosine[j] * r_high) + more;
        out[i] = shift == 0 && x[i] == 0 ? x[i] : found;
    }
    return int(fits);
}

struct Logarithm {
    Numbers factor, high, low, c;
};
constexpr int64_t first_cell = (1023LL << 52) - (150LL << 44) - (1LL << 43);

// logarithm.py: the logarithm in two parts.
template <bool in_units, bool accurate>
INLINE double logarithm(double x, const Logarithm& table, double& low) {
    Numbers c = table.c;
    const int64_t below = bits(x) - first_cell, j = (below >> 44) & 255, octave = below >> 52;
    const int64_t z = bits(x) - shifted(octave, 52);
    const double upper = number(z & shifted(-1, 22)), factor = table.factor[j];
    double r_high = upper * factor - 1.0, r_low = (number(z) - upper) * factor;
    const double r = r_high + r_low;
    double term = ((((c[0] * r + c[1]) * r + c[2]) * r + c[3]) * r + c[4]) * (r * r);
    if (accurate) term = term * r;
    double high = double(octave) * c[5] + table.high[j];
    low = table.low[j] + double(octave) * c[6];
    if (in_units) {
        term = term * (c[7] + c[8]) + r * c[8];
        r_high = r_high * c[7];
        r_low = r_low * c[7];
        high = sum(high, r_high, low);
    } else {
        high = high + r_high;
    }
    high = sum(high, r_low, low);
    low = low + term;
    if (accurate) {
        const double most = (r + c[9]) - c[9];
        low = low + (r + most) * ((r_high - most) + r_low) * -0.5;
        high = sum(high, most * most * -0.5, low);
    }
    return high;
}

template <bool in_units>
INLINE int logarithms(int64_t n, Numbers x, Results out, const Logarithm& table) {
    int64_t fits = 1;
    for (int64_t i = 0; i < n; i++) {
        double low;
        fits &= int64_t(x[i] >= 0x1p-1022) & int64_t(x[i] < INFINITY);
        const double high = logarithm<in_units, false>(x[i], table, low);
        out[i] = high + low;
    }
    return int(fits);
}

KERNEL int kernels_log(int64_t n, Numbers x, Results out, Numbers c, Numbers factor, Numbers high, Numbers low,
                       int64_t in_units) {
    const Logarithm table{factor, high, low, c};
    return in_units ? logarithms<true>(n, x, out, table) : logarithms<false>(n, x, out, table);
}

// powers.py: the natural logarithm in two parts, so accurate that it may be multiplied by a large exponent.
KERNEL int kernels_accurate_log(int64_t n, Numbers x, Results out, Results out_low, Numbers c, Numbers factor,
                                Numbers high, Numbers low) {
    const Logarithm table{factor, high, low, c};
    int64_t fits = 1;
    for (int64_t i = 0; i < n; i++) {
        fits &= int64_t(x[i] >= 0x1p-1022) & int64_t(x[i] < INFINITY);
        double rest;
        const double first = logarithm<false, true>(x[i], table, rest);
        out[i] = first + rest;
        out_low[i] = rest - ((first + rest) - first);
    }
    return int(fits);
}

// hyperbolic_tangent.py.
KERNEL int kernels_tanh(int64_t n, Numbers x, Results out, Numbers c, Numbers high, Numbers low) {
    const double c3 = c[0], c2 = c[1], c1 = c[2], c0 = c[3], rounder = c[4], largest = c[5];
    for (int64_t i = 0; i < n; i++) {
        const double size = smaller(std::fabs(x[i]), largest), steps = size + rounder;
        const int64_t place = bits(steps) & 511, j = place > 352 ? 352 : place;
        const double r = size - (steps - rounder), square = r * r;
        double more = (((c3 * square + c2) * square + c1) * square + c0) * square * r;
        const double tangent = r + more, product = high[j] * tangent;
        more = more - (high[j] + tangent) * product / (product + 1.0);
        more = more + low[j];
        const double total = sum(high[j], r, more);
        out[i] = std::copysign(total + more, x[i]);
    }
    return 1;
}

// inverse_tangent.py.
KERNEL int kernels_atan(int64_t n, Numbers x, Results out, Numbers c, Numbers center, Numbers high, Numbers low,
                         int64_t cells) {
    const double c2 = c[0], c1 = c[1], c0 = c[2], largest = c[3];
    for (int64_t i = 0; i < n; i++) {
        const double size = smaller(std::fabs(x[i]), largest);
        const int64_t cell = (bits(size) >> 47) - (((1023 - 6) << 5) - 1);
        const int64_t j = cell < 0 ? 0 : cell > cells - 1 ? cells - 1 : cell;
        const double quotient = (size - center[j]) / (size * center[j] + 1.0), square = quotient * quotient;
        const double more = ((c2 * square + c1) * square + c0) * square * quotient + low[j];
        out[i] = std::copysign((more + quotient) + high[j], x[i]);
    }
    return 1;
}
