// The kernel `answer`: predictions in float64, to the bits of lanes: there the output layer is in lanes/output.h.
// Concatenated after features.cuh.

constexpr int PARTS = 8;  // of the sum over the features of a row, as in lanes/sums.h

// The output of the row in this lane, from its features h [count][step] and their weights.
DEV T output(const T* h, long long step, const T* w, int count) {
  T part[PARTS] = {};
  for (int first = 0; first < count; first += PARTS)
    UNROLL for (int i = 0; i < PARTS; i++)
      if (first + i < count) part[i] = fma(h[(first + i) * step], w[first + i], part[i]);
  UNROLL for (int half = PARTS / 2; half > 0; half /= 2)
    UNROLL for (int i = 0; i < half; i++) part[i] += part[i + half];
  T slope;
  return outputs::OUTPUT::forward(part[0] + T(0) + w[count], &slope);
}

// Writes the predictions out [models][rows] of rows x [inputs][rows]. A grid of models, and of blocks that share their rows.
extern "C" __global__ void __launch_bounds__(MOST_THREADS)
answer(const int* numbers, const T* x, int rows, const T* parameters, T* out) {
  SHARED(values);
  const Shape shape(numbers);
  const int lane = threadIdx.x % 32;
  parameters += (long long)blockIdx.x * shape.parameters, out += (long long)blockIdx.x * rows;
  for (int n = int(blockIdx.y) * ROWS; n < rows; n += int(gridDim.y) * ROWS) {
    const T *w = parameters, *h = x + n + (n + lane < rows ? lane : 0);
    if (shape.depth) h = hidden(shape, w, h, rows, values, [](const T*, int, int) {}) + lane;
    const long long step = shape.depth ? STRIDE : rows;
    if (threadIdx.x < 32 && n + lane < rows) out[n + lane] = output(h, step, w, shape.features());
    __syncthreads();
  }
}
