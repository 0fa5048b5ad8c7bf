// The order of sums: every sum of the kernel is added in one of three orders, which depend neither on the layout nor on the
// width of the vectors. So all of them give the same bits.
//
//   products           one chain of fused multiply-adds in the order of the index (product.h)
//   the output layer   its products with the last hidden layer, its bias gradient and the loss, which have one number
//                      per row: PARTS interleaved partial sums. Part j has the numbers j, j + PARTS, j + 2 PARTS, ...
//   sums over rows     the other gradients that are no matrix product, which have one number per unit: ROW_PARTS of them
//
// Partial sums are added by halves: part j and part j + half, until one is left.
#pragma once

#include <utility>

#include "vector.h"

namespace lanes {

template <class T>
constexpr int PARTS = 64 / sizeof(T);  // as many as AVX-512 has lanes
constexpr int ROW_PARTS = 2;           // one chain of additions would wait for the latency of each; four cost ByModel 10 %

template <int N>
using Int = std::integral_constant<int, N>;

// Some rows of a batch: where they begin in it, and whether they are its last ones.
struct Tile {
  long begin;
  bool last;
};

// A sum over the rows of a batch, which come in tiles of a multiple of ROW_PARTS rows. Between tiles it is kept in memory.
template <class V>
struct RowSum {
  const Tile tile;
  V part[ROW_PARTS]{};

  explicit RowSum(Tile tile) : tile(tile) {}

  void resume(const V* kept) {
    if (tile.begin == 0) return;
    for (int i = 0; i < ROW_PARTS; i++) part[i] = kept[i];
  }

  void finish(V* kept, V* sum) const {
    if (tile.last)
      *sum = part[0] + part[1];
    else
      for (int i = 0; i < ROW_PARTS; i++) kept[i] = part[i];
  }
};

// Calls add(n, part) for the rows of a tile, with the part as a constant of the compiler.
template <class F>
inline __attribute__((always_inline)) void each_row(long rows, F add) {
  static_assert(ROW_PARTS == 2);
  long n = 0;
  for (; n + 4 <= rows; n += 4) add(n, Int<0>()), add(n + 1, Int<1>()), add(n + 2, Int<0>()), add(n + 3, Int<1>());
  if (n < rows) add(n, Int<0>());
  if (n + 1 < rows) add(n + 1, Int<1>());
  if (n + 2 < rows) add(n + 2, Int<0>());
}

// Returns the sum of all parts. It changes them. Parts without a number are zero, and may be left out: all that they can
// change is a sum of -0, which the zero that is added at the end makes +0 in any case.
template <class T, int HALF = PARTS<T> / 2, class V = typename Lanes<T>::V>
inline __attribute__((always_inline)) V sum_of_parts(V* part) {
  if constexpr (HALF == 0) {
    return part[0] + V{};
  } else {
#pragma GCC unroll 8
    for (int j = 0; j < HALF; j++) part[j] += part[j + HALF];
    return sum_of_parts<T, HALF / 2>(part);
  }
}

// The lanes of two vectors in segments of 2 HALF lanes: the first or the second half of each segment.
template <int HALF, bool SECOND, class V, int... J>
inline V halves(V a, V b, std::integer_sequence<int, J...>) {
  return Index<(J / HALF * 2 * HALF + J % HALF + (SECOND ? HALF : 0))...>::shuffle(a, b);
}

// Returns the sums of the lanes of N vectors, each added by halves: that of vector i in lane i, and in the lanes i + N,
// i + 2 N ... It changes the vectors.
template <class T, int N = Lanes<T>::count, int HALF = Lanes<T>::count / 2, class V = typename Lanes<T>::V>
inline __attribute__((always_inline)) V sums_of_lanes(V* v) {
  if constexpr (HALF == 0) {
    return v[0] + V{};  // see sum_of_parts
  } else {
    using Sequence = std::make_integer_sequence<int, Lanes<T>::count>;
    constexpr int PAIRS = (N + 1) / 2;
#pragma GCC unroll 8
    for (int i = 0; i < PAIRS; i++) {
      const V first = v[2 * i], second = v[N > 1 ? 2 * i + 1 : 0];
      v[i] = halves<HALF, false>(first, second, Sequence()) + halves<HALF, true>(first, second, Sequence());
    }
    return sums_of_lanes<T, PAIRS, HALF / 2>(v);
  }
}

// Exchanges the off-diagonal quarters of all blocks of 2 HALF x 2 HALF numbers, for HALF from half the lanes down to 1: this
// transposes the matrix whose rows are the vectors.
template <int HALF, bool SECOND, class V, int... J>
inline V exchanged(V a, V b, std::integer_sequence<int, J...>) {
  constexpr int W = sizeof...(J);
  return Index<(J & HALF ? W + J - (SECOND ? 0 : HALF) : J + (SECOND ? HALF : 0))...>::shuffle(a, b);
}
template <class T, int HALF = Lanes<T>::count / 2, class V = typename Lanes<T>::V>
inline __attribute__((always_inline)) void transpose(V* v) {
  if constexpr (HALF > 0) {
    using Sequence = std::make_integer_sequence<int, Lanes<T>::count>;
#pragma GCC unroll 16
    for (int i = 0; i < Lanes<T>::count; i++) {
      if (i & HALF) continue;
      const V first = exchanged<HALF, false>(v[i], v[i + HALF], Sequence());
      v[i + HALF] = exchanged<HALF, true>(v[i], v[i + HALF], Sequence());
      v[i] = first;
    }
    transpose<T, HALF / 2>(v);
  }
}

}  // namespace lanes
