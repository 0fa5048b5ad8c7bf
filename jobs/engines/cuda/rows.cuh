// What a warp does with its rows alone: the forward pass, the loss, and the backward pass down to the first layer. Sums over
// rows that vectors need (biases, last layer, few inputs) are left in the warp's part of the gradient; those of the
// matrices are update.cuh's.

// The rows of a tile, and how they count.
struct Batch {
  const T* x;  // inputs, in shared memory
  T scale;     // of the gradients
  int rows;    // that are real
  bool first;  // tile of the batch
};

template <int l>
DEV const T* lane_h(const T* s, const Batch& batch, const Lane& t) {
  if constexpr (l < 0)
    return batch.x + t.group * lane_words(-1);
  else
    return s + h_at(l) + t.group * lane_words(l);
}
template <int l>
DEV T* lane_d(T* s, const Lane& t) {
  return s + d_at(l) + t.group * lane_words(l);
}

// z = H W + b for this lane's rows and units, inputs in ascending order.
template <int l>
DEV void forward(T (&z)[ROWS][4 * vectors(l)], const T* s, const Batch& batch, const Lane& t) {
  const T *h0 = lane_h<l - 1>(s, batch, t), *w0 = s + weights_at(l) + 4 * t.column;
  UNROLL for (int q = 0; q < vectors(l); q++) {
    T b[4];
    get4(b, s + VECTORS_AT + bias_at(l) + 4 * (t.column + LC * q));
    UNROLL for (int j = 0; j < ROWS; j++) UNROLL for (int e = 0; e < 4; e++) z[j][4 * q + e] = b[e];
  }
  NO_UNROLL for (int k = 0; k < fours(l - 1); k++) {
    T h[ROWS][4];
    UNROLL for (int j = 0; j < ROWS; j++) get4(h[j], h0 + j * padded(l - 1) + 4 * k);
    UNROLL for (int e = 0; e < 4; e++) UNROLL for (int q = 0; q < vectors(l); q++) {
      T w[4];
      get4(w, w0 + k * weight_words(l) + e * padded(l) + 4 * LC * q);
      UNROLL for (int j = 0; j < ROWS; j++) UNROLL for (int f = 0; f < 4; f++)
        z[j][4 * q + f] = fma(h[j][e], w[f], z[j][4 * q + f]);
    }
  }
}

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

template <int N>
DEV void put_rows(T* to, const T (&v)[ROWS][N], int width, const Lane& t) {
  UNROLL for (int j = 0; j < ROWS; j++) UNROLL for (int q = 0; q < N / 4; q++)
    put4(to + j * width + 4 * (t.column + LC * q), v[j] + 4 * q);
}

// Replaces pre-activations by activations. Their slopes, if they are kept, go where the derivatives will be. A unit that pads
// the layer is zero.
template <int l, bool TRAINS>
DEV void activate(T (&z)[ROWS][4 * vectors(l)], T* s, const Lane& t) {
  UNROLL for (int j = 0; j < ROWS; j++) UNROLL for (int q = 0; q < vectors(l); q++) {
    T slope[4];
    UNROLL for (int e = 0; e < 4; e++) {
      T& h = z[j][4 * q + e];
      h = Activation::forward(h, slope + e);
      if constexpr (Activation::AT_ZERO)
        if (4 * LC * (q + 1) > hidden(l)) h = 4 * (t.column + LC * q) + e < hidden(l) ? h : T(0);
    }
    if constexpr (KEEPS_SLOPE && TRAINS) put4(lane_d<l>(s, t) + j * padded(l) + 4 * (t.column + LC * q), slope);
  }
}

// Reads what the derivative of 4 units follows from: their activations, or slopes.
template <int l>
DEV void get_slopes(T* v, T* s, const Batch& batch, const Lane& t, int j, int q) {
  const T* from = KEEPS_SLOPE ? lane_d<l>(s, t) : lane_h<l>(s, batch, t);
  get4(v, from + j * padded(l) + 4 * (t.column + LC * q));
}

// The pre-activations of the output, of this lane's rows.
template <int Q>
DEV void output(T (&out)[ROWS], const T (&h)[ROWS][4 * Q], const T (&w)[4 * Q], T bias) {
  UNROLL for (int j = 0; j < ROWS; j++) {
    out[j] = T(0);
    UNROLL for (int c = 0; c < 4 * Q; c++) out[j] = fma(h[j][c], w[c], out[j]);
  }
  UNROLL for (int b = 0; (1 << b) < LC; b++) UNROLL for (int j = 0; j < ROWS; j++)
    out[j] += __shfl_xor_sync(ALL_LANES, out[j], 1 << column_bit(b));
  UNROLL for (int j = 0; j < ROWS; j++) out[j] = out[j] + bias;
}
template <int Q>
DEV void get_output_weights(T (&w)[4 * Q], const T* s, const Lane& t) {
  UNROLL for (int q = 0; q < Q; q++) get4(w + 4 * q, s + VECTORS_AT + OUT_AT + 4 * (t.column + LC * q));
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
  // A first layer of few inputs has its sums put by first_sums: added to those of earlier tiles, they must not be put twice.
  UNROLL for (int i = 0; i < SETS; i++) at[i] = i == 0 ? OUT_AT : i == 1 && l >= FIRST ? bias_at(l) : -1;
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

// Few inputs: the sums of the gradient of the first layer.
template <int Q>
DEV void first_sums(const T (&d)[ROWS][4 * Q], T* s, const Batch& batch, const Lane& t) {
  constexpr int SETS = sets(NIN + 1, Q);
  T v[SETS * 4 * Q];
  int at[SETS];
  UNROLL for (int i = 0; i < SETS; i++) at[i] = i < NIN ? i * padded(0) : i == NIN ? bias_at(0) : -1;
  UNROLL for (int c = 0; c < SETS * 4 * Q; c++) v[c] = T(0);
  UNROLL for (int j = 0; j < ROWS; j++) {
    T x[NIN];
    UNROLL for (int i = 0; i < NIN; i++) x[i] = batch.x[(t.group * ROWS + j) * NIN + i];
    UNROLL for (int c = 0; c < 4 * Q; c++) {
      UNROLL for (int i = 0; i < NIN; i++) v[i * 4 * Q + c] = fma(d[j][c], x[i], v[i * 4 * Q + c]);
      v[NIN * 4 * Q + c] += d[j][c];
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

// The activations of the first hidden layer, with few inputs.
template <bool TRAINS>
DEV void first_layer(T (&h)[ROWS][4 * vectors(0)], T* s, const Batch& batch, const Lane& t) {
  constexpr int Q = vectors(0);
  T w[NIN][4 * Q], b[4 * Q];
  UNROLL for (int q = 0; q < Q; q++) {
    get4(b + 4 * q, s + VECTORS_AT + bias_at(0) + 4 * (t.column + LC * q));
    UNROLL for (int i = 0; i < NIN; i++) get4(w[i] + 4 * q, s + VECTORS_AT + i * padded(0) + 4 * (t.column + LC * q));
  }
  UNROLL for (int j = 0; j < ROWS; j++) {
    T x[NIN];
    UNROLL for (int i = 0; i < NIN; i++) x[i] = batch.x[(t.group * ROWS + j) * NIN + i];
    UNROLL for (int c = 0; c < 4 * Q; c++) {
      h[j][c] = b[c];
      UNROLL for (int i = 0; i < NIN; i++) h[j][c] = fma(x[i], w[i][c], h[j][c]);
    }
  }
  activate<0, TRAINS>(h, s, t);
}

// From the activations of layer l - 1 to the last hidden layer's, which `last` gets.
template <int l, bool TRAINS, class Last>
DEV void forward_from(T* s, const Batch& batch, const Lane& t, const Last& last) {
  T h[ROWS][4 * vectors(l)];
  if constexpr (l < FIRST) {
    first_layer<TRAINS>(h, s, batch, t);
  } else {
    forward<l>(h, s, batch, t);
    activate<l, TRAINS>(h, s, t);
  }
  if constexpr (l == NH - 1) {
    last(h);
  } else {
    put_rows<4 * vectors(l)>(s + h_at(l) + t.group * lane_words(l), h, padded(l), t);
    __syncwarp();
    forward_from<l + 1, TRAINS>(s, batch, t, last);
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
