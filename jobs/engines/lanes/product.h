// The kernel's hot loop: a product of matrices whose elements are vectors.
//
//   out[r][c] = start[r][c] + sum over k of a[r][k] * b[k][c]
//
// All three products of a layer are this one with different strides: the forward pass (rows x units), the gradient of the
// weights (inputs x units, summed over the rows) and the gradient of the inputs (rows x inputs). Each element is one
// chain of fused multiply-adds in the order of k, so that its bits depend neither on the blocks nor on the tiles.
//
// A block of ROWS x COLUMNS sums stays in registers. The blocks of a band of rows are computed one after the other: their
// part of a stays in the level 1 cache, and b is read from level 2 once per band.
#pragma once

#include <type_traits>

#include "vector.h"

namespace lanes {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int ROWS = 6, COLUMNS = 4;  // 32 registers
#else
constexpr int ROWS = 5, COLUMNS = 2;  // 16 registers
#endif

// A view of a matrix: its first element, and the distance in elements from row to row and from column to column.
template <class E>
struct Matrix {
  E* first;
  long row_stride, column_stride;
  E* at(long r, long c) const { return first + r * row_stride + c * column_stride; }
};

// Adds the product of R rows of a and C columns of b to the sums of a block.
template <int R, int C, class A, class V>
inline __attribute__((always_inline)) void multiply(V (&sum)[R][C], const A* a, long a_row_stride, long a_column_stride, const V* b,
                                                    long b_row_stride, long b_column_stride, long count) {
#pragma GCC unroll 2
  for (long k = 0; k < count; k++) {
    V rhs[C];
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) rhs[c] = b[c * b_column_stride];
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      const V lhs = vector_of(a[r * a_row_stride]);
#pragma GCC unroll 8
      for (int c = 0; c < C; c++) sum[r][c] = fma(lhs, rhs[c], sum[r][c]);
    }
    a += a_column_stride;
    b += b_row_stride;
  }
}

template <int N>
using Int = std::integral_constant<int, N>;

// Calls block for the blocks of a band of R rows, narrower ones at its end.
template <int R, int C, class F>
inline __attribute__((always_inline)) void across(long r, long columns, F& block) {
  long c = 0;
  for (; c + C <= columns; c += C) block(Int<R>(), Int<C>(), r, c);
  if constexpr (C > 2)
    for (; c + C / 2 <= columns; c += C / 2) block(Int<R>(), Int<C / 2>(), r, c);
  for (; c < columns; c++) block(Int<R>(), Int<1>(), r, c);
}

// Calls `across` with the height of a band as a constant of the compiler.
template <int R, int C, class F>
inline __attribute__((always_inline)) void band(long height, long r, long columns, F& block) {
  if (height == R)
    across<R, C>(r, columns, block);
  else if constexpr (R > 1)
    band<R - 1, C>(height, r, columns, block);
}

// Calls block(height, width, r, c) for blocks that cover rows x columns, in bands of heights that differ by one at most.
template <int R, int C, class F>
inline __attribute__((always_inline)) void cover(long rows, long columns, F block) {
  const long bands = (rows + R - 1) / R;
  for (long i = 0, r = 0; i < bands; i++) {
    const long height = (rows - r) / (bands - i);
    band<R, C>(height, r, columns, block);
    r += height;
  }
}

// Computes start + a b and hands each element to finish. start(r, c) and finish(r, c, sum) are called once per element.
template <class A, class V, class Start, class Finish>
void product(Matrix<const A> a, Matrix<const V> b, long rows, long columns, long inner, Start start, Finish finish) {
  cover<ROWS, COLUMNS>(
      rows, columns, [&](auto height, auto width, long row, long column) __attribute__((always_inline)) {
        constexpr int R = decltype(height)::value, C = decltype(width)::value;
        V sum[R][C];
#pragma GCC unroll 8
        for (int r = 0; r < R; r++)
#pragma GCC unroll 8
          for (int c = 0; c < C; c++) sum[r][c] = start(row + r, column + c);
        multiply<R, C, A, V>(sum, a.at(row, 0), a.row_stride, a.column_stride, b.at(0, column), b.row_stride, b.column_stride, inner);
#pragma GCC unroll 8
        for (int r = 0; r < R; r++)
#pragma GCC unroll 8
          for (int c = 0; c < C; c++) finish(row + r, column + c, sum[r][c]);
      });
}

}  // namespace lanes
