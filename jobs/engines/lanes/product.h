// The kernel's hot loop: a product of matrices whose right factor and result are made of vectors.
//
//   out[r][c] = start[r][c] + sum over k of a[r][k] * b[k][c]
//
// All three products of a layer are this one: the forward pass (rows x units), the gradient of the weights (inputs x units,
// summed over the rows) and the gradient of the inputs (rows x inputs). Each element is one chain of fused multiply-adds in
// the order of k, so that its bits depend neither on the blocks nor on the tiles.
//
// Matrices of vectors are stored by columns. A block of sums stays in registers. The columns are divided into panels of up to
// WIDEST columns, so that the panel of b stays in the level 1 cache, or is read from level 2 once per block.
#pragma once

#include "activations.h"
#include "sums.h"

namespace lanes {

// Rows of a block, by its columns: as many as keep the processor's chains busy within its registers.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int HEIGHT[] = {0, 16, 8, 8};  // 32 registers
#else
constexpr int HEIGHT[] = {0, 12, 6, 4};  // 16 registers
#endif
constexpr int WIDEST = sizeof(HEIGHT) / sizeof(*HEIGHT) - 1;

// The left factor: a[r][k] is at first + r * row + k * step. After every `segment` steps, `jump` is added. The distance of
// rows is a constant of the compiler where ROW isn't 0, since a block has more rows than there are registers for addresses.
template <class A, long ROW>
struct Left {
  const A* first;
  long step, segment, jump = 0, row = ROW;

  Left from_row(long r) const { return {first + r * (ROW ? ROW : row), step, segment, jump, row}; }
};

// The right factor, the sums to start from (null for zero), which may be one row for all, and where the result goes.
// `stride` is the distance from column to column, `step` that from one k to the next.
template <class V>
struct Right {
  const V* first;
  long stride, step = 1;
};
template <class V>
struct Start {
  const V* first;
  long stride, row;
};
template <class V>
struct Result {
  V* first;
  long stride;
  bool rectified;  // whether ReLU is applied to it
};

// Computes a block of R rows and C columns.
template <class T, int R, int C, class A, long ROW, class V>
void block(Left<A, ROW> a, Right<V> b, long inner, Start<V> start, Result<V> out) {
  const long row = ROW ? ROW : a.row;
  V sum[R][C];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int c = 0; c < C; c++) sum[r][c] = start.first ? start.first[c * start.stride + r * start.row] : V{};
  const A* left = a.first;
  const V* right = b.first;
  for (; inner > 0; inner -= a.segment, left += a.jump) {
    const long count = std::min(inner, a.segment);
#pragma GCC unroll 2
    for (long k = 0; k < count; k++, right += b.step, left += a.step) {
      V rhs[C];
#pragma GCC unroll 4
      for (int c = 0; c < C; c++) rhs[c] = right[c * b.stride];
#pragma GCC unroll 16
      for (int r = 0; r < R; r++) {
        const V lhs = vector_of(left[r * row]);
#pragma GCC unroll 4
        for (int c = 0; c < C; c++) sum[r][c] = fma(lhs, rhs[c], sum[r][c]);
      }
    }
  }
  if (out.rectified)
#pragma GCC unroll 16
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
      for (int c = 0; c < C; c++) sum[r][c] = Relu::forward<T, V>(sum[r][c], nullptr);
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int c = 0; c < C; c++) out.first[c * out.stride + r] = sum[r][c];
}

// Computes a block of up to R rows, whose number is a constant of the compiler from here on.
template <class T, int R, int C, class A, long ROW, class V>
inline void block_of(long rows, Left<A, ROW> a, Right<V> b, long inner, Start<V> start, Result<V> out) {
  if (rows == R)
    block<T, R, C>(a, b, inner, start, out);
  else if constexpr (R > 1)
    block_of<T, R - 1, C>(rows, a, b, inner, start, out);
}

// Computes a panel of up to C columns, in blocks whose heights differ by one at most.
template <class T, int C, class A, long ROW, class V>
inline void panel(long columns, Left<A, ROW> a, Right<V> b, long rows, long inner, Start<V> start, Result<V> out) {
  if (columns == C) {
    const long blocks = (rows + HEIGHT[C] - 1) / HEIGHT[C];
    for (long i = 0, r = 0; i < blocks; i++) {
      const long height = (rows - r) / (blocks - i);
      const Start<V> from{start.first ? start.first + r * start.row : nullptr, start.stride, start.row};
      block_of<T, HEIGHT[C], C>(height, a.from_row(r), b, inner, from, Result<V>{out.first + r, out.stride, out.rectified});
      r += height;
    }
  } else if constexpr (C > 1) {
    panel<T, C - 1>(columns, a, b, rows, inner, start, out);
  }
}

// Computes start + a b.
template <class T, class A, long ROW, class V>
void product(Left<A, ROW> a, Right<V> b, long rows, long columns, long inner, Start<V> start, Result<V> out) {
  for (long c = 0; c < columns;) {
    // Panels of nearly equal width: a single column at the end would keep few chains busy.
    const long left = columns - c, width = left <= WIDEST ? left : left < 2 * WIDEST - 1 ? WIDEST - 1 : WIDEST;
    panel<T, WIDEST>(width, a, Right<V>{b.first + c * b.stride, b.stride, b.step}, rows, inner,
                     Start<V>{start.first ? start.first + c * start.stride : nullptr, start.stride, start.row},
                     Result<V>{out.first + c * out.stride, out.stride, out.rectified});
    c += width;
  }
}

}  // namespace lanes
