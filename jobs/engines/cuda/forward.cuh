// The forward pass: what a warp does with its rows alone, from the inputs to the last hidden layer, and the output's sum.

// The rows of a tile, and how they count.
struct Batch {
  const T* x;  // inputs, in shared memory
  T scale;     // of the gradients
  int rows;    // that are real
  bool first;  // tile of its batch
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
