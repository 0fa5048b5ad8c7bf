// What the hidden layers of models do on rows, and the output layer that fits those rows best: lanes/readout.h with one model
// per block, to the same bits. There the algorithm is explained; here is what is done at the same time.
//
// observe: each thread holds one column of 32 rows in registers, and the threads reflect them onto the triangle, column by column.
// solve: rotations of disjoint pairs of rows don't depend on each other. The pairs (i, j) with the same i + j are rotated at
// once, and these sums in ascending order. So each row meets the others in the order of lanes, which takes pair by pair.
//
// Concatenated after features.cuh. A triangle has a column for each feature of a row, one for the 1 of the bias, and the target.

constexpr int SWEEPS = 40;  // MOST_SWEEPS of lanes/wide.h
constexpr T EPSILON = 0x1p-52;

// What is known of a model, in shared memory.
struct Known {
  T *column, *triangle, *highest, *saturated, *values;
  DEV Known(T* s, const Shape& shape, int columns)
      : column(s),
        triangle(column + 2 * (ROWS + 2)),
        highest(triangle + columns * (columns + 1) / 2),
        saturated(highest + shape.units),
        values(saturated + shape.units) {}
};

// Where the number in row j and column k >= j of a triangle lies: it has no zeros.
DEV int place(int j, int k, int columns) { return j * columns - j * (j + 1) / 2 + k; }

// Whether a unit is within 0.02 of an end of its range.
template <class Activation>
DEV bool is_saturated(T) {
  return false;
}
template <>
DEV bool is_saturated<activations::tanh>(T h) {
  return functions::absolute(h) >= 1 - 0.02;
}
template <>
DEV bool is_saturated<activations::sigmoid>(T h) {
  return h >= 1 - 0.02 || 0.02 >= h;
}

// Adds rows to the statistics of the units of a layer.
DEV void note(const T* values, int rows, int units, T* highest, T* saturated) {
  for (int c = threadIdx.x; c < units; c += blockDim.x) {
    T high = highest[c], count = saturated[c];
    for (int n = 0; n < rows; n++) {
      const T h = values[c * STRIDE + n];
      high = h > high ? h : high;  // NaN is left out
      count += is_saturated<activations::ACTIVATION>(h);
    }
    highest[c] = high, saturated[c] = count;
  }
}

DEV T dot(const T* a, const T* b) {
  T part[4] = {};
  UNROLL for (int n = 0; n < ROWS; n++) part[n % 4] = fma(a[n], b[n], part[n % 4]);
  return (part[0] + part[2]) + (part[1] + part[3]);
}

// Reflects column a onto the number r of the triangle. Writes the reflection: a vector v that has 1 for r's row, and its factor.
DEV void reflection(T& r, const T* a, T* v) {
  const T squared = dot(a, a), norm = sqrt(fma(r, r, squared)), diagonal = r > 0 ? -norm : norm;
  const T pivot = r - diagonal;  // has no cancellation, since the signs differ
  const bool is_done = squared == 0;
  const T scale = is_done ? 0.0 : 1.0 / pivot;
  UNROLL for (int n = 0; n < ROWS; n++) v[n] = a[n] * scale;
  v[ROWS] = is_done ? 0.0 : pivot / diagonal;
  r = is_done ? r : diagonal;
}

// Applies a reflection to a column with the number r above it: adds factor * (v . column) * v.
DEV void reflect(T& r, T* a, const T* v) {
  T sum[2] = {};
  UNROLL for (int n = 0; n < ROWS; n++) sum[n % 2] = fma(v[n], a[n], sum[n % 2]);
  const T added = (r + (sum[0] + sum[1])) * v[ROWS];
  r += added;
  UNROLL for (int n = 0; n < ROWS; n++) a[n] = fma(v[n], added, a[n]);
}

// Reflects 32 rows, of which each thread holds a column, onto the triangle.
DEV void fold(T* a, int columns, const Known& known) {
  const int k = threadIdx.x;
  NO_UNROLL for (int j = 0; j < columns; j++) {
    T* v = known.column + j % 2 * (ROWS + 2);  // two of them: the next one is written while this one is read
    if (k == j) reflection(known.triangle[place(j, j, columns)], a, v);
    __syncthreads();
    if (k > j && k < columns) reflect(known.triangle[place(j, k, columns)], a, v);
  }
}

// Adds rows x [inputs][rows] and y [rows] to what is known of a model.
template <class W>
DEV void observe(const Shape& shape, const T* x, const T* y, int rows, const W* parameters, const Known& known) {
  const int k = threadIdx.x, lane = k % 32, bias = shape.features();
  for (int n = 0; n < rows; n += ROWS) {
    const int count = rows - n < ROWS ? rows - n : ROWS;
    const auto note_layer = [&](const T* values, int units, int unit) {
      note(values, count, units, known.highest + unit, known.saturated + unit);
    };
    const T* values = x + n;
    const W* at = parameters;
    __syncthreads();
    if (shape.depth) values = hidden(shape, at, values + (lane < count ? lane : 0), rows, known.values, note_layer);
    // Rows that a last tile lacks are zero, and so change nothing.
    T a[ROWS];
    UNROLL for (int i = 0; i < ROWS; i++) {
      a[i] = k == bias && i < count;
      if (k < bias && i < count) a[i] = values[k * (shape.depth ? STRIDE : (long long)rows) + i];
      if (k == bias + 1 && i < count) a[i] = y[n + i];
    }
    fold(a, bias + 2, known);
  }
}

// Adds rows to what is known of all models: triangles [models][columns][columns], highest and saturated [models][units].
template <class W>
DEV void observe_all(const Shape& shape, const T* x, const T* y, int rows, const W* parameters, T* triangles, T* highest,
                     T* saturated) {
  SHARED(s);
  const int k = threadIdx.x, columns = shape.features() + 2;
  const Known known(s, shape, columns);
  const long long model = blockIdx.x;
  triangles += model * columns * columns, highest += model * shape.units, saturated += model * shape.units;
  for (int j = 0; j < columns; j++)
    if (k >= j && k < columns) known.triangle[place(j, k, columns)] = triangles[j * columns + k];
  for (int u = k; u < shape.units; u += blockDim.x) known.highest[u] = highest[u], known.saturated[u] = saturated[u];

  observe(shape, x, y, rows, parameters + model * shape.parameters, known);

  __syncthreads();
  for (int j = 0; j < columns; j++)
    if (k >= j && k < columns) triangles[j * columns + k] = known.triangle[place(j, k, columns)];
  for (int u = k; u < shape.units; u += blockDim.x) highest[u] = known.highest[u], saturated[u] = known.saturated[u];
}
#define OBSERVE(NAME, W)                                                                                           \
  extern "C" __global__ void __launch_bounds__(MOST_THREADS)                                                       \
  NAME(const int* shape, const T* x, const T* y, int rows, const W* parameters, T* triangles, T* highest, T* saturated) { \
    observe_all(Shape(shape), x, y, rows, parameters, triangles, highest, saturated);                              \
  }
OBSERVE(observe_float32, float)
OBSERVE(observe_float64, double)

// Makes two rows orthogonal, of which the longer one becomes the first. Returns whether they weren't.
DEV bool rotate(T* a, T* b, int size) {
  T aa = 0, ab = 0, bb = 0;
  for (int k = 0; k < size; k++) aa = fma(a[k], a[k], aa), ab = fma(a[k], b[k], ab), bb = fma(b[k], b[k], bb);
  if (!(functions::absolute(ab) > EPSILON * size * (sqrt(aa) * sqrt(bb)))) return false;  // also for NaN
  const T zeta = (bb - aa) / (ab + ab);  // the smaller of the two angles (Rutishauser 1966)
  const T tangent = functions::with_sign_of(zeta, 1.0 / (functions::absolute(zeta) + sqrt(fma(zeta, zeta, 1.0))));
  const T cosine = 1.0 / sqrt(fma(tangent, tangent, 1.0)), sine = cosine * tangent;
  for (int k = 0; k <= size; k++) {
    const T first = fma(cosine, a[k], -(sine * b[k])), second = fma(sine, a[k], cosine * b[k]);
    a[k] = bb > aa ? second : first, b[k] = bb > aa ? first : second;
  }
  return true;
}

// Rotates each pair of rows once. Returns whether any weren't orthogonal.
DEV bool sweep(T* r, int size, int length, int* rotated) {
  bool any = false;
  for (int sum = 1; sum <= 2 * size - 3; sum++) {
    const int i = threadIdx.x + (sum < size ? 0 : sum - size + 1), j = sum - i;
    if (i < j) any |= rotate(r + i * length, r + j * length, size);
    __syncthreads();
  }
  if (any) *rotated = 1;
  __syncthreads();
  any = *rotated;
  __syncthreads();
  if (threadIdx.x == 0) *rotated = 0;
  return any;
}

// Writes the readout of rows that are orthogonal: they are the right singular vectors times their singular values.
DEV void answer(const T* r, int size, int length, T least_share, T* squares, T* readout) {
  for (int i = threadIdx.x; i < size; i += blockDim.x) {
    squares[i] = 0;
    for (int k = 0; k < size; k++) squares[i] = fma(r[i * length + k], r[i * length + k], squares[i]);
  }
  __syncthreads();
  T largest = 0;
  for (int i = 0; i < size; i++) largest = squares[i] > largest ? squares[i] : largest;
  const T least = least_share * sqrt(largest);
  for (int k = threadIdx.x; k < size; k += blockDim.x) {
    T sum = 0;
    for (int i = 0; i < size; i++) {
      const T factor = sqrt(squares[i]) <= least ? 0.0 : r[i * length + size] / squares[i];
      sum = fma(r[i * length + k], factor + (largest - largest), sum);
    }
    readout[k] = sum;
  }
}

// Writes the readouts [models][columns - 1] of triangles of so many rows; NaN for a triangle that isn't finite.
extern "C" __global__ void __launch_bounds__(MOST_THREADS)
solve(long long rows, int columns, const T* triangles, T* readout) {
  SHARED(s);
  const long long model = blockIdx.x;
  const int size = columns - 1, length = columns | 1;  // odd, so that threads at the same place of their rows don't conflict
  T *r = s, *squares = s + size * length;
  int *rotated = reinterpret_cast<int*>(squares + size), *is_infinite = rotated + 1;
  triangles += model * columns * columns, readout += model * size;
  if (threadIdx.x == 0) *rotated = *is_infinite = 0;
  __syncthreads();
  for (int at = threadIdx.x; at < columns * columns; at += blockDim.x) {
    const T number = triangles[at];
    if (at < size * columns) r[at / columns * length + at % columns] = number;
    if (number - number != 0) *is_infinite = 1;
  }
  __syncthreads();
  if (*is_infinite) {
    for (int k = threadIdx.x; k < size; k += blockDim.x) readout[k] = number_of(0x7ff8000000000000ll);
    return;
  }
  for (int count = 0; count < SWEEPS && sweep(r, size, length, rotated);) count++;
  answer(r, size, length, EPSILON * T(rows > size ? rows : size), squares, readout);
}
