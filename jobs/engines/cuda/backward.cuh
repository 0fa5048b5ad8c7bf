// The loss and the backward pass, down to the first layer, of the rows of each warp. Sums over rows that vectors need (biases,
// last layer, few inputs) are left in the warp's part of the gradient; those of the matrices are update.cuh's.

// d = D W' for this lane's rows and units of the layer below.
template <int l>
DEV void backward(T (&d)[ROWS][4 * vectors(l - 1)], T* s, const Lane& t) {
  const T *d0 = lane_d<l>(s, t), *w0 = s + weights_at(l) + t.column * weight_words(l);
  UNROLL for (int j = 0; j < ROWS; j++) UNROLL for (int c = 0; c < 4 * vectors(l - 1); c++) d[j][c] = T(0);
  NO_UNROLL for (int k = 0; k < fours(l); k++) {
    T u[ROWS][4];
    UNROLL for (int j = 0; j < ROWS; j++) get4(u[j], d0 + j * padded(l) + 4 * k);
    UNROLL for (int q = 0; q < vectors(l - 1); q++) UNROLL for (int e = 0; e < 4; e++) {
      T w[4];
      get4(w, w0 + LC * q * weight_words(l) + e * padded(l) + 4 * k);
      UNROLL for (int f = 0; f < 4; f++) UNROLL for (int j = 0; j < ROWS; j++)
        d[j][4 * q + e] = fma(u[j][f], w[f], d[j][4 * q + e]);
    }
  }
}

// Reads what the derivative of 4 units follows from: their activations, or slopes.
template <int l>
DEV void get_slopes(T* v, T* s, const Batch& batch, const Lane& t, int j, int q) {
  const T* from = KEEPS_SLOPE ? lane_d<l>(s, t) : lane_h<l>(s, batch, t);
  get4(v, from + j * padded(l) + 4 * (t.column + LC * q));
}

// The last hidden layer's activations become the derivatives of its pre-activations; the sums of the output's gradient are put.
template <int Q>
DEV void head(T (&z)[ROWS][4 * Q], T* s, const Batch& batch, const Lane& t) {
  constexpr int SETS = sets(2, Q), l = NH - 1;
  T* part = s + PARTS_AT + t.warp * VECTOR_WORDS;
  T w[4 * Q], d[ROWS], v[SETS * 4 * Q], loss = T(0), bias = T(0);
  get_output_weights<Q>(w, s, t);
  output<Q>(d, z, w, s[VECTORS_AT + OUT_BIAS_AT]);
  UNROLL for (int j = 0; j < ROWS; j++) {
    const int r = t.group * ROWS + j;
    d[j] = derivative(d[j], s[Y_AT + r], batch.scale, r < batch.rows, loss);
    bias += d[j];
  }
  int at[SETS];
  UNROLL for (int i = 0; i < SETS; i++) at[i] = i == 0 ? OUT_AT : i == 1 ? bias_at(l) : -1;
  UNROLL for (int c = 0; c < SETS * 4 * Q; c++) v[c] = T(0);
  UNROLL for (int q = 0; q < Q; q++) UNROLL for (int j = 0; j < ROWS; j++) {
    T slope[4];
    if constexpr (KEEPS_SLOPE) get_slopes<l>(slope, s, batch, t, j, q);
    UNROLL for (int e = 0; e < 4; e++) {
      const int c = 4 * q + e;
      v[c] = fma(z[j][c], d[j], v[c]);
      z[j][c] = Activation::backward(d[j] * w[c], KEEPS_SLOPE ? slope[e] : z[j][c]);
      v[4 * Q + c] += z[j][c];
    }
  }
  put_sums<SETS, Q>(part, v, at, t, batch.first);
  bias = sum_over_rows(bias);
  loss = sum_over_rows(loss);
  if (t.lane == 0) {
    if constexpr (TILES > 1)
      if (!batch.first) bias += part[OUT_BIAS_AT], loss += part[LOSS_AT];
    part[OUT_BIAS_AT] = bias, part[LOSS_AT] = loss;
  }
}

// Few inputs: the sums of the gradient of the first layer. If there is no other, `head` has put those of its bias.
template <int Q>
DEV void first_sums(const T (&d)[ROWS][4 * Q], T* s, const Batch& batch, const Lane& t) {
  constexpr int SETS = sets(NIN + (NH > 1), Q);
  T v[SETS * 4 * Q];
  int at[SETS];
  UNROLL for (int i = 0; i < SETS; i++) at[i] = i < NIN ? i * padded(0) : i == NIN && NH > 1 ? bias_at(0) : -1;
  UNROLL for (int c = 0; c < SETS * 4 * Q; c++) v[c] = T(0);
  UNROLL for (int j = 0; j < ROWS; j++) {
    T x[NIN];
    UNROLL for (int i = 0; i < NIN; i++) x[i] = batch.x[(t.group * ROWS + j) * NIN + i];
    UNROLL for (int c = 0; c < 4 * Q; c++) {
      UNROLL for (int i = 0; i < NIN; i++) v[i * 4 * Q + c] = fma(d[j][c], x[i], v[i * 4 * Q + c]);
      if constexpr (NH > 1) v[NIN * 4 * Q + c] += d[j][c];
    }
  }
  put_sums<SETS, Q>(s + PARTS_AT + t.warp * VECTOR_WORDS, v, at, t, batch.first);
}

// A layer between: the sums of the gradient of its bias.
template <int l>
DEV void bias_sums(const T (&d)[ROWS][4 * vectors(l)], T* s, const Batch& batch, const Lane& t) {
  constexpr int Q = vectors(l), SETS = sets(1, Q);
  T v[SETS * 4 * Q];
  int at[SETS];
  UNROLL for (int i = 0; i < SETS; i++) at[i] = i ? -1 : bias_at(l);
  UNROLL for (int c = 0; c < SETS * 4 * Q; c++) v[c] = T(0);
  UNROLL for (int c = 0; c < 4 * Q; c++) UNROLL for (int j = 0; j < ROWS; j++) v[c] += d[j][c];
  put_sums<SETS, Q>(s + PARTS_AT + t.warp * VECTOR_WORDS, v, at, t, batch.first);
}

// From the derivatives of layer l down to the first layer.
template <int l>
DEV void back_from(T* s, const Batch& batch, const Lane& t) {
  constexpr int Q = vectors(l - 1);
  T d[ROWS][4 * Q];
  backward<l>(d, s, t);
  UNROLL for (int j = 0; j < ROWS; j++) UNROLL for (int q = 0; q < Q; q++) {
    T slope[4];
    get_slopes<l - 1>(slope, s, batch, t, j, q);
    UNROLL for (int e = 0; e < 4; e++) d[j][4 * q + e] = Activation::backward(d[j][4 * q + e], slope[e]);
  }
  if constexpr (l > FIRST) {
    put_rows<4 * Q>(lane_d<l - 1>(s, t), d, padded(l - 1), t);
    bias_sums<l - 1>(d, s, batch, t);
    if constexpr (l > 1) {
      __syncwarp();
      back_from<l - 1>(s, batch, t);
    }
  } else {
    first_sums<Q>(d, s, batch, t);
  }
}

// The last hidden layer in training: loss and derivatives.
struct Derivatives {
  T* s;
  const Batch& batch;
  const Lane& t;
  template <int N>
  DEV void operator()(T (&h)[ROWS][N]) const {
    constexpr int l = NH - 1;
    head<N / 4>(h, s, batch, t);
    if constexpr (l >= FIRST) {
      put_rows<N>(lane_d<l>(s, t), h, padded(l), t);
      __syncwarp();
    } else {
      first_sums<N / 4>(h, s, batch, t);
    }
  }
};

// Forward and backward.
DEV void rows_through(T* s, const Batch& batch, const Lane& t) {
  forward_from<0, true>(s, batch, t, Derivatives{s, batch, t});
  if constexpr (NH > 1) back_from<NH - 1>(s, batch, t);
}
