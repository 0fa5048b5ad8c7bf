// The forward and the backward pass of one group of models, in one of two layouts that give the same bits.
//
// ByModel: each lane holds one model, so that a group has as many models as a vector has lanes. It is for narrow networks.
// ByUnit: each lane holds one unit of a single model. The units of a layer are padded to whole vectors. The lanes that pad hold
// anything, also NaN; the only sum over lanes (output.h) leaves them out.
//
// Both compute the same sums in the same order (sums.h). The left factor of a product is a vector in ByModel, and one number
// for all lanes in ByUnit.
//
// Memory, in vectors; a column is a unit in ByModel, and as many units as there are lanes in ByUnit:
//   parameters, gradient   hidden layers [columns][inputs and the bias]; output layer [columns of the inputs], then the bias
//   values                 per hidden layer [columns][rows]: the activations after the forward pass, overwritten in the
//                          backward pass by the derivative of the loss with respect to the pre-activations
// Rows are processed in tiles that fit the cache.
#pragma once

#include <tuple>

#include "activations.h"
#include "output.h"
#include "product.h"
#include "program.h"

namespace lanes {

struct Layer {
  long inputs, outputs;
  long columns;  // of its outputs; of its inputs in the output layer
  long start;    // where its weights start among the parameters, in vectors
};

// Where the layers of a network lie in the vectors of its parameters.
template <class Layout>
struct Shape {
  std::vector<Layer> hidden;
  Layer output;
  Activation activation;
  OutputKind output_kind;
  LossKind loss;
  long vectors;  // of all parameters

  explicit Shape(const Program& program)
      : activation(Activation(program.activation)), output_kind(OutputKind(program.output)), loss(LossKind(program.loss)) {
    long inputs = program.inputs, start = 0;
    for (long l = 0; l < program.depth; l++) {
      const long units = program.hidden[l];
      hidden.push_back({inputs, units, Layout::columns(units), start});
      start += hidden.back().columns * (inputs + 1);
      inputs = units;
    }
    output = {inputs, 1, Layout::columns(inputs), start};
    vectors = start + output.columns + 1;
  }
};

// Bytes of the values of a usual tile: a few rows that fill the level 1 cache in ByModel; and all rows of a usual batch in
// ByUnit, since each tile reads all weights once.
constexpr long TILE_BYTES[] = {32 << 10, 512 << 10};  // in ByModel, ByUnit

// Tiles have a multiple of this many rows: whole blocks of a product, and the parts of a sum (sums.h) go on from tile to tile.
constexpr long TILE_ROWS[] = {8, 16};  // in ByModel, ByUnit
static_assert(TILE_ROWS[0] % ROW_PARTS == 0 && TILE_ROWS[1] % ROW_PARTS == 0);

// Stands for an activation whose derivative was taken already.
struct Differentiated {
  template <class T, class V>
  static V backward(V d, const V*, V) {
    return d;
  }
};

template <class T, class Layout>
class Network {
  using V = typename Lanes<T>::V;
  using Lhs = typename Layout::Lhs;
  static constexpr long LHS_PER_VECTOR = long(sizeof(V) / sizeof(Lhs));  // left factors in a vector
  static constexpr long ROWS = TILE_ROWS[Layout::BY_UNIT];

 public:
  // Allocates the memory of a tile. Without `trains` there is none for gradients, which with wide layers is most of it.
  Network(const Shape<Layout>& shape, long most_rows, bool trains)
      : shape_(shape),
        tile_(usual_tile(shape)),
        stride_(allocated(tile_, most_rows) | 1),  // powers of two would all map to the same set of the level 1 cache
        output_(shape.output.inputs, stride_) {
    size_t widest = 0;
    for (const Layer& layer : shape.hidden) {
      const size_t size = size_t(stride_ * layer.columns), weights = size_t(layer.outputs * Layout::columns(layer.inputs));
      const bool is_first = &layer == shape.hidden.data();
      values_.emplace_back(size);
      slope_.emplace_back(keeps_slope(shape.activation) ? size : 0);
      transposed_.emplace_back(trains && Layout::BY_UNIT && !is_first ? weights : 0);
      widest = std::max(widest, size_t(layer.columns));
    }
    if (!trains) return;
    if (!is_relu()) from_above_.resize(size_t(stride_) * widest);
    gradient_.resize(size_t(shape.vectors));
    if (tile_end(0, most_rows) < most_rows) kept_.resize(ROW_PARTS * gradient_.size());
  }

  // Returns the end of the tile that begins at row n, for rows up to `end`.
  long tile_end(long n, long end) const {
    const long tiles = std::max(1l, (end - n + tile_ / 2) / tile_);
    return tiles == 1 ? end : n + std::max(1l, (end - n + tiles * ROWS / 2) / (tiles * ROWS)) * ROWS;
  }
  const V* gradient() const { return gradient_.data(); }

  // Computes the hidden layers, of which there must be one, for the rows x [rows][inputs] of a tile.
  void run_hidden(const V* p, const T* x, long rows) {
    first_forward(p, x, rows);
    for (size_t l = 1; l < shape_.hidden.size(); l++) forward(p, l, left(l - 1), rows);
  }

  // The values that the last pass has left of a column of hidden layer l, one per row.
  const V* values(size_t l, long column) const { return values_[l].data() + column * stride_; }

  // Predicts the rows x [rows][inputs] of a tile.
  const Output<T, Layout>& predict(const V* p, const T* x, long rows) {
    run(p, x, rows);
    visit(shape_.output_kind, [&](auto kind) { output_.template activate<decltype(kind)>(rows); });
    return output_;
  }

  // Prepares the backward pass of ByUnit; must be called whenever the parameters have changed.
  void transpose(const V* p) {
    if constexpr (Layout::BY_UNIT)
      for (size_t l = 1; l < shape_.hidden.size(); l++) transpose(p, l);
  }

  // Adds the gradient of a tile to `gradient()`, which is that of the loss after the last tile of a batch. That is the sum of
  // the loss over the rows of all tiles, times scale / FACTOR (losses.h).
  void accumulate_gradient(const V* p, const T* x, const T* y, long rows, T scale, Tile tile) {
    run(p, x, rows);
    visit(shape_.output_kind, shape_.loss, [&](auto kind, auto loss) {
      output_.template derive<decltype(kind), decltype(loss)>(y, rows, scale, tile);
    });
    if (tile.last) std::tie(loss_, gradient_[size_t(shape_.output.start + shape_.output.columns)]) = output_.sums();
    if (shape_.hidden.empty()) {
      if constexpr (!Layout::BY_UNIT) input_sums(x, rows, tile);
      return;
    }

    // The gradient of a layer's weights reads the activations of the layer below, which `differentiate` overwrites.
    differentiate<true>(p, shape_.hidden.size() - 1, x, rows, tile);
    for (size_t l = shape_.hidden.size() - 1; l > 0; l--) {
      weight_gradient(l, rows, tile);
      input_gradient(p, l, rows);
      differentiate<false>(p, l - 1, x, rows, tile);
    }
    if (first().inputs > FEW_INPUTS)
      product_with_gradient(0, Left<T, 1>{x, first().inputs, rows}, 0, first().inputs, rows, tile);
  }

  // The sum of the loss over the rows of a batch.
  V loss() const { return loss_; }

 private:
  // Computes the output's pre-activations.
  void run(const V* p, const T* x, long rows) {
    const long inputs = first().inputs;
    const V* w = p + shape_.output.start;
    if (!shape_.hidden.empty()) {
      run_hidden(p, x, rows);
      output_.compute(w, values_.back().data(), shape_.output.inputs, 1, stride_, rows);
    } else if constexpr (!Layout::BY_UNIT) {
      output_.compute(w, x, inputs, inputs, 1, rows);
    }
  }

  // The rows of a usual tile.
  static long usual_tile(const Shape<Layout>& shape) {
    long columns = 1, widest = 0;
    for (const Layer& layer : shape.hidden) {
      columns += layer.columns * (keeps_slope(shape.activation) ? 2 : 1);
      if (&layer != &shape.hidden.back() && shape.activation != Activation::Relu) widest = std::max(widest, layer.columns);  // of from_above_
    }
    // The gradient of weights is a product over the rows of a tile, which pays from two blocks on.
    const long least = shape.hidden.size() > 1 ? 2 : 1;
    return std::max(least, TILE_BYTES[Layout::BY_UNIT] / ((columns + widest) * long(sizeof(V))) / ROWS) * ROWS;
  }

  // The most rows of any tile, for batches of up to this many rows, in whole vectors.
  static long allocated(long tile, long most_rows) {
    return (std::min(most_rows, tile + tile / 2) + ROWS - 1) / ROWS * ROWS;
  }

  bool is_relu() const { return shape_.activation == Activation::Relu; }
  const Layer& first() const { return shape_.hidden.empty() ? shape_.output : shape_.hidden[0]; }

  // The values of hidden layer l as left factors [rows][units]. In ByUnit the units of a column follow each other.
  Left<Lhs, LHS_PER_VECTOR> left(size_t l) const {
    const Lhs* values = reinterpret_cast<const Lhs*>(values_[l].data());
    if constexpr (Layout::BY_UNIT)
      return {values, 1, LHS_PER_VECTOR, (stride_ - 1) * LHS_PER_VECTOR};
    else
      return {values, stride_, shape_.hidden[l].outputs};
  }

  // Writes the transposed weights [O][I] of a hidden layer, in blocks of as many rows as a vector has lanes.
  void transpose(const V* p, size_t l) {
    constexpr long W = Lanes<T>::count;
    const Layer& layer = shape_.hidden[l];
    for (long i = 0; i < layer.inputs; i += W)
      for (long c = 0; c < layer.columns; c++) {
        V block[W];
        const V* from = p + layer.start + c * (layer.inputs + 1) + i;
        V* to = transposed_[l].data() + i / W * layer.outputs + c * W;
        if (i + W <= layer.inputs && (c + 1) * W <= layer.outputs) {
#pragma GCC unroll 16
          for (long k = 0; k < W; k++) block[k] = from[k];
          lanes::transpose<T>(block);
#pragma GCC unroll 16
          for (long k = 0; k < W; k++) to[k] = block[k];
        } else {
          for (long k = 0; k < W; k++) block[k] = i + k < layer.inputs ? from[k] : V{};
          lanes::transpose<T>(block);
          for (long k = 0; k < std::min(W, layer.outputs - c * W); k++) to[k] = block[k];
        }
      }
  }

  // The forward pass of the first hidden layer.
  void first_forward(const V* p, const T* x, long rows) {
    switch (first().inputs) {
      case 1:
        return forward_few<1>(p, x, rows);
      case FEW_INPUTS:
        return forward_few<FEW_INPUTS>(p, x, rows);
      default:
        return forward(p, 0, Left<T, 0>{x, 1, first().inputs, 0, first().inputs}, rows);
    }
  }

  // The forward pass of a first hidden layer with few inputs: the same sums, without the start and end of a product.
  template <int INPUTS>
  void forward_few(const V* p, const T* x, long rows) {
    const bool relu = is_relu();
    for (long c = 0; c < first().columns; c++) {
      // Copies, which the compiler knows not to be written to.
      const V* at = p + first().start + c * (INPUTS + 1);
      const V w0 = at[0], w1 = at[INPUTS - 1], bias = at[INPUTS];
      const T* xn = x;
      V* const out = values_[0].data() + c * stride_;
#pragma GCC unroll 4
      for (V* to = out; to < out + rows; to++, xn += INPUTS) {
        V z = fma(broadcast<T>(xn[0]), w0, bias);
        if constexpr (INPUTS == 2) z = fma(broadcast<T>(xn[1]), w1, z);
        *to = relu ? Relu::forward<T, V>(z, nullptr) : z;
      }
    }
    if (!is_relu()) activate_all(0, rows);
  }

  // The forward pass of hidden layer l: activation(h w + bias), for h: rows x inputs.
  template <class H>
  void forward(const V* p, size_t l, H h, long rows) {
    const Layer& layer = shape_.hidden[l];
    const V* w = p + layer.start;

    // ReLU is applied while the sums are still in registers; the other activations hide their cost behind a second pass.
    product<T>(Factors{h, Right<V>{w, layer.inputs + 1}, rows, layer.columns, layer.inputs,
                       Start<V>{w + layer.inputs, layer.inputs + 1, 0}, Result<V>{values_[l].data(), stride_, is_relu() ? Finish::RELU : Finish::NONE}});
    if (!is_relu()) activate_all(l, rows);
  }

  void activate_all(size_t l, long rows) {
    for (long at = 0; at < shape_.hidden[l].columns * stride_; at += stride_)
      activate<T>(shape_.activation, values_[l].data() + at, slope_[l].data() + at, rows);
  }

  // The derivative with respect to the inputs of hidden layer l: d w'. With ReLU, that with respect to the pre-activations.
  void input_gradient(const V* p, size_t l, long rows) {
    const Layer& layer = shape_.hidden[l];
    const Right<V> w = Layout::BY_UNIT ? Right<V>{transposed_[l].data(), layer.outputs}
                                       : Right<V>{p + layer.start, 1, layer.inputs + 1};
    product<T>(Factors{left(l), w, rows, Layout::columns(layer.inputs), layer.outputs, Start<V>{},
                       is_relu() ? Result<V>{values_[l - 1].data(), stride_, Finish::RELU_DERIVATIVE}
                                 : Result<V>{from_above_.data(), stride_, Finish::NONE}});
  }

  // The gradient of hidden layer l's weights: h d, for h: inputs x rows.
  void weight_gradient(size_t l, long rows, Tile tile) {
    const Layer& layer = shape_.hidden[l];
    const Lhs* h = left(l - 1).first;
    if constexpr (Layout::BY_UNIT) {
      // The inputs of one column at a time, since those of the next one are elsewhere.
      constexpr long W = LHS_PER_VECTOR;
      for (long i = 0; i < layer.inputs; i += W)
        product_with_gradient(l, Left<T, 1>{h + i * stride_, W, rows}, i, std::min(W, layer.inputs - i), rows, tile);
    } else {
      product_with_gradient(l, Left<V, 0>{h, 1, rows, 0, stride_}, 0, layer.inputs, rows, tile);
    }
  }

  // The gradient of the weights of `count` inputs of hidden layer l, of which h has the values.
  template <class H>
  void product_with_gradient(size_t l, H h, long first, long count, long rows, Tile tile) {
    const Layer& layer = shape_.hidden[l];
    const long stride = layer.inputs + 1;
    V* g = gradient_.data() + layer.start + first;
    product<T>(Factors{h, Right<V>{values_[l].data(), stride_}, count, layer.columns, rows,
                       tile.begin == 0 ? Start<V>{} : Start<V>{g, stride, 1}, Result<V>{g, stride, Finish::NONE}});
  }

  // Replaces the activations of hidden layer l by the derivative with respect to its pre-activations, and sums the gradient
  // of its bias, and of its weights if it is the first layer and has few inputs. Directly below the output, the derivative
  // with respect to an activation is its weight times that of the output; the gradient of that weight is summed as well.
  template <bool BELOW_OUTPUT>
  void differentiate(const V* p, size_t l, const T* x, long rows, Tile tile) {
    const auto with = [&](auto kind) {
      using Kind = decltype(kind);
      if (l > 0 || first().inputs > FEW_INPUTS)
        differentiate<BELOW_OUTPUT, Kind, 0>(p, l, x, rows, tile);
      else if (first().inputs == 1)
        differentiate<BELOW_OUTPUT, Kind, 1>(p, l, x, rows, tile);
      else
        differentiate<BELOW_OUTPUT, Kind, FEW_INPUTS>(p, l, x, rows, tile);
    };
    if (!BELOW_OUTPUT && is_relu())
      with(Differentiated());
    else
      visit(shape_.activation, with);
  }
  template <bool BELOW_OUTPUT, class Kind, int INPUTS>
  void differentiate(const V* p, size_t l, const T* x, long rows, Tile tile) {
    const Layer& layer = shape_.hidden[l];
    const Lhs* d = output_.outputs();
    for (long c = 0; c < layer.columns; c++) {
      V* h = values_[l].data() + c * stride_;
      const V *slope = slope_[l].data() + c * stride_, *above = from_above_.data() + c * stride_;
      const long at = layer.start + c * (layer.inputs + 1), above_at = shape_.output.start + c;
      const V weight_above = BELOW_OUTPUT ? p[above_at] : V{};
      RowSum<V> bias(tile), above_sum(tile), first_sum(tile), second_sum(tile);
      bias.resume(kept(at + layer.inputs));
      if (BELOW_OUTPUT) above_sum.resume(kept(above_at));
      if (INPUTS > 0) first_sum.resume(kept(at));
      if (INPUTS > 1) second_sum.resume(kept(at + 1));
      each_row(rows, [&](long n, auto part) __attribute__((always_inline)) {
        V dh{};
        if constexpr (BELOW_OUTPUT) {
          const V dn = vector_of(d[n]);
          above_sum.part[part] = fma(dn, h[n], above_sum.part[part]);
          dh = dn * weight_above;
        } else if constexpr (!std::is_same_v<Kind, Differentiated>) {
          dh = above[n];
        }
        const V dz = Kind::template backward<T, V>(h[n], slope + n, dh);
        bias.part[part] += dz;
        if constexpr (INPUTS > 0) first_sum.part[part] = fma(broadcast<T>(x[n * INPUTS]), dz, first_sum.part[part]);
        if constexpr (INPUTS > 1) second_sum.part[part] = fma(broadcast<T>(x[n * INPUTS + 1]), dz, second_sum.part[part]);
        if constexpr (INPUTS == 0 && !std::is_same_v<Kind, Differentiated>) h[n] = dz;
      });
      V* g = gradient_.data();
      bias.finish(kept(at + layer.inputs), g + at + layer.inputs);
      if (BELOW_OUTPUT) above_sum.finish(kept(above_at), g + above_at);
      if (INPUTS > 0) first_sum.finish(kept(at), g + at);
      if (INPUTS > 1) second_sum.finish(kept(at + 1), g + at + 1);
    }
  }

  // The gradient of the output's weights on the inputs x, in a network without hidden layers.
  void input_sums(const T* x, long rows, Tile tile) {
    const long inputs = shape_.output.inputs;
    for (long i = 0; i < inputs; i++) {
      const long at = shape_.output.start + i;
      const Lhs* d = output_.outputs();
      RowSum<V> sum(tile);
      sum.resume(kept(at));
      each_row(rows, [&](long n, auto part) __attribute__((always_inline)) {
        sum.part[part] = fma(broadcast<T>(x[n * inputs + i]), vector_of(d[n]), sum.part[part]);
      });
      sum.finish(kept(at), gradient_.data() + at);
    }
  }

  // Where the parts of the sum of a gradient are kept between tiles; null if there is only one.
  V* kept(long at) { return kept_.empty() ? nullptr : kept_.data() + ROW_PARTS * at; }

  const Shape<Layout>& shape_;
  const long tile_, stride_;
  Output<T, Layout> output_;
  V loss_;
  std::vector<std::vector<V>> values_, slope_, transposed_;  // per hidden layer
  std::vector<V> from_above_, gradient_, kept_;
};

}  // namespace lanes
