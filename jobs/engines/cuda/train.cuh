// The kernel `train`: many optimizer steps of one model per block, and `info` about it.
//
// A step needs all threads of a model twice: after the rows, before the gradients of the matrices; and after the update. No
// atomics, and every sum in a fixed order: a model's bits depend neither on the other blocks nor on where a launch ends.

// The arrays of the rows: x [steps][BP][XS], y [steps][BP], zeros beyond the rows of a batch.
struct Feed {
  const T *x, *y;
};

// Begins to copy a tile of a step to shared memory.
DEV void fetch(T* s, T* x_to, const Feed& feed, int step, int tile) {
  constexpr int ROW_PIECES = FEW ? 1 : XS / PIECE;
  const int first = tile * TILE_ROWS, rows = TILES == 1 || BP - first > TILE_ROWS ? TILE_ROWS : BP - first;
  const int x_pieces = rows * XS / PIECE, pieces = x_pieces + rows / PIECE;
  const T* x = feed.x + ((long long)step * BP + first) * XS;
  const T* y = feed.y + (long long)step * BP + first;
  UNROLL for (int round = 0; round < ceil_div(TILE_ROWS * (XS + 1) / PIECE, THREADS); round++) {
    const int i = int(threadIdx.x) + round * THREADS;
    if (i >= pieces) break;
    T* to = s + Y_AT + PIECE * (i - x_pieces);
    if (i < x_pieces) {
      if constexpr (FEW) {
        to = x_to + PIECE * i;
      } else {
        const int row = i / ROW_PIECES;
        to = x_to + row / ROWS * lane_words(-1) + row % ROWS * XS + PIECE * (i % ROW_PIECES);
      }
    }
    copy_piece(to, i < x_pieces ? x + PIECE * i : y + PIECE * (i - x_pieces));
  }
}

// The sum of the gradient of number i of the vectors, or of the loss, in a fixed order.
DEV T sum_of_warps(const T* s, int i) {
  T sum = T(0);
  UNROLL for (int w = 0; w < WARPS; w++) sum += s[PARTS_AT + w * VECTOR_WORDS + i];
  return sum;
}

// The vectors of a model, of which each thread has every THREADS-th, with their optimizer state.
struct Vectors {
  T state[2][VECTOR_ROUNDS];

  DEV void load(T* s, const Model& model) {
    UNROLL for (int round = 0; round < VECTOR_ROUNDS; round++) {
      const int i = int(threadIdx.x) + round * THREADS, flat = flat_of(i);
      UNROLL for (int k = 0; k < STATE; k++) state[k][round] = flat >= 0 ? model.state[k][flat] : T(0);
      if (flat >= 0) s[VECTORS_AT + i] = model.parameters[flat];
    }
  }

  DEV void save(const T* s, const Model& model) const {
    UNROLL for (int round = 0; round < VECTOR_ROUNDS; round++) {
      const int i = int(threadIdx.x) + round * THREADS, flat = flat_of(i);
      if (flat >= 0) {
        model.parameters[flat] = s[VECTORS_AT + i];
        UNROLL for (int k = 0; k < STATE; k++) model.state[k][flat] = state[k][round];
      }
    }
  }

  DEV void update(T* s, const Rate& rate) {
    UNROLL for (int round = 0; round < VECTOR_ROUNDS; round++) {
      const int i = int(threadIdx.x) + round * THREADS;
      if (i >= LOSS_AT) break;
      T w = s[VECTORS_AT + i];
      update_parameter(w, sum_of_warps(s, i), state[0][round], state[1][round], rate);
      s[VECTORS_AT + i] = w;
    }
  }
};

// steps [count][4]: Adam's first and second correction, the scale of the gradients, rows. The rest is as in lanes/lanes.cpp.
extern "C" __global__ void __launch_bounds__(THREADS, MINB)
train(const T* x, const T* y, const T* steps, const double* lr_factors, const int* points, int count, double epoch_rows,
      const double* lr, const double* decay, T* parameters, T* state0, T* state1, long long* finite, double* losses,
      int curve_points, T* far) {
  SHARED(s);
  const Lane t = this_lane();
  const long long block = blockIdx.x;
  const Model model{parameters + block * PARAMETERS, {STATE > 0 ? state0 + block * PARAMETERS : nullptr,
                                                      STATE > 1 ? state1 + block * PARAMETERS : nullptr}};
  if constexpr (FAR) far += block * far_at(NH);
  const Feed feed{x, y};

  // What nothing writes stays zero: padding, and the rows beyond a batch.
  for (int i = threadIdx.x; i < TRAIN_WORDS; i += THREADS) s[i] = T(0);
  sync_model();
  Kept<FIRST> kept;
  Vectors vectors;
  if constexpr (NH > FIRST) carry_from<FIRST, false>(s, t, kept, far, model);
  vectors.load(s, model);
  const double own_lr = lr[block];
  const T own_decay = HAS_DECAY ? T(decay[block]) : T(0);
  T *x_now = s + X_AT, *x_next = s + X_AT + (X_BUFFERS - 1) * X_WORDS;
  const bool has_loss = threadIdx.x == LOSS_AT % THREADS;
  int good = 0;
  if (count) fetch(s, x_now, feed, 0, 0);
  copied();
  sync_model();

  NO_UNROLL for (int step = 0; step < count; step++) {
    T now[4];
    get4(now, steps + 4 * (long long)step);
    const double factor = lr_factors[step];  // read this early, since it takes its time
    const int point = points[step];
    const int rows = int(now[3]), tiles = TILES == 1 ? 1 : ceil_div(rows, TILE_ROWS);
    NO_UNROLL for (int tile = 0; tile < tiles; tile++) {
      const bool first_tile = TILES == 1 || tile == 0, last_tile = TILES == 1 || tile == tiles - 1;
      const int left = rows - tile * TILE_ROWS;
      rows_through(s, Batch{x_now, now[2], last_tile ? left : TILE_ROWS, first_tile}, t);
      sync_model();
      if (!last_tile)
        fetch(s, x_next, feed, step, tile + 1);
      else if (step + 1 < count)
        fetch(s, x_next, feed, step + 1, 0);
      const Rate rate = rate_of(now, own_lr, factor, own_decay);
      if constexpr (NH > FIRST) update_from<FIRST>(s, x_now, t, kept, far, rate, first_tile, last_tile);
      if (last_tile) {
        vectors.update(s, rate);
        if (has_loss) {
          const T loss = sum_of_warps(s, LOSS_AT);
          good += loss - loss == T(0);  // infinity and NaN minus themselves are NaN
          if (point >= 0) losses[block * curve_points + point] += double(loss) / epoch_rows;
        }
      }
      copied();
      sync_model();
      if constexpr (X_BUFFERS > 1) {
        T* const x_read = x_now;
        x_now = x_next, x_next = x_read;
      }
    }
  }

  if constexpr (NH > FIRST) carry_from<FIRST, true>(s, t, kept, far, model);
  vectors.save(s, model);
  if (has_loss) finite[block] += good;
}

// Of `train`: shared bytes, threads, parameters, bytes of `far` per model, numbers from row to row of x, rows of a batch in
// memory; shared bytes of `predict`; arrays of state.
extern "C" __device__ const int info[8] = {TRAIN_WORDS * int(sizeof(T)), THREADS, PARAMETERS, far_at(NH) * int(sizeof(T)), XS, BP,
                                           PREDICT_WORDS * int(sizeof(T)), STATE};
