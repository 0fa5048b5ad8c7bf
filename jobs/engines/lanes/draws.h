// The random numbers that initial parameters are made of, and the knots of spread_knots: as draws.py and initialize.py, to the
// bit. It has neither includes nor arrays, since kernels of the GPU engine are compiled with it too.
//
// The arithmetic is + - * / in double in a fixed order, and no sum is contracted to fused multiply-add.
#ifndef SUMSQUARES_DRAWS
#define SUMSQUARES_DRAWS

#ifndef DRAWS_INLINE
#define DRAWS_INLINE inline
#define DRAWS_LOOP  // before a loop that is better not unrolled
#endif

namespace draws {

constexpr unsigned WEIGHTS = 1, BIASES = 2, PURPOSES = 16;  // the purpose of a draw is one of the first two + PURPOSES * layer

// Ten rounds of Philox 4x32 (see draws.py) on COUNT counters at once, whose words are c[word][counter].
template <int COUNT>
DRAWS_INLINE void philox(unsigned (&c)[4][COUNT], unsigned long long seed) {
  unsigned k0 = unsigned(seed), k1 = unsigned(seed >> 32);
  for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
    for (int i = 0; i < COUNT; i++) {
      const unsigned long long first = 0xD2511F53ull * c[0][i], second = 0xCD9E8D57ull * c[2][i];
      c[0][i] = unsigned(second >> 32) ^ c[1][i] ^ k0;
      c[1][i] = unsigned(second);
      c[2][i] = unsigned(first >> 32) ^ c[3][i] ^ k1;
      c[3][i] = unsigned(first);
    }
}

// A word as a number in (-1, 1); all of this is exact.
DRAWS_INLINE double uniform(unsigned word) { return (double(word) + 0.5) * (1.0 / 2147483648.0) - 1.0; }

// Writes the draws 4 * first to before 4 * (first + COUNT) of a seed and a purpose.
template <int COUNT>
DRAWS_INLINE void draw(unsigned long long seed, unsigned purpose, unsigned first, double* numbers) {
  unsigned c[4][COUNT];
  for (int i = 0; i < COUNT; i++) c[0][i] = first + unsigned(i), c[1][i] = 0, c[2][i] = 0, c[3][i] = purpose;
  philox<COUNT>(c, seed);
  for (int i = 0; i < COUNT; i++)
    for (int k = 0; k < 4; k++) numbers[4 * i + k] = uniform(c[k][i]);
}

// term(0) + term(1) + ...
template <class Term>
DRAWS_INLINE double sum_in_order(const Term& term, long long count) {
  double sum = 0;
  DRAWS_LOOP for (long long i = 0; i < count; i++) sum += term(i);
  return sum;
}

// The sum of at most 128 terms from `begin` on, in eight parts.
template <class Term>
DRAWS_INLINE double sum_in_parts(const Term& term, long long begin, long long count) {
  if (count < 8) return sum_in_order([&](long long i) { return term(begin + i); }, count);
  double r[8];
  for (int k = 0; k < 8; k++) r[k] = term(begin + k);
  long long i = 8;
  DRAWS_LOOP for (; i + 8 <= count; i += 8)
    for (int k = 0; k < 8; k++) r[k] += term(begin + i + k);
  double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  DRAWS_LOOP for (; i < count; i++) sum += term(begin + i);
  return sum;
}

// The sum in the order in which numpy adds numbers that lie side by side: by halves, down to parts of at most 128.
template <class Term>
DRAWS_INLINE double sum_by_halves(const Term& term, long long count) {
  struct {
    long long rest;  // terms of the second half
    double first;    // sum of the first half, once `has_first`
    bool has_first;
  } halves[40];  // enough for 2^40 terms
  int depth = 0;
  DRAWS_LOOP for (long long begin = 0;;) {
    DRAWS_LOOP for (; count > 128; depth++) {
      const long long half = count / 2 - count / 2 % 8;
      halves[depth].rest = count - half;
      halves[depth].has_first = false;
      count = half;
    }
    double sum = sum_in_parts(term, begin, count);
    begin += count;
    DRAWS_LOOP for (; depth && halves[depth - 1].has_first; depth--) sum = halves[depth - 1].first + sum;
    if (!depth) return sum;
    halves[depth - 1].first = sum;
    halves[depth - 1].has_first = true;
    count = halves[depth - 1].rest;
  }
}

// How a unit of the first layer lies in the range of the inputs.
struct Knot {
  double rise;  // the factor of its weights
  double bias;
};

// The knot of a unit with these weights, at a share of the way along its direction, from the smallest to the largest projection
// of the inputs. IS_ALONE says whether it is the layer's only unit: numpy then adds in another order.
template <bool IS_ALONE, class Weight>
DRAWS_INLINE Knot knot(const Weight& weight, const double* low, const double* high, long long inputs, double rise, double share) {
  const auto smaller = [&](long long i) {
    const double a = weight(i) * low[i], b = weight(i) * high[i];
    return a < b ? a : b;
  };
  const auto larger = [&](long long i) {
    const double a = weight(i) * low[i], b = weight(i) * high[i];
    return a > b ? a : b;
  };
  double from, to;
  if constexpr (IS_ALONE) {
    from = sum_by_halves(smaller, inputs);
    to = sum_by_halves(larger, inputs);
  } else {
    from = sum_in_order(smaller, inputs);
    to = sum_in_order(larger, inputs);
  }
  const double factor = rise / (to > from ? to - from : 1.0);  // inputs that are constant have no range to spread over
  return {factor, -factor * (from + (to - from) * share)};
}

}  // namespace draws

#endif
