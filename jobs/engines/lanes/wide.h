// The triangle of a model with many features, and its least squares: the same as in readout.h, but the lanes hold numbers of one
// row and not models. So a model alone takes an eighth of the time and of the memory, and all is changed in place.
//
// Each column is reflected by the same operations as in readout.h. Sums over the numbers of a row have SOLVE_PARTS interleaved
// parts in every build, so that the bits don't depend on the width of the vectors.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "functions.h"

namespace lanes {

// Rows that are folded into the triangle at a time; each tile begins at a multiple of it. Fewer would compute more reflections,
// more would leave the level 2 cache.
constexpr long FOLD_ROWS = 32;

// Sweeps over all pairs of rows. 4 to 12 were enough for up to 64 units. The rows of R take fewer than its columns, 4 in place of
// 8 for 16 units of tanh.
constexpr int MOST_SWEEPS = 40;

// Columns from which on a triangle is folded and solved here. In readout.h one of 8 models would take more than 1 MB, and leave
// the level 2 cache: a model of 768 units took 24 s in place of 0.2 s.
constexpr int64_t WIDE_COLUMNS = 128;

// Partial sums of a product of two rows; and rows that a call makes orthogonal to all that follow them: these are read from memory
// once for all of those.
constexpr long SOLVE_PARTS = 16, SOLVE_ROWS = 16;

// The product of two columns of a tile.
inline F64 dot_of_tile(const F64* a, const F64* b) {
  F64 part[4]{};
  for (long n = 0; n < FOLD_ROWS; n += 4)
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) part[i] = fma(a[n + i], b[n + i], part[i]);
  return (part[0] + part[2]) + (part[1] + part[3]);
}

// A reflection of a column v of the tile onto the number r of the triangle.
struct Reflection {
  F64 factor;

  // Makes r the number that is left of the column, and scales v so that r's row counts as 1.
  Reflection(F64& r, F64* v) {
    const F64 square = dot_of_tile(v, v);
    const auto is_done = square == F64{};
    const F64 norm = sqrt(fma(r, r, square));
    const F64 diagonal = r > F64{} ? -norm : norm;
    const F64 pivot = r - diagonal;  // has no cancellation, since the signs differ
    const F64 scale = is_done ? F64{} : broadcast<double>(1.0) / pivot;
    factor = is_done ? F64{} : pivot / diagonal;
    r = is_done ? r : diagonal;
    for (long n = 0; n < FOLD_ROWS; n++) v[n] *= scale;
  }
};

// The rotation that makes two rows a and b orthogonal, of which the longer one becomes the first; from the sums of their products.
struct Rotation {
  F64 cosine, sine;
  I64 rotates, swaps;

  Rotation(F64 aa, F64 ab, F64 bb, F64 tolerance) {
    rotates = absolute(ab) > tolerance * (sqrt(aa) * sqrt(bb));  // false for NaN
    swaps = bb > aa;

    // The smaller of the two angles (Rutishauser 1966).
    const F64 one = broadcast<double>(1.0), zeta = (bb - aa) / (ab + ab);
    const F64 tangent = with_sign_of(zeta, one / (absolute(zeta) + sqrt(fma(zeta, zeta, one))));
    cosine = one / sqrt(fma(tangent, tangent, one)), sine = cosine * tangent;
  }

  void apply(F64& a, F64& b) const {
    const F64 first = fma(cosine, a, -(sine * b)), second = fma(sine, a, cosine * b);
    a = rotates ? (swaps ? second : first) : a;
    b = rotates ? (swaps ? first : second) : b;
  }
};

// The tile of a model with many features, by rows.
class WideTile {
 public:
  explicit WideTile(long columns) : columns_(columns), stride_(columns + WIDTH), rows_(size_t(FOLD_ROWS * stride_)) {}

  double* row(long n) { return rows_.data() + n * stride_; }

  // Reflects the tile onto the triangle r [columns][columns], column by column; it overwrites the tile.
  void fold(double* r) {
    for (long j = 0; j < columns_; j++, r += columns_) {
      F64 v[FOLD_ROWS];
      for (long n = 0; n < FOLD_ROWS; n++) v[n] = broadcast<double>(row(n)[j]);
      F64 diagonal = broadcast<double>(r[j]);
      const F64 factor = Reflection(diagonal, v).factor;
      r[j] = diagonal[0];
      long k = j + 1;
      for (; k + WIDTH <= columns_; k += WIDTH) reflect(r + k, v, factor, k, WIDTH);
      if (k < columns_) reflect(r + k, v, factor, k, columns_ - k);
    }
  }

 private:
  static constexpr int COUNT = Lanes<double>::count, VECTORS = 4, WIDTH = VECTORS * COUNT;

  // Applies a reflection to `count` columns from k on, WIDTH at most; those beyond the last one are zero.
  void reflect(double* r, const F64* v, F64 factor, long k, long count) {
    F64 above[VECTORS]{}, sum[VECTORS][2]{};
    std::memcpy(above, r, sizeof(double) * count);
    for (long n = 0; n < FOLD_ROWS; n += 2)
#pragma GCC unroll 2
      for (int i = 0; i < 2; i++)
#pragma GCC unroll 4
        for (int c = 0; c < VECTORS; c++)
          sum[c][i] = fma(v[n + i], load<F64>(row(n + i) + k + c * COUNT), sum[c][i]);
#pragma GCC unroll 4
    for (int c = 0; c < VECTORS; c++) {
      sum[c][0] = (above[c] + (sum[c][0] + sum[c][1])) * factor;
      above[c] += sum[c][0];
    }
    std::memcpy(r, above, sizeof(double) * count);
    for (long n = 0; n < FOLD_ROWS; n++)
#pragma GCC unroll 4
      for (int c = 0; c < VECTORS; c++) {
        double* a = row(n) + k + c * COUNT;
        store(a, fma(v[n], sum[c][0], load<F64>(a)));
      }
  }

  const long columns_, stride_;
  std::vector<double> rows_;
};

// The rows of a triangle that are made orthogonal, a call at a time.
struct WideRows {
  int64_t size, length;  // rows, and numbers of each: a multiple of SOLVE_PARTS, of which those from `size` on are zero
  double *rows, *targets, *squares;  // [size][length], [size], [size]: the squared length of each row
  int64_t* place;                    // the sweep, its next row, and whether it has rotated rows

  bool valid() const {
    return size > 0 && length >= size && length % SOLVE_PARTS == 0 && double(size) * double(length) < 0x1p55 && rows &&
           targets && squares && place && place[0] >= 0 && place[1] >= 0 && place[1] < size;
  }
};

// The sums of the products of two rows with themselves and each other.
struct Products {
  double aa, ab, bb;

  Products(const double* a, const double* b, int64_t length) {
    constexpr int COUNT = Lanes<double>::count, VECTORS = SOLVE_PARTS / COUNT;
    F64 part[3][VECTORS]{};
    for (int64_t k = 0; k < length; k += SOLVE_PARTS)
#pragma GCC unroll 8
      for (int i = 0; i < VECTORS; i++) {
        const F64 x = load<F64>(a + k + i * COUNT), y = load<F64>(b + k + i * COUNT);
        part[0][i] = fma(x, x, part[0][i]), part[1][i] = fma(x, y, part[1][i]), part[2][i] = fma(y, y, part[2][i]);
      }
    aa = sum(part[0]), ab = sum(part[1]), bb = sum(part[2]);
  }

 private:
  // Adds the parts by halves.
  static double sum(const F64* part) {
    double each[SOLVE_PARTS];
    std::memcpy(each, part, sizeof each);
    for (int half = SOLVE_PARTS / 2; half > 0; half /= 2)
      for (int i = 0; i < half; i++) each[i] += each[i + half];
    return each[0];
  }
};

// Makes rows i < j orthogonal as `rotate` does in readout.h; returns whether they weren't.
inline bool rotate_wide(const WideRows& all, int64_t i, int64_t j, double tolerance) {
  double *a = all.rows + i * all.length, *b = all.rows + j * all.length;
  const Products found(a, b, all.length);
  all.squares[i] = found.aa, all.squares[j] = found.bb;
  const Rotation rotation(broadcast(found.aa), broadcast(found.ab), broadcast(found.bb), broadcast(tolerance));
  if (!rotation.rotates[0]) return false;
  for (int64_t k = 0; k < all.length; k += Lanes<double>::count) {
    F64 x = load<F64>(a + k), y = load<F64>(b + k);
    rotation.apply(x, y);
    store(a + k, x), store(b + k, y);
  }
  F64 x = broadcast(all.targets[i]), y = broadcast(all.targets[j]);
  rotation.apply(x, y);
  all.targets[i] = x[0], all.targets[j] = y[0];
  return true;
}

// Rotates the next rows with all that follow them. Returns whether all rows are orthogonal.
//
// Where both rows are so short that they are cut off they aren't rotated: together they are below the limit too. With smooth
// activations those are most of the rows.
inline bool rotate_next(const WideRows& all, int64_t rows) {
  constexpr double EPSILON = std::numeric_limits<double>::epsilon();
  int64_t &sweep = all.place[0], &first = all.place[1], &rotated = all.place[2];
  if (first == 0) {
    rotated = 0;
    for (int64_t i = 0; i < all.size; i++) {
      const double* row = all.rows + i * all.length;
      all.squares[i] = Products(row, row, all.length).aa;
    }
  }
  const double least = EPSILON * double(std::max(rows, all.size));
  const double shortest = *std::max_element(all.squares, all.squares + all.size) * least * least / double(all.size);
  const int64_t last = std::min(all.size, first + SOLVE_ROWS);
  for (int64_t j = first + 1; j < all.size; j++)
    for (int64_t i = first; i < std::min(j, last); i++)
      if (!(all.squares[i] <= shortest && all.squares[j] <= shortest))
        rotated |= rotate_wide(all, i, j, EPSILON * double(all.size));
  first = last;
  if (first < all.size) return false;
  first = 0, sweep++;
  return !rotated || sweep == MOST_SWEEPS;
}

}  // namespace lanes
