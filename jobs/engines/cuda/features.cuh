// The hidden layers of models in float64, with one model per block: the same sums in the same order as in lanes/product.h, so
// that both give the same bits. Only numbers below the smallest normal one may differ, which lanes takes for zero.
//
// Each warp computes some units for 32 rows, a row in each lane. Shapes come at run time, so that all of them share a module.
// Concatenated after activations.cuh and what that needs, for T double. The other macros are ACTIVATION and OUTPUT.

constexpr int ROWS = 32;          // that are computed at a time; FOLD_ROWS of lanes/wide.h
constexpr int STRIDE = ROWS + 1;  // of the values of a unit: odd, so that neither lanes of a row nor those of a unit conflict
constexpr int BLOCK = 4;          // units that a lane computes at a time
constexpr int MOST_THREADS = 128;

// A network, by the numbers that engines/cuda/exact.py writes: `width` has the inputs, and then the units of each layer.
struct Shape {
  int depth, units, widest, parameters;
  const int* width;

  DEV explicit Shape(const int* from) : depth(from[0]), units(from[1]), widest(from[2]), parameters(from[3]), width(from + 4) {}
  DEV int features() const { return width[depth]; }  // of a row: values of the last hidden layer, or the inputs
};

// Computes the units of a layer for 32 rows, one in each lane, from the values of the layer below: `from` [inputs][step].
template <class W>
DEV void compute(const W* w, int inputs, int outputs, const T* from, long long step, T* to) {
  const W* bias = w + inputs * outputs;
  for (int c = threadIdx.x / 32 * BLOCK; c < outputs; c += blockDim.x / 32 * BLOCK) {
    T z[BLOCK], slope;
    UNROLL for (int u = 0; u < BLOCK; u++) z[u] = c + u < outputs ? T(bias[c + u]) : 0.0;
    for (int k = 0; k < inputs; k++) {
      const T h = from[k * step];
      UNROLL for (int u = 0; u < BLOCK; u++)
        if (c + u < outputs) z[u] = fma(h, T(w[k * outputs + c + u]), z[u]);
    }
    UNROLL for (int u = 0; u < BLOCK; u++)
      if (c + u < outputs) to[(c + u) * STRIDE + threadIdx.x % 32] = activations::ACTIVATION::forward(z[u], &slope);
  }
}

// Computes all hidden layers for 32 rows, from x [inputs][step] on, and calls each(values, units, first unit) for each of them;
// returns the values [units][STRIDE] of the last one. `parameters` are left at those of the output layer.
template <class W, class Each>
DEV const T* hidden(const Shape& shape, const W*& parameters, const T* x, long long step, T* values, Each each) {
  T* to = nullptr;
  for (int l = 1, unit = 0; l <= shape.depth; l++) {
    const int inputs = shape.width[l - 1], outputs = shape.width[l];
    to = values + (l % 2 ? 0 : STRIDE * shape.widest);
    compute(parameters, inputs, outputs, x, step, to);
    __syncthreads();
    each(to, outputs, unit);
    parameters += (inputs + 1) * outputs, unit += outputs;
    x = to + threadIdx.x % 32, step = STRIDE;
  }
  return to;
}
