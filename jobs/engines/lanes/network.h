// The forward and the backward pass of one group of models, in one of two layouts that give the same bits.
//
// ByModel: each lane holds one model, so that a group has as many models as a vector has lanes.
// ByUnit: each lane holds one unit of a single model. It is for groups with too few models to fill the lanes, and for layers
// so wide that the parameters of a whole group would not fit the cache.
//
// Both compute the same products as the same chains of fused multiply-adds (product.h). The left factor is a vector in
// ByModel, and one number for all lanes in ByUnit. In ByUnit the units of a layer are padded to whole vectors; the units that
// pad are never read.
//
// Memory, in vectors:
//   parameters, gradient   layer by layer: weights [I][O], then bias [O], the weight of one more input that is always 1
//   values                 per layer [rows][units and that 1]: the activations after the forward pass, overwritten in the
//                          backward pass by the derivative of the loss with respect to the pre-activations
// Rows are processed in tiles that fit the cache.
#pragma once

#include <algorithm>
#include <vector>

#include "activations.h"
#include "product.h"

namespace lanes {

struct Layer {
  long inputs, outputs;
  long columns;  // vectors per row of outputs
  long start;    // where its weights start among the parameters, in vectors
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

// Where the layers of a network lie in the vectors of its parameters.
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

// Limit of the values of a tile, for ByModel and ByUnit. ByModel takes a few rows, which stay in the level 1 cache. ByUnit
// takes all rows of a usual batch, since each tile reads all weights once.
constexpr long TILE_BYTES[] = {32 << 10, 256 << 10};

template <class T, class Layout>
class Network {
  using V = typename Lanes<T>::V;
  using Lhs = typename Layout::Lhs;
  static constexpr long LHS_PER_VECTOR = long(sizeof(V) / sizeof(Lhs));  // left factors in a vector

 public:
  // Allocates the memory of a tile. Without `trains` there is none for gradients, which with wide layers is most of it.
  Network(const Shape<Layout>& shape, long most_rows, bool trains) : shape_(shape), last_(shape.layers.size() - 1) {
    // All tiles have about the same number of rows, in whole blocks of product.h.
    const bool keeps = keeps_slope(shape.activation);
    long row = 0;
    for (const Layer& layer : shape.layers) row += layer.columns * (keeps ? 2 : 1) * long(sizeof(V));
    const long tiles = std::max(1l, most_rows / std::max(2l * ROWS, TILE_BYTES[Layout::BY_UNIT] / row));
    tile_ = std::min(most_rows, (most_rows / tiles + ROWS - 1) / ROWS * ROWS);

    for (const Layer& layer : shape.layers) {
      // The stride is odd, since rows 64 vectors apart would all map to the same set of the level 1 cache.
      stride_.push_back(Layout::columns(layer.outputs + 1) | 1);
      const size_t size = size_t(tile_ * stride_.back());
      values_.emplace_back(size, broadcast<T>(T(1)));
      slope_.emplace_back(keeps ? size : 0);
      transposed_.emplace_back(trains && Layout::BY_UNIT ? size_t(layer.outputs * Layout::columns(layer.inputs)) : 0);
    }
    gradient_.resize(trains ? size_t(shape.vectors) : 0);
  }

  // The most rows of a tile.
  long tile() const { return tile_; }
  const V* gradient() const { return gradient_.data(); }

  // Returns the predictions for the rows x [rows][inputs and a 1] of a tile, with `stride()` vectors from row to row.
  V* predict(const V* p, const T* x, long rows) {
    affine<T>(p, 0, {x, shape_.layers[0].inputs + 1, 1}, rows);
    for (size_t l = 1; l <= last_; l++) affine<Lhs>(p, l, {lhs(l - 1), stride_[l - 1] * LHS_PER_VECTOR, 1}, rows);
    return values_[last_].data();
  }
  long stride() const { return stride_[last_]; }

  // Prepares the backward pass of ByUnit; must be called whenever the parameters have changed.
  void transpose(const V* p) {
    if constexpr (Layout::BY_UNIT)
      for (size_t l = 1; l <= last_; l++) transpose(p, l);
  }

  // Adds the gradient of a tile to `gradient()`, which `reset` sets to zero first, and its squared errors to `squares`.
  // The loss is the sum of the squared errors over all tiles, times scale / 2.
  void accumulate_gradient(const V* p, const T* x, const T* y, long rows, V scale, bool reset, V& squares) {
    // From here on the values of a layer are the derivative of the loss with respect to its pre-activations.
    V* d = predict(p, x, rows);
    for (long n = 0; n < rows; n++, d += stride()) {
      const V error = *d - broadcast<T>(y[n]);
      squares = fma(error, error, squares);
      *d = error * scale;
    }

    // The gradient of a layer's weights reads the activations of the layer below, which the gradient of its inputs overwrites.
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

  // Writes the transposed weights [O][I] of a layer, in blocks that stay in the cache.
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

  // The forward pass of layer l: activation(h w + bias), for h: rows x inputs.
  template <class A>
  void affine(const V* p, size_t l, Matrix<const A> h, long rows) {
    const Layer& layer = shape_.layers[l];
    const Matrix<const V> w{p + layer.start, layer.columns, 1};
    const V* bias = w.at(layer.inputs, 0);
    V* out = values_[l].data();
    const long stride = stride_[l];

    // ReLU is applied while the sums are still in registers; the other activations hide their cost behind a second pass.
    const auto start = [=](long, long o) { return bias[o]; };
    if (l < last_ && shape_.activation == Activation::Relu)
      product<A, V>(h, w, rows, layer.columns, layer.inputs, start,
                    [=](long n, long o, V z) { out[n * stride + o] = Relu::forward<T, V>(z, nullptr); });
    else
      product<A, V>(h, w, rows, layer.columns, layer.inputs, start,
                    [=](long n, long o, V z) { out[n * stride + o] = z; });
    if (l == last_) return;

    // ByUnit: the 1 that follows the units may lie in their last vector, which the product has overwritten.
    for (long n = 0, at = 0; n < rows; n++, at += stride) {
      if (shape_.activation != Activation::Relu)
        activate<T>(shape_.activation, out + at, slope_[l].data() + at, layer.columns);
      if constexpr (Layout::BY_UNIT) reinterpret_cast<T*>(out + at)[layer.outputs] = T(1);
    }
  }

  // The gradient of layer l's weights and bias: h d, for h: inputs (and the 1) x rows.
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

  // The derivative with respect to layer l's inputs, d w', and from it that with respect to the pre-activations below.
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

    // Each activation is read and replaced by its derivative as soon as the sum is complete.
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

  // Both gradients of a layer with one output, in ByModel. There is no matrix to multiply, so one pass over the inputs is
  // enough. Blocks of 8 inputs keep their sums in registers.
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

  // both_gradients for the C inputs from `first` on.
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
