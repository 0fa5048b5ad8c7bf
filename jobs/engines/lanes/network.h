// Predictions, and the gradient of the loss, of one vector of models: in one of two layouts, which give the same bits.
//
// ByModel: a lane is a model. As many models as a vector has lanes, any width of their layers; nothing is shared.
// ByUnit: a lane is a unit of one model. For the models that would leave lanes empty, and where layers are so wide that a
// vector of whole models would not stay in the cache.
//
// Both are the same products over the same chains (product.h): the left factor is a vector in ByModel, and one number for all
// lanes in ByUnit, where a layer's units fill whole vectors, the last one with units that nobody reads.
//
// Memory, in vectors: parameters and gradient, layer by layer, weights [I][O] and then bias [O], which is the weight of one
// more input that is always 1; values [rows][units and that 1] of each layer: its activations on the way forward, and in
// their place the loss's derivative by its sums on the way back. Rows come in tiles that fit the cache.
#pragma once

#include <algorithm>
#include <vector>

#include "activations.h"
#include "product.h"

namespace lanes {

struct Layer {
  long inputs, outputs;
  long columns;  // vectors that hold the outputs of a row
  long start;    // of its weights among the parameters, in vectors
};

template <class T>
struct ByModel {
  using Lhs = typename Lanes<T>::V;
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

template <class Layout>
struct Shape {
  std::vector<Layer> layers;
  Activation activation;
  long vectors = 0;  // of all parameters

  Shape(long inputs, long depth, const int64_t* hidden, Activation activation) : activation(activation) {
    for (long l = 0; l <= depth; l++) {
      const long outputs = l < depth ? hidden[l] : 1, columns = Layout::columns(outputs);
      layers.push_back({inputs, outputs, columns, vectors});
      vectors += (inputs + 1) * columns;
      inputs = outputs;
    }
  }
};

// Of the values of a tile: a few rows of vectors of whole models, so that they stay in the level 1 cache; all rows of usual
// batches where a lane is a unit, since all weights pass by once per tile.
constexpr long TILE_BYTES[] = {32 << 10, 256 << 10};

template <class T, class Layout>
class Network {
  using V = typename Lanes<T>::V;
  using Lhs = typename Layout::Lhs;
  static constexpr long LHS_PER_VECTOR = long(sizeof(V) / sizeof(Lhs));  // left factors in a vector

 public:
  // `trains`: whether gradients are needed. With wide layers most of the memory is theirs.
  Network(const Shape<Layout>& shape, long most_rows, bool trains) : shape_(shape), last_(shape.layers.size() - 1) {
    const bool keeps = keeps_slope(shape.activation);
    long row = 0;
    for (const Layer& layer : shape.layers) row += layer.columns * (keeps ? 2 : 1) * long(sizeof(V));
    const long tiles = std::max(1l, most_rows / std::max(2l * ROWS, TILE_BYTES[Layout::BY_UNIT] / row));
    tile_ = std::min(most_rows, (most_rows / tiles + ROWS - 1) / ROWS * ROWS);
    for (const Layer& layer : shape.layers) {
      // Odd: rows of 64 vectors would all begin at the same place of the level 1 cache.
      stride_.push_back(Layout::columns(layer.outputs + 1) | 1);
      const size_t size = size_t(tile_ * stride_.back());
      values_.emplace_back(size, broadcast<T>(T(1)));
      slope_.emplace_back(keeps ? size : 0);
      transposed_.emplace_back(trains && Layout::BY_UNIT ? size_t(layer.outputs * Layout::columns(layer.inputs)) : 0);
    }
    gradient_.resize(trains ? size_t(shape.vectors) : 0);
  }

  // Rows of a tile, at most.
  long tile() const { return tile_; }
  const V* gradient() const { return gradient_.data(); }

  // Predictions for the rows x [rows][inputs and a 1] of a tile, `stride()` vectors from row to row.
  V* predict(const V* p, const T* x, long rows) {
    affine<T>(p, 0, {x, shape_.layers[0].inputs + 1, 1}, rows);
    for (size_t l = 1; l <= last_; l++) affine<Lhs>(p, l, {lhs(l - 1), stride_[l - 1] * LHS_PER_VECTOR, 1}, rows);
    return values_[last_].data();
  }
  long stride() const { return stride_[last_]; }

  // To be called when the parameters have changed.
  void transpose(const V* p) {
    if constexpr (Layout::BY_UNIT)
      for (size_t l = 1; l <= last_; l++) transpose(p, l);
  }

  // Adds the gradient of a tile to that of the tiles before, or, with `reset`, starts anew, and its squared errors to `squares`. The loss
  // is the sum of these, over all tiles, times scale / 2.
  void accumulate_gradient(const V* p, const T* x, const T* y, long rows, V scale, bool reset, V& squares) {
    V* d = predict(p, x, rows);
    for (long n = 0; n < rows; n++, d += stride()) {
      const V error = *d - broadcast<T>(y[n]);
      squares = fma(error, error, squares);
      *d = error * scale;
    }
    for (size_t l = last_; l > 0; l--) {
      if (!Layout::BY_UNIT && shape_.layers[l].outputs == 1) {
        both_gradients(p, l, rows, reset);
      } else {
        weight_gradient<Lhs>(l, {lhs(l - 1), 1, stride_[l - 1] * LHS_PER_VECTOR}, rows, reset);
        input_gradient(p, l, rows);
      }
    }
    weight_gradient<T>(0, {x, 1, shape_.layers[0].inputs + 1}, rows, reset);
  }

 private:
  const Lhs* lhs(size_t l) const { return reinterpret_cast<const Lhs*>(values_[l].data()); }

  // The weights of a layer with rows and columns exchanged, [O][I].
  void transpose(const V* p, size_t l) {
    constexpr long BLOCK = 16;
    const Layer& layer = shape_.layers[l];
    const T* from = reinterpret_cast<const T*>(p + layer.start);
    T* to = reinterpret_cast<T*>(transposed_[l].data());
    const long down = layer.columns * Lanes<T>::count, across = Layout::columns(layer.inputs) * Lanes<T>::count;
    for (long i = 0; i < layer.inputs; i += BLOCK)
      for (long o = 0; o < layer.outputs; o++)
        for (long k = i; k < std::min(i + BLOCK, layer.inputs); k++) to[o * across + k] = from[k * down + o];
  }

  template <class A>
  void affine(const V* p, size_t l, Matrix<const A> h, long rows) {
    const Layer& layer = shape_.layers[l];
    const Matrix<const V> w{p + layer.start, layer.columns, 1};
    const V* bias = w.at(layer.inputs, 0);
    V* out = values_[l].data();
    const long stride = stride_[l];
    const auto start = [=](long, long o) { return bias[o]; };
    if (l < last_ && shape_.activation == Activation::Relu)
      product<A, V>(h, w, rows, layer.columns, layer.inputs, start,
                    [=](long n, long o, V z) { out[n * stride + o] = Relu::forward<T, V>(z, nullptr); });
    else
      product<A, V>(h, w, rows, layer.columns, layer.inputs, start,
                    [=](long n, long o, V z) { out[n * stride + o] = z; });
    if (l == last_) return;
    for (long n = 0, at = 0; n < rows; n++, at += stride) {
      if (shape_.activation != Activation::Relu)
        activate<T>(shape_.activation, out + at, slope_[l].data() + at, layer.columns);
      if constexpr (Layout::BY_UNIT) reinterpret_cast<T*>(out + at)[layer.outputs] = T(1);
    }
  }

  // h: inputs (and the 1) x rows.
  template <class A>
  void weight_gradient(size_t l, Matrix<const A> h, long rows, bool reset) {
    const Layer& layer = shape_.layers[l];
    const Matrix<const V> d{values_[l].data(), stride_[l], 1};
    V* g = gradient_.data() + layer.start;
    const long O = layer.columns;
    const auto finish = [=](long i, long o, V sum) { g[i * O + o] = sum; };
    if (reset)
      product<A, V>(h, d, layer.inputs + 1, O, rows, [](long, long) { return V{}; }, finish);
    else
      product<A, V>(h, d, layer.inputs + 1, O, rows, [=](long i, long o) { return g[i * O + o]; }, finish);
  }

  void input_gradient(const V* p, size_t l, long rows) {
    const Layer& layer = shape_.layers[l];
    const Matrix<const Lhs> d{lhs(l), stride_[l] * LHS_PER_VECTOR, 1};
    const long columns = Layout::columns(layer.inputs);
    const Matrix<const V> w = Layout::BY_UNIT ? Matrix<const V>{transposed_[l].data(), columns, 1}
                                              : Matrix<const V>{p + layer.start, 1, layer.columns};
    const Activation activation = shape_.activation;
    const V* slope = slope_[l - 1].data();
    V* h = values_[l - 1].data();
    const long stride = stride_[l - 1];
    const auto start = [](long, long) { return V{}; };
    if (activation == Activation::Relu)
      product<Lhs, V>(d, w, rows, columns, layer.outputs, start,
                    [=](long n, long i, V sum) { h[n * stride + i] = Relu::backward<T, V>(h[n * stride + i], nullptr, sum); });
    else
      product<Lhs, V>(d, w, rows, columns, layer.outputs, start, [=](long n, long i, V sum) {
        const long at = n * stride + i;
        h[at] = lanes::backward<T>(activation, h[at], slope + at, sum);
      });
  }

  // Both gradients of a layer with one output, ByModel, in one pass over its inputs: there is no matrix to multiply.
  void both_gradients(const V* p, size_t l, long rows, bool reset) {
    const long inputs = shape_.layers[l].inputs;
    const bool relu = shape_.activation == Activation::Relu;
    long i = 0;
    for (; i + 8 <= inputs; i += 8) relu ? columns<8, true>(p, l, i, rows, reset) : columns<8, false>(p, l, i, rows, reset);
    for (; i < inputs; i++) relu ? columns<1, true>(p, l, i, rows, reset) : columns<1, false>(p, l, i, rows, reset);
    V* bias = gradient_.data() + shape_.layers[l].start + inputs;
    V sum = reset ? V{} : *bias;
    for (long n = 0; n < rows; n++) sum += values_[l][size_t(n * stride_[l])];
    *bias = sum;
  }

  template <int C, bool IS_RELU>
  void columns(const V* p, size_t l, long first, long rows, bool reset) {
    const long stride = stride_[l - 1], output_stride = stride_[l], start = shape_.layers[l].start + first;
    const Activation activation = shape_.activation;
    const V *d = values_[l].data(), *slope = slope_[l - 1].data() + first;
    V *h = values_[l - 1].data() + first, *g = gradient_.data() + start;
    V sum[C], weight[C];
    for (int c = 0; c < C; c++) sum[c] = reset ? V{} : g[c], weight[c] = p[start + c];
    for (long n = 0; n < rows; n++, h += stride, d += output_stride, slope += stride) {
      const V dn = *d;
#pragma GCC unroll 8
      for (int c = 0; c < C; c++) {
        const V value = h[c], product = fma(dn, weight[c], V{});
        sum[c] = fma(value, dn, sum[c]);
        h[c] = IS_RELU ? Relu::backward<T, V>(value, nullptr, product) : lanes::backward<T>(activation, value, slope + c, product);
      }
    }
    for (int c = 0; c < C; c++) g[c] = sum[c];
  }

  const Shape<Layout>& shape_;
  const size_t last_;
  long tile_;
  std::vector<long> stride_;
  std::vector<std::vector<V>> values_, slope_, transposed_;  // per layer
  std::vector<V> gradient_;
};

}  // namespace lanes
