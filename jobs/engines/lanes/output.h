// The last layer of a network, which has one output: its predictions, the derivative of their loss, and the sums over the rows
// of the loss and of its derivative.
//
// ByModel has a vector per row, with a lane per model. ByUnit has a number per row: vectors hold the rows of a single model.
#pragma once

#include <algorithm>
#include <vector>

#include "losses.h"
#include "sums.h"

namespace lanes {

template <class T>
struct ByModel {
  using Lhs = typename Lanes<T>::V;  // left factor of the products, and output of a row
  static constexpr bool BY_UNIT = false;
  static constexpr long models = Lanes<T>::count;
  static long columns(long units) { return units; }
};

template <class T>
struct ByUnit {
  using Lhs = T;
  static constexpr bool BY_UNIT = true;
  static constexpr long models = 1;
  static long columns(long units) { return (units + Lanes<T>::count - 1) / Lanes<T>::count; }
};

// Weights `w` are those of all inputs, as vectors, then the bias; h has the inputs of each row.
template <class T, class Layout>
class Output;

template <class T>
class Output<T, ByModel<T>> {
  using V = typename Lanes<T>::V;

 public:
  Output(long, long rows) : outputs_(size_t(rows)) {}

  // Writes the pre-activations of a tile. The inputs are vectors, or numbers that all models share; those of row n are at
  // h + n * row, `stride` from one to the next.
  template <class H>
  void compute(const V* w, const H* h, long inputs, long row, long stride, long rows) {
    long n = 0;
    for (; n + ROWS <= rows; n += ROWS) compute<ROWS>(w, Inputs<H>{h + n * row, inputs, row, stride}, outputs_.data() + n);
    for (; n < rows; n++) compute<1>(w, Inputs<H>{h + n * row, inputs, row, stride}, outputs_.data() + n);
  }

  // Replaces the pre-activations by predictions.
  template <class Kind>
  void activate(long rows) {
    for (long n = 0; n < rows; n++) outputs_[n] = Kind::template forward<T, V>(outputs_[n], nullptr);
  }

  // Replaces the pre-activations by the derivative of the loss (losses.h). y may be read up to the end of a vector.
  template <class Kind, class Loss>
  void derive(const T* y, long rows, T scale, Tile tile) {
    if (tile.begin == 0) std::fill_n(loss_, PARTS<T>, V{}), std::fill_n(bias_, PARTS<T>, V{});
    for (long n = 0; n < rows; n++) {
      V &loss = loss_[(tile.begin + n) % PARTS<T>], &bias = bias_[(tile.begin + n) % PARTS<T>];
      outputs_[n] = derivative<Kind, Loss, T>(outputs_[n], broadcast<T>(y[n]), broadcast<T>(scale), &loss);
      bias += outputs_[n];
    }
  }

  // Returns the sum of the loss over the rows and the gradient of the bias, after the last tile of a batch.
  std::pair<V, V> sums() { return {sum_of_parts<T>(loss_), sum_of_parts<T>(bias_)}; }

  const V* outputs() const { return outputs_.data(); }
  T output(long row, int64_t lane) const { return outputs_[row][lane]; }

 private:
  static constexpr int ROWS = 4;  // rows that share the load of a weight, whose sums fit the registers

  // The inputs of some rows.
  template <class H>
  struct Inputs {
    const H* first;
    long count, row, stride;
  };

  template <int R, class H>
  void compute(const V* w, const Inputs<H>& h, V* out) {
    V sum[R];
    add_parts<R, 0, 1>(w, h, sum);
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) out[r] = sum[r] + V{} + w[h.count];  // see sum_of_parts
  }

  // Writes the sum of the parts FIRST, FIRST + STEP, ... of the products, added by halves (sums.h).
  template <int R, int FIRST, int STEP, class H>
  inline __attribute__((always_inline)) void add_parts(const V* w, const Inputs<H>& h, V* sum) {
    if constexpr (STEP == PARTS<T>) {
      const H* at = h.first + FIRST * h.stride;
#pragma GCC unroll 4
      for (int r = 0; r < R; r++) sum[r] = vector_of(at[r * h.row]) * w[FIRST];
      for (long i = FIRST + STEP; i < h.count; i += STEP) {
        at += STEP * h.stride;
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) sum[r] = fma(vector_of(at[r * h.row]), w[i], sum[r]);
      }
    } else {
      add_parts<R, FIRST, 2 * STEP>(w, h, sum);
      if (FIRST + STEP >= h.count) return;
      V other[R];
      add_parts<R, FIRST + STEP, 2 * STEP>(w, h, other);
#pragma GCC unroll 4
      for (int r = 0; r < R; r++) sum[r] += other[r];
    }
  }

  std::vector<V> outputs_;
  V loss_[PARTS<T>], bias_[PARTS<T>];
};

template <class T>
class Output<T, ByUnit<T>> {
  using V = typename Lanes<T>::V;
  static constexpr long W = Lanes<T>::count, VECTORS = PARTS<T> / W;  // vectors that hold the parts of a sum

 public:
  Output(long inputs, long rows) : outputs_(size_t((rows + W - 1) / W * W)), is_whole_(inputs % W == 0) {
    for (long lane = 0; lane < W; lane++) numbers_[lane] = T(lane), last_[lane] = (inputs - 1) % W >= lane ? -1 : 0;
  }

  void compute(const V* w, const V* h, long inputs, long, long stride, long rows) {
    const long columns = ByUnit<T>::columns(inputs);
    const V bias = broadcast<T>(w[columns][0]);
    for (long n = 0; n < rows; n += W) store(outputs_.data() + n, products(w, h + n, stride, columns) + bias);
  }

  template <class Kind>
  void activate(long rows) {
    for (T* h = outputs_.data(); h < outputs_.data() + rows; h += W)
      store(h, Kind::template forward<T, V>(lanes::load<V>(h), nullptr));
  }

  template <class Kind, class Loss>
  void derive(const T* y, long rows, T scale, Tile tile) {
    if (tile.begin == 0) std::fill_n(loss_, VECTORS, V{}), std::fill_n(bias_, VECTORS, V{});
    long n = 0;
    for (; n + W <= rows; n += W) derive<Kind, Loss, false>(n, y, scale, W);
    if (n < rows) derive<Kind, Loss, true>(n, y, scale, rows - n);
  }

  // All lanes have the sum of the loss; the first one has the gradient of the bias.
  std::pair<V, V> sums() const {
    V sums[] = {folded(loss_), folded(bias_)};
    const V both = sums_of_lanes<T, 2>(sums);
    return {broadcast<T>(both[0]), broadcast<T>(both[1])};
  }

  const T* outputs() const { return outputs_.data(); }
  T output(long row, int64_t) const { return outputs_[row]; }

 private:
  // Returns the products of the weights with W rows, one per lane.
  V products(const V* w, const V* h, long stride, long columns) const {
    V sum[W];
    add_parts<1>(0, w, h, stride, columns, sum);
    return sums_of_lanes<T>(sum);
  }

  // Writes the sums of the columns `first`, first + STEP, ..., for W rows: their parts, added by halves (sums.h).
  template <long STEP>
  void add_parts(long first, const V* w, const V* h, long stride, long columns, V* sum) const {
    if constexpr (STEP == VECTORS) {
      std::fill_n(sum, W, V{});
      long c = first;
      if (c < columns) add<true>(w[c], h + c * stride, c + 1 == columns, sum);
      for (c += STEP; c < columns; c += STEP) add<false>(w[c], h + c * stride, c + 1 == columns, sum);
    } else {
      V other[W];
      add_parts<2 * STEP>(first, w, h, stride, columns, sum);
      add_parts<2 * STEP>(first + STEP, w, h, stride, columns, other);
#pragma GCC unroll 16
      for (long i = 0; i < W; i++) sum[i] += other[i];
    }
  }

  // Adds the products of one column to the sums, or begins them. The last column may have lanes without an input, which hold
  // anything.
  template <bool BEGINS>
  void add(V w, const V* h, bool is_last, V* sum) const {
    if (is_last && !is_whole_)
#pragma GCC unroll 16
      for (long i = 0; i < W; i++) sum[i] = last_ ? (BEGINS ? h[i] * w : fma(h[i], w, sum[i])) : sum[i];
    else
#pragma GCC unroll 16
      for (long i = 0; i < W; i++) sum[i] = BEGINS ? h[i] * w : fma(h[i], w, sum[i]);
  }

  // One vector of rows; the last one of a tile may have fewer.
  template <class Kind, class Loss, bool IS_PART>
  void derive(long n, const T* y, T scale, long rows) {
    V &loss = loss_[n / W % VECTORS], &bias = bias_[n / W % VECTORS], new_loss = loss;
    const V z = lanes::load<V>(outputs_.data() + n), target = lanes::load<V>(y + n);
    const V d = derivative<Kind, Loss, T>(z, target, broadcast<T>(scale), &new_loss);
    const V new_bias = bias + d;
    store(outputs_.data() + n, d);
    if constexpr (IS_PART) {
      const V some = broadcast<T>(T(rows));
      loss = numbers_ < some ? new_loss : loss;
      bias = numbers_ < some ? new_bias : bias;
    } else {
      loss = new_loss;
      bias = new_bias;
    }
  }

  // Adds the vectors that hold the parts of a sum by halves.
  static V folded(const V* part) {
    V sum[VECTORS];
    std::copy_n(part, VECTORS, sum);
#pragma GCC unroll 4
    for (long half = VECTORS / 2; half; half /= 2)
      for (long i = 0; i < half; i++) sum[i] += sum[i + half];
    return sum[0];
  }

  std::vector<T> outputs_;
  const bool is_whole_;                 // whether all lanes of the last column of inputs have an input
  typename Lanes<T>::I last_;           // which of them do
  V numbers_;                           // of the lanes
  V loss_[VECTORS], bias_[VECTORS];
};

}  // namespace lanes
