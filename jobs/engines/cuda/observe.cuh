// The kernels `observe`: what the hidden layers of models do on rows, as in lanes/readout.h, with one model per block and to the
// same bits. There the algorithm is explained; here is what is done at the same time.
//
// Each thread holds one column of 32 rows in registers, and the threads reflect them onto the triangle, column by column. A
// triangle has a column for each feature of a row, one for the 1 of the bias, and the target. Concatenated after features.cuh.

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
    const long long step = shape.depth ? STRIDE : rows;
    T a[ROWS];
    UNROLL for (int i = 0; i < ROWS; i++) {
      a[i] = k == bias && i < count;
      if (k < bias && i < count) a[i] = values[k * step + i];
      if (k == bias + 1 && i < count) a[i] = y[n + i];
    }
    fold(a, bias + 2, known);
  }
}

// Adds rows to what is known of all models: triangles [models][columns][columns], highest and saturated [models][units].
template <class W>
DEV void observe_all(const Shape& shape, const T* x, const T* y, int rows, const W* parameters, T* triangles, T* highest,
                     T* saturated, T* s) {
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
#define OBSERVE(NAME, W)                                                                                                  \
  extern "C" __global__ void __launch_bounds__(MOST_THREADS)                                                              \
  NAME(const int* shape, const T* x, const T* y, int rows, const W* parameters, T* triangles, T* highest, T* saturated) { \
    SHARED(s);                                                                                                            \
    observe_all(Shape(shape), x, y, rows, parameters, triangles, highest, saturated, s);                                  \
  }
OBSERVE(observe_float32, float)
OBSERVE(observe_float64, double)
