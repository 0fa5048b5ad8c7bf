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

#include <algorithm>

#include "activations.h"
#include "sums.h"

namespace lanes {

// Rows of a block, by its columns: as many as keep the processor's chains busy within its registers.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int HEIGHT[] = {0, 16, 14, 8};  // 32 registers
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
};

// What is done with a sum while it is still in a register.
enum class Finish {
  NONE,
  RELU,
  RELU_DERIVATIVE,  // the result has activations, and is overwritten by the derivative with respect to their pre-activations
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
  Finish finish;
};

// A product, or what is left of it.
template <class A, long ROW, class V>
struct Factors {
  Left<A, ROW> a;
  Right<V> b;
  long rows, columns, inner;
  Start<V> start;
  Result<V> out;
};
template <class A, long ROW, class V>
Factors(Left<A, ROW>, Right<V>, long, long, long, Start<V>, Result<V>) -> Factors<A, ROW, V>;

// Computes the R rows from `first` on of a panel of C columns. The factors come by reference: compilers copy structures of
// this size through memory, which takes as long as some rows.
template <class T, int R, int C, class A, long ROW, class V>
void block(const Factors<A, ROW, V>& of, long first) {
  const long row = ROW ? ROW : of.a.row;
  V sum[R][C];
  const V* start = of.start.first + first * of.start.row;
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int c = 0; c < C; c++) sum[r][c] = of.start.first ? start[c * of.start.stride + r * of.start.row] : V{};
  const A* left = of.a.first + first * row;
  const V* right = of.b.first;
  for (long k = 0; k < of.inner; left += of.a.jump) {
    const long end = std::min(of.inner, k + of.a.segment);
#pragma GCC unroll 2
    for (; k < end; k++, right += of.b.step, left += of.a.step) {
      V rhs[C];
#pragma GCC unroll 4
      for (int c = 0; c < C; c++) rhs[c] = right[c * of.b.stride];
#pragma GCC unroll 16
      for (int r = 0; r < R; r++) {
        const V lhs = vector_of(left[r * row]);
#pragma GCC unroll 4
        for (int c = 0; c < C; c++) sum[r][c] = fma(lhs, rhs[c], sum[r][c]);
      }
    }
  }
  V* out = of.out.first + first;
  const auto write = [&](auto finish) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
      for (int c = 0; c < C; c++) {
        V& to = out[c * of.out.stride + r];
        to = finish(to, sum[r][c]);
      }
  };
  switch (of.out.finish) {
    case Finish::NONE:
      return write([](const V&, V z) { return z; });
    case Finish::RELU:
      return write([](const V&, V z) { return Relu::forward<T, V>(z, nullptr); });
    case Finish::RELU_DERIVATIVE:
      return write([](const V& h, V d) { return Relu::backward<T, V>(h, nullptr, d); });
  }
}

// Computes a block of up to R rows, whose number is a constant of the compiler from here on.
template <class T, int R, int C, class A, long ROW, class V>
inline void block_of(long rows, const Factors<A, ROW, V>& of, long first) {
  if (rows == R)
    block<T, R, C>(of, first);
  else if constexpr (R > 1)
    block_of<T, R - 1, C>(rows, of, first);
}

// Computes a panel of up to C columns, in blocks whose heights differ by one at most.
template <class T, int C, class A, long ROW, class V>
inline void panel(const Factors<A, ROW, V>& of) {
  if (of.columns == C) {
    constexpr int R = HEIGHT[C];
    const long blocks = (of.rows + R - 1) / R;
    for (long i = 0, r = 0; i < blocks; i++) {
      const long height = (of.rows - r) / (blocks - i);
      block_of<T, R, C>(height, of, r);
      r += height;
    }
  } else if constexpr (C > 1) {
    panel<T, C - 1>(of);
  }
}

// Computes start + a b. It advances the factors.
template <class T, class A, long ROW, class V>
void product(Factors<A, ROW, V>&& of) {
  for (long left = of.columns; left > 0; left -= of.columns) {
    // Panels of nearly equal width: a single column at the end would keep few chains busy.
    of.columns = left <= WIDEST ? left : left < 2 * WIDEST - 1 ? WIDEST - 1 : WIDEST;
    panel<T, WIDEST>(of);
    of.b.first += of.columns * of.b.stride;
    of.out.first += of.columns * of.out.stride;
    if (of.start.first) of.start.first += of.columns * of.start.stride;
  }
}

}  // namespace lanes
