// What all threads of a model share: the gradients of the matrices, which are products over all rows, and their update.
//
// A thread has blocks of CI x 4 weights of each matrix, the same in every step, and so their optimizer state: in registers, or
// in global memory. With KS = 2 the two halves of a warp sum half of the rows each, and then update half of a block's rows.

// Rounds that are unrolled: all, if the state of their weights is in registers; else one, as more take long to compile.
HD int unrolled(int l) { return STATE && !FAR ? rounds(l) : 1; }

// The optimizer's state of a thread's weights of layer l and on, in registers.
template <int l>
struct Kept {
  T state[unrolled(l)][FAR ? 1 : CE][2][4];
  Kept<l + 1> next;
};
template <>
struct Kept<NH> {};

// A block of weights: from column 4 * column and row `row` on, which is the first of CE that the thread updates.
struct Block {
  int first_row, half, column, row;
  bool real;
};
template <int l>
DEV Block block_of(const Lane& t, int round) {
  constexpr int PER_WARP = 32 / KS, COLUMNS = padded(l) / 4, ROWS_OF_BLOCKS = padded(l - 1) / CI;
  constexpr int WIDE = COLUMNS % 8 == 0 ? 8 : COLUMNS % 4 == 0 ? 4 : COLUMNS;  // columns side by side in a warp
  const int in = t.lane % PER_WARP;
  const int place = COLUMNS % 4 == 0 && PER_WARP / WIDE >= 2 ? place_of(in, WIDE, PER_WARP) : in;
  const int n = (round * WARPS + t.warp) * PER_WARP + place;
  Block b;
  b.half = t.lane / PER_WARP, b.real = n < blocks(l);
  b.first_row = n / WIDE % ROWS_OF_BLOCKS * CI, b.row = b.first_row + b.half * CE;
  b.column = b.real ? n % WIDE + WIDE * (n / (WIDE * ROWS_OF_BLOCKS)) : 0;
  return b;
}
template <int l>
DEV T* weights_of(T* s, const Block& b, int i) {
  return s + weights_at(l) + 4 * b.column + (b.row + i) / 4 * weight_words(l) + (b.row + i) % 4 * padded(l);
}

// State in global memory, of row i of the block of a round.
template <int l>
DEV T* far_state(T* far, int round, int i, int array) {
  return far + far_at(l) + (((round * CE + i) * STATE + array) * THREADS + int(threadIdx.x)) * 4;
}
template <int l>
DEV void get_far(T (&state)[CE][2][4], T* far, int round) {
  UNROLL for (int i = 0; i < CE; i++) UNROLL for (int k = 0; k < STATE; k++) get4(state[i][k], far_state<l>(far, round, i, k));
}

// The gradient of a block: the products of inputs h and derivatives d, over the rows of all lanes, or of this half's.
template <int l>
DEV void gradient(T (&sum)[CI][4], const T* s, const T* x, const Block& b) {
  const int words = lane_words(l - 1), group = b.half * (GROUPS / KS);
  const T* h0 = (l ? s + h_at(l - 1) : x) + b.first_row + group * words;
  const T* d0 = s + d_at(l) + b.column * 4 + group * lane_words(l);
  UNROLL for (int i = 0; i < CI; i++) UNROLL for (int e = 0; e < 4; e++) sum[i][e] = T(0);
  NO_UNROLL for (int g = 0; g < GROUPS / KS; g++) UNROLL for (int j = 0; j < ROWS; j++) {
    T d[4], h[CI];
    get4(d, d0 + g * lane_words(l) + j * padded(l));
    UNROLL for (int c = 0; c < CI / 4; c++) get4(h + 4 * c, h0 + g * words + j * padded(l - 1) + 4 * c);
    UNROLL for (int i = 0; i < CI; i++) UNROLL for (int e = 0; e < 4; e++) sum[i][e] = fma(h[i], d[e], sum[i][e]);
  }
  if constexpr (KS == 2) {
    UNROLL for (int i = 0; i < CE; i++) UNROLL for (int e = 0; e < 4; e++) {
      const T send = b.half ? sum[i][e] : sum[i + CE][e], keep = b.half ? sum[i + CE][e] : sum[i][e];
      sum[i][e] = keep + __shfl_xor_sync(ALL_LANES, send, 16);
    }
  }
}

// Adds the sums of the tiles before, and keeps them for the next one unless this is the last.
template <int l>
DEV void add_tiles(T (&sum)[CI][4], T* s, int round, bool first_tile, bool last_tile) {
  UNROLL for (int i = 0; i < CE; i++) {
    T before[4], *kept = s + sums_at(l) + ((round * CE + i) * THREADS + int(threadIdx.x)) * 4;
    if (!first_tile) {
      get4(before, kept);
      UNROLL for (int e = 0; e < 4; e++) sum[i][e] = before[e] + sum[i][e];
    }
    if (!last_tile) put4(kept, sum[i]);
  }
}

// Gradients of the matrices from layer l on, and, after the last tile of a batch, their update.
template <int l>
DEV void update_from(T* s, const T* x, const Lane& t, Kept<l>& kept, T* far, const Rate& rate, bool first_tile,
                     bool last_tile) {
  UNROLL_TIMES(unrolled(l)) for (int round = 0; round < rounds(l); round++) {
    const Block b = block_of<l>(t, round);
    T sum[CI][4];
    if (KS > 1 || b.real) {  // all lanes of a warp take part in a shuffle
      T state[CE][2][4];
      if (FAR) get_far<l>(state, far, round);
      gradient<l>(sum, s, x, b);
      if constexpr (TILES > 1) add_tiles<l>(sum, s, round, first_tile, last_tile);
      if (b.real && last_tile) UNROLL for (int i = 0; i < CE; i++) {
        T w[4], *at = weights_of<l>(s, b, i);
        get4(w, at);
        UNROLL for (int e = 0; e < 4; e++) {
          T(&own)[2][4] = FAR || !STATE ? state[i] : kept.state[round][i];
          update_parameter(w[e], sum[i][e], own[0][e], own[1][e], rate);
        }
        if constexpr (FAR) UNROLL for (int k = 0; k < STATE; k++) put4(far_state<l>(far, round, i, k), state[i][k]);
        put4(at, w);
      }
    }
  }
  if constexpr (l + 1 < NH) update_from<l + 1>(s, x, t, kept.next, far, rate, first_tile, last_tile);
}

// The flat arrays of one model.
struct Model {
  T *parameters, *state[2];
};

// Copies the matrices from layer l on, and their state, from the model's arrays, or back to them.
template <int l, bool SAVES>
DEV void carry_from(T* s, const Lane& t, Kept<l>& kept, T* far, const Model& model) {
  UNROLL_TIMES(unrolled(l)) for (int round = 0; round < rounds(l); round++) {
    const Block b = block_of<l>(t, round);
    if (!b.real) continue;
    UNROLL for (int i = 0; i < CE; i++) {
      T* w = weights_of<l>(s, b, i);
      T state[2][4];
      if constexpr (FAR && SAVES) UNROLL for (int k = 0; k < STATE; k++) get4(state[k], far_state<l>(far, round, i, k));
      UNROLL for (int e = 0; e < 4; e++) {
        const int row = b.row + i, column = 4 * b.column + e, flat = flat_weights(l) + row * hidden(l) + column;
        const bool real = row < inputs_of(l) && column < hidden(l);
        T(&own)[2][4] = FAR || !STATE ? state : kept.state[round][i];
        if constexpr (SAVES) {
          if (real) {
            model.parameters[flat] = w[e];
            UNROLL for (int k = 0; k < STATE; k++) model.state[k][flat] = own[k][e];
          }
        } else {
          w[e] = real ? model.parameters[flat] : T(0);
          UNROLL for (int k = 0; k < STATE; k++) own[k][e] = real ? model.state[k][flat] : T(0);
        }
      }
      if constexpr (FAR && !SAVES) UNROLL for (int k = 0; k < STATE; k++) put4(far_state<l>(far, round, i, k), state[k]);
    }
  }
  if constexpr (l + 1 < NH) carry_from<l + 1, SAVES>(s, t, kept.next, far, model);
}
