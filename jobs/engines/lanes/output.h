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
    compute<PARTS<T>>(w, h, inputs, row, stride, rows);
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
  // Has the number of parts as a constant of the compiler.
  template <int N, class H>
  void compute(const V* w, const H* h, long inputs, long row, long stride, long rows) {
    if constexpr (N > 1)
      if (inputs < N) return compute<N - 1>(w, h, inputs, row, stride, rows);
    for (long n = 0; n < rows; n++, h += row) {
      V part[N];
#pragma GCC unroll 16
      for (int i = 0; i < N; i++) part[i] = vector_of(h[i * stride]) * w[i];
      for (long first = N; first < inputs; first += N)
#pragma GCC unroll 16
        for (int i = 0; i < N && first + i < inputs; i++)
          part[i] = fma(vector_of(h[(first + i) * stride]), w[first + i], part[i]);
      outputs_[n] = sum_of_parts<T, N>(part) + w[inputs];
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
  Output(long inputs, long rows) : outputs_(size_t((rows + W - 1) / W * W)) {
    for (long lane = 0; lane < W; lane++) numbers_[lane] = T(lane), all_[lane] = -1, last_[lane] = (inputs - 1) % W >= lane ? -1 : 0;
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
    V part[VECTORS][W];
    for (long c = 0; c < columns; c++, h += stride) {
      V(&sum)[W] = part[c % VECTORS];
      // The last column may have lanes without an input, which hold anything.
      const auto some = c + 1 < columns ? all_ : last_;
      if (c < VECTORS)
#pragma GCC unroll 16
        for (long i = 0; i < W; i++) sum[i] = some ? h[i] * w[c] : V{};
      else
#pragma GCC unroll 16
        for (long i = 0; i < W; i++) sum[i] = some ? fma(h[i], w[c], sum[i]) : sum[i];
    }
    for (long v = columns; v < VECTORS; v++) std::fill_n(part[v], W, V{});
    for (long half = VECTORS / 2; half; half /= 2)
      for (long v = 0; v < half; v++)
        for (long i = 0; i < W; i++) part[v][i] += part[v + half][i];
    return sums_of_lanes<T>(part[0]);
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
  typename Lanes<T>::I all_, last_;  // which lanes of a column of inputs, and of the last one, have an input
  V numbers_;                           // of the lanes
  V loss_[VECTORS], bias_[VECTORS];
};

}  // namespace lanes
