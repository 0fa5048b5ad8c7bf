// What the hidden layers of models do on rows, and the output layer that fits those rows best. Each lane holds one model.
//
// The features of a row are the values of the last hidden layer (the inputs, if there is none) and a 1. The matrix of the features
// of all rows, with the targets as one more column, is reduced to its triangle R by Householder reflections, FOLD_ROWS rows at a
// time. R has all that least squares needs, in (K + 2)^2 numbers for K features, and loses no accuracy as sums of products would.
//
// One-sided Jacobi rotations then make the rows of R orthogonal: W' R = S U', where the norms S are R's singular values. As U and
// S are read from the rotated rows, W isn't needed; the column of the targets is rotated along. Where activations are nearly
// parallel, which is usual, the singular values fall to the rounding error. Those are cut off: the answer has the smallest norm.
//
// There are + - * /, fma and sqrt in a fixed order, and no sum over lanes. So the bits of a model depend neither on the models
// beside it nor on the processor.
#pragma once

#include "layouts.h"
#include "wide.h"

namespace lanes {

// A unit is saturated on a row where its activation is this close to an end of its range.
constexpr double SATURATED_WITHIN = 0.02;

// What is known of all models so far; a call adds rows to it.
struct Observed {
  double* triangles;                      // [models][K + 2][K + 2], each zero below its diagonal
  double *highest, *saturated;   // [models][hidden units]: activations, and rows on which they are saturated

  bool valid(const Program& program) const {
    const double columns = double(program.depth ? program.hidden[program.depth - 1] : program.inputs) + 2;
    return columns * columns < double(MOST) && triangles && (!program.depth || (highest && saturated));
  }
};

inline F64 saturated(Activation activation, F64 h) {
  const F64 high = broadcast<double>(1 - SATURATED_WITHIN), low = broadcast<double>(SATURATED_WITHIN), one = broadcast<double>(1.0);
  if (activation == Activation::Tanh) return absolute(h) >= high ? one : F64{};
  if (activation == Activation::Sigmoid) return h >= high ? one : low >= h ? one : F64{};
  return F64{};
}

// Copies the numbers of a group's models from an array [models][count] to vectors.
inline void to_lanes(const double* flat, int64_t first, int64_t width, int64_t count, F64* vectors) {
  for (int64_t l = 0; l < Lanes<double>::count; l++) {
    const double* from = flat + (first + (l < width ? l : 0)) * count;
    for (int64_t i = 0; i < count; i++) vectors[i][l] = from[i];
  }
}
inline void from_lanes(const F64* vectors, int64_t first, int64_t width, int64_t count, double* flat) {
  for (int64_t l = 0; l < width; l++)
    for (int64_t i = 0; i < count; i++) flat[(first + l) * count + i] = vectors[i][l];
}

// The triangle of a group of models: row-major [columns][columns], and the tile of rows that is folded into it, by columns.
class Triangle {
 public:
  explicit Triangle(long columns)
      : columns_(columns), r_(columns < WIDE_COLUMNS ? size_t(columns * columns) : 0), tile_(size_t(columns * FOLD_ROWS)) {}

  F64* data() { return r_.data(); }
  F64* column(long j) { return tile_.data() + j * FOLD_ROWS; }

  // Reflects the tile onto the triangle, column by column; it overwrites the tile.
  void fold() {
    for (long j = 0; j < columns_; j++) {
      F64 *r = r_.data() + j * columns_, *v = column(j);
      const F64 factor = Reflection(r[j], v).factor;
      reflect(r, v, factor, j + 1);
    }
  }

 private:
  // Applies a reflection to the columns from k on: adds factor * (v . column) * v to each, where v has a 1 for r's row.
  void reflect(F64* r, const F64* v, F64 factor, long k) {
    for (; k + WIDTH <= columns_; k += WIDTH) reflect<WIDTH>(r + k, v, factor, column(k));
    for (; k < columns_; k++) reflect<1>(r + k, v, factor, column(k));
  }
  template <int C>
  static void reflect(F64* r, const F64* v, F64 factor, F64* a) {
    F64 sum[C][2]{};
    for (long n = 0; n < FOLD_ROWS; n += 2)
#pragma GCC unroll 4
      for (int c = 0; c < C; c++)
#pragma GCC unroll 2
        for (int i = 0; i < 2; i++) sum[c][i] = fma(v[n + i], a[c * FOLD_ROWS + n + i], sum[c][i]);
#pragma GCC unroll 4
    for (int c = 0; c < C; c++) {
      sum[c][0] = (r[c] + (sum[c][0] + sum[c][1])) * factor;
      r[c] += sum[c][0];
    }
    for (long n = 0; n < FOLD_ROWS; n++)
#pragma GCC unroll 4
      for (int c = 0; c < C; c++) a[c * FOLD_ROWS + n] = fma(v[n], sum[c][0], a[c * FOLD_ROWS + n]);
  }

  static constexpr int WIDTH = 4;  // columns at a time: with two sums each, they keep the processor's chains busy
  static_assert(FOLD_ROWS % 4 == 0);
  const long columns_;
  std::vector<F64> r_, tile_;
};

// Observes groups of models, one after the other in the same memory.
class Observer {
  using Layout = ByModel<double>;

 public:
  explicit Observer(const Shape<Layout>& shape)
      : shape_(shape), features_(shape.output.inputs), triangle_(features_ + 2), wide_(is_wide() ? features_ + 2 : 0) {
    for (const Layer& layer : shape.hidden) units_ += layer.outputs;
    for (auto* vectors : {&highest_, &saturated_}) vectors->resize(size_t(units_));
  }

  // Adds rows to what is known of a group. Rows that a last tile lacks are zero, and so change nothing.
  void observe(const Group<double, Layout>& group, Network<double, Layout>& network, int64_t rows, const double* x, const double* y,
               const double* parameters, const Observed& seen) {
    const int64_t first = group.first, width = group.width, size = (features_ + 2) * (features_ + 2);
    group.load(parameters, p_);
    if (!is_wide()) to_lanes(seen.triangles, first, width, size, triangle_.data());
    to_lanes(seen.highest, first, width, units_, highest_.data());
    to_lanes(seen.saturated, first, width, units_, saturated_.data());
    for (long n = 0; n < rows; n += FOLD_ROWS) {
      const long end = std::min<int64_t>(rows, n + FOLD_ROWS);
      for (long k = 0; k < features_ + 2; k++) std::fill_n(triangle_.column(k), FOLD_ROWS, F64{});
      for (long from = n, next; from < end; from = next) {
        next = network.tile_end(from, end);
        features(network, x + from * group.inputs(), from - n, next - from);
      }
      for (long i = 0; i < end - n; i++) {
        triangle_.column(features_)[i] = broadcast<double>(1.0);
        triangle_.column(features_ + 1)[i] = broadcast<double>(y[n + i]);
      }
      if (!is_wide()) triangle_.fold();
      for (long l = 0; is_wide() && l < width; l++) {
        for (long i = 0; i < FOLD_ROWS; i++)
          for (long k = 0; k < features_ + 2; k++) wide_.row(i)[k] = triangle_.column(k)[i][l];
        wide_.fold(seen.triangles + (first + l) * size);
      }
    }
    if (!is_wide()) from_lanes(triangle_.data(), first, width, size, seen.triangles);
    from_lanes(highest_.data(), first, width, units_, seen.highest);
    from_lanes(saturated_.data(), first, width, units_, seen.saturated);
  }

 private:
  bool is_wide() const { return features_ + 2 >= WIDE_COLUMNS; }

  // Writes the features of some rows x to the tile, from its row `at` on, and adds them to the statistics of the units.
  void features(Network<double, Layout>& network, const double* x, long at, long rows) {
    if (shape_.hidden.empty()) {
      for (long k = 0; k < features_; k++)
        for (long i = 0; i < rows; i++) triangle_.column(k)[at + i] = broadcast<double>(x[i * features_ + k]);
      return;
    }
    network.run_hidden(p_.data(), x, rows);
    long unit = 0;
    for (size_t l = 0; l < shape_.hidden.size(); l++)
      for (long c = 0; c < shape_.hidden[l].outputs; c++) note(unit++, network.values(l, c), rows);
    for (long k = 0; k < features_; k++) std::copy_n(network.values(shape_.hidden.size() - 1, k), rows, triangle_.column(k) + at);
  }

  void note(long unit, const F64* h, long rows) {
    F64 high = highest_[unit], count = saturated_[unit];
    for (long i = 0; i < rows; i++) {
      high = larger(h[i], high);  // NaN is left out
      count += saturated(shape_.activation, h[i]);
    }
    highest_[unit] = high, saturated_[unit] = count;
  }

  const Shape<Layout>& shape_;
  const long features_;
  long units_ = 0;
  Triangle triangle_;
  WideTile wide_;
  std::vector<F64> p_, highest_, saturated_;
};

// Makes two rows orthogonal, of which the first `length` numbers count, and whose last number is rotated along. Returns the
// lanes in which they weren't orthogonal; in the others nothing changes.
inline I64 rotate(F64* a, F64* b, long length, F64 tolerance) {
  F64 aa{}, ab{}, bb{};
  for (long k = 0; k < length; k++) aa = fma(a[k], a[k], aa), ab = fma(a[k], b[k], ab), bb = fma(b[k], b[k], bb);
  const Rotation rotation(aa, ab, bb, tolerance);
  bool any = false;
  for (int l = 0; l < Lanes<double>::count; l++) any |= rotation.rotates[l] != 0;
  if (any)
    for (long k = 0; k <= length; k++) rotation.apply(a[k], b[k]);
  return rotation.rotates;
}

// The factor of a row in the answer, from the square of its length, the longest one's and the number of its target: 0 for a row
// that is cut off, and NaN, which is not cut off, if a length isn't finite.
inline F64 factor_of(F64 square, F64 largest, F64 target, int64_t rows, int64_t size) {
  const F64 least = broadcast<double>(std::numeric_limits<double>::epsilon() * double(std::max(rows, size))) * sqrt(largest);
  return (sqrt(square) <= least ? F64{} : target / square) + (largest - largest);
}

// Writes the readouts [models][columns - 1] of a group from its triangles [models][columns][columns], with memory for one.
inline void solve_group(int64_t rows, int64_t columns, int64_t first, int64_t width, const double* triangles, double* readout,
                        F64* r) {
  const long size = columns - 1;
  to_lanes(triangles, first, width, columns * columns, r);
  const F64 tolerance = broadcast<double>(std::numeric_limits<double>::epsilon() * double(size));
  bool rotated = true;
  for (int sweep = 0; rotated && sweep < MOST_SWEEPS; sweep++) {
    I64 lanes{};
    for (long i = 0; i < size; i++)
      for (long j = i + 1; j < size; j++) lanes |= rotate(r + i * columns, r + j * columns, size, tolerance);
    rotated = false;
    for (int l = 0; l < Lanes<double>::count; l++) rotated |= lanes[l] != 0;
  }

  // The rows are now the right singular vectors times their singular values.
  std::vector<F64> squares(size_t(size), F64{}), answer(size_t(size), F64{});
  F64 largest{};
  for (long i = 0; i < size; i++) {
    for (long k = 0; k < size; k++) squares[i] = fma(r[i * columns + k], r[i * columns + k], squares[i]);
    largest = larger(squares[i], largest);
  }
  for (long i = 0; i < size; i++) {
    const F64* row = r + i * columns;
    const F64 factor = factor_of(squares[i], largest, row[size], rows, size);
    for (long k = 0; k < size; k++) answer[k] = fma(row[k], factor, answer[k]);
  }
  from_lanes(answer.data(), first, width, size, readout);
}

// Writes the readout [size] of rows that are orthogonal.
inline void answer_of(const WideRows& all, int64_t rows, double* readout) {
  std::fill_n(readout, all.size, 0.0);
  double largest = 0;
  for (int64_t i = 0; i < all.size; i++) {
    const double* row = all.rows + i * all.length;
    all.squares[i] = Products(row, row, all.length).aa;
    largest = all.squares[i] > largest ? all.squares[i] : largest;
  }
  for (int64_t i = 0; i < all.size; i++) {
    const double* row = all.rows + i * all.length;
    const F64 factor = factor_of(broadcast(all.squares[i]), broadcast(largest), broadcast(all.targets[i]), rows, all.size);
    for (int64_t k = 0; k < all.size; k++) readout[k] = fma(broadcast(row[k]), factor, broadcast(readout[k]))[0];
  }
}

}  // namespace lanes
