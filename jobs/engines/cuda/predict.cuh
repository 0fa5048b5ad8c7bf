// The kernel `predict`: the predictions of all models, one per block, or one per column of blocks, which share the rows.

constexpr int OWN_ROWS = GROUPS * ROWS;  // of all lanes, at a time

// Continues where a tile's activations of the last hidden layer are known.
struct Predictions {
  const T* s;
  const Lane& t;
  T* out;
  int rows;
  template <int N>
  DEV void operator()(T (&h)[ROWS][N]) const {
    T w[N], z[ROWS];
    get_output_weights<N / 4>(w, s, t);
    output<N / 4>(z, h, w, s[VECTORS_AT + OUT_BIAS_AT]);
    UNROLL for (int j = 0; j < ROWS; j++) {
      const int row = t.group * ROWS + j;
      if (t.column == 0 && row < rows) out[row] = Output::forward(z[j], nullptr);
    }
  }
};

template <int l>
DEV void load_matrices(T* s, const T* parameters) {
  if constexpr (l < NH) {
    constexpr int COUNT = inputs_of(l) * hidden(l);
    for (int i = threadIdx.x; i < COUNT; i += THREADS) {
      const int row = i / hidden(l), column = i % hidden(l);
      s[weights_at(l) + row / 4 * weight_words(l) + row % 4 * padded(l) + column] = parameters[flat_weights(l) + i];
    }
    load_matrices<l + 1>(s, parameters);
  }
}

DEV void load_rows(T* s, const T* x, int rows) {
  for (int i = threadIdx.x; i < OWN_ROWS * XS; i += THREADS) {
    const int row = i / XS, column = i % XS;
    T* const to = s + X_AT + (FEW ? i : row / ROWS * lane_words(-1) + row % ROWS * XS + column);
    *to = row < rows ? x[i] : T(0);
  }
}

// x [rows][XS], out [models][rows]. A grid of models, and as many blocks as wanted for a model's rows.
extern "C" __global__ void __launch_bounds__(THREADS)
predict(const T* x, int rows, const T* parameters, T* out) {
  SHARED(s);
  const Lane t = this_lane();
  parameters += (long long)blockIdx.x * PARAMETERS, out += (long long)blockIdx.x * rows;
  for (int i = threadIdx.x; i < PREDICT_WORDS; i += THREADS) s[i] = T(0);
  sync_model();
  for (int i = threadIdx.x; i < LOSS_AT; i += THREADS)
    if (flat_of(i) >= 0) s[VECTORS_AT + i] = parameters[flat_of(i)];
  load_matrices<FIRST>(s, parameters);
  for (int first = int(blockIdx.y) * OWN_ROWS; first < rows; first += int(gridDim.y) * OWN_ROWS) {
    sync_model();
    load_rows(s, x + (long long)first * XS, rows - first);
    sync_model();
    forward_from<0, false>(s, Batch{s + X_AT, T(0), 0, true}, t, Predictions{s, t, out + first, rows - first});
  }
}
