// The shape of a network, and where its numbers lie: in the hands of the threads, in shared memory, in the flat parameters.
//
// One block trains one model. A warp's lanes form a grid: LANE_ROWS groups of lanes own rows of the batch, and the LC lanes of
// a group share the units, 4 at a time. A tile of rows is what all lanes own at once: the whole batch, unless that does not
// fit. Everything follows from these macros:
//
// NIN inputs, HIDDEN (a list) widths of NH hidden layers, BATCH rows of a full batch, TILE rows of a tile, WARPS of a model,
// LC lanes side by side along the units, CI units of the lower layer in a thread's block of a weight gradient (4 or 8), KS (1
// or 2) lane groups that share its rows, MOM 0: the optimizer's state is in registers, 1: in global memory; MINB blocks per
// multiprocessor; LANEMAP 1 interleaves the lanes.

HD int ceil_div(int a, int b) { return (a + b - 1) / b; }
HD int round_up(int a, int b) { return ceil_div(a, b) * b; }
HD int hidden(int l) {
  const int widths[] = {HIDDEN};
  return widths[l];
}

constexpr int THREADS = 32 * WARPS, LANE_ROWS = 32 / LC, GROUPS = WARPS * LANE_ROWS;
constexpr int ROWS = ceil_div(TILE < BATCH ? TILE : BATCH, GROUPS);          // of one lane, in a tile
constexpr int BP = round_up(BATCH, 4), ROWS_HELD = round_up(GROUPS * ROWS, 4);  // rows of a batch in memory; places for rows
constexpr int TILE_ROWS = GROUPS * ROWS >= BATCH ? BP : GROUPS * ROWS / 4 * 4;
constexpr int TILES = ceil_div(BATCH, TILE_ROWS);
static_assert(TILE_ROWS > 0 && TILE_ROWS <= ROWS_HELD, "a tile has 4 rows at least");
static_assert(32 % LC == 0 && GROUPS % KS == 0 && (CI == 4 || CI == 8) && (KS == 1 || KS == 2) && 4 * LC >= CI, "layout");

// With few inputs the weights of the first layer lie among the vectors, and every lane multiplies them by itself. With more
// they are a matrix like the others, whose rows are the inputs.
constexpr bool FEW = NIN <= 4;
constexpr int FIRST = FEW ? 1 : 0;                      // the first layer whose weights are a matrix
constexpr int XS = FEW ? NIN : round_up(NIN, CI);       // numbers from one row of inputs to the next
HD int vectors(int l) { return ceil_div(hidden(l), 4 * LC); }  // of 4 units of one lane
HD int padded(int l) { return l < 0 ? XS : 4 * LC * vectors(l); }
HD int inputs_of(int l) { return l ? hidden(l - 1) : NIN; }

// The words of one lane's rows of a layer: an odd number of 16 bytes, so that lanes don't meet in a bank. Likewise those of 4
// rows of weights.
HD int lane_words(int l) { return ROWS * padded(l) + (ROWS * padded(l) / PIECE % 2 ? 0 : PIECE); }
HD int weight_words(int l) { return 4 * padded(l) + PIECE; }
HD int fours(int l) { return l < 0 ? XS / 4 : ceil_div(hidden(l), 4); }  // of inputs or units

// The vectors: the weights of the first layer if its inputs are few, all biases, the last layer's weights and bias; then the
// sum of the loss.
HD int bias_at(int l) {
  int at = FEW ? NIN * padded(0) : 0;
  for (int i = 0; i < l; i++) at += padded(i);
  return at;
}
constexpr int OUT_AT = bias_at(NH), OUT_BIAS_AT = OUT_AT + padded(NH - 1), LOSS_AT = OUT_BIAS_AT + 1;
constexpr int VECTOR_WORDS = round_up(LOSS_AT + 1, 4), VECTOR_ROUNDS = ceil_div(LOSS_AT, THREADS);

// A thread's blocks of the gradient of layer l's weights: CI x 4 of [padded(l - 1), padded(l)], CE rows of which it updates.
HD int blocks(int l) { return padded(l - 1) / CI * (padded(l) / 4); }
HD int rounds(int l) { return ceil_div(blocks(l), THREADS / KS); }
constexpr int CE = CI / KS;
HD int rounds_before(int l) {
  int sum = 0;
  for (int i = FIRST; i < l; i++) sum += rounds(i);
  return sum;
}

// Shared memory, in numbers: vectors, each warp's sums of their gradient, inputs and targets of the tile, weights, activations
// of all hidden layers but the last, derivatives with respect to the pre-activations of the matrix layers, and sums of
// gradients over tiles. The place of the derivatives holds the slopes before that, if the activation keeps them.
constexpr bool KEEPS_SLOPE = Activation::KEEPS_SLOPE;
constexpr int X_WORDS = FEW ? ROWS_HELD * NIN : ceil_div(ROWS_HELD, ROWS) * lane_words(-1), X_BUFFERS = FEW ? 1 : 2;
constexpr int VECTORS_AT = 0, PARTS_AT = VECTOR_WORDS, X_AT = VECTOR_WORDS * (1 + WARPS), Y_AT = X_AT + X_BUFFERS * X_WORDS;
HD int weights_at(int l) {
  int at = Y_AT + ROWS_HELD;
  for (int i = FIRST; i < l; i++) at += padded(i - 1) / 4 * weight_words(i);
  return at;
}
HD int h_at(int l) {
  int at = weights_at(NH);
  for (int i = 0; i < l; i++) at += GROUPS * lane_words(i);
  return at;
}
constexpr int D_FIRST = KEEPS_SLOPE ? 0 : FIRST;
HD int d_at(int l) {
  int at = h_at(NH - 1);
  for (int i = D_FIRST; i < l; i++) at += GROUPS * lane_words(i);
  return at;
}
constexpr int SUMS_AT = d_at(NH > D_FIRST ? NH : D_FIRST);
constexpr int TRAIN_WORDS = SUMS_AT + (TILES > 1 ? rounds_before(NH) * CE * 4 * THREADS : 0), PREDICT_WORDS = h_at(NH - 1);
HD int sums_at(int l) { return SUMS_AT + rounds_before(l) * CE * 4 * THREADS; }

// The optimizer's state of the matrices in global memory, in numbers of one model: [block][row][array][thread][4].
constexpr bool FAR = MOM && STATE;
HD int far_at(int l) { return FAR ? rounds_before(l) * CE * STATE * THREADS * 4 : 0; }

// The flat parameters of one model: per layer its weights [I][O], row-major, then its bias [O].
HD int flat_weights(int l) {
  int at = 0;
  for (int i = 0; i < l; i++) at += (inputs_of(i) + 1) * hidden(i);
  return at;
}
HD int flat_bias(int l) { return flat_weights(l) + inputs_of(l) * hidden(l); }
constexpr int PARAMETERS = flat_weights(NH) + hidden(NH - 1) + 1;

// The place of number i of the vectors among the flat parameters, or -1 if it is none of them.
DEV int flat_of(int i) {
  if (i >= OUT_BIAS_AT) return i == OUT_BIAS_AT ? PARAMETERS - 1 : -1;
  if (i >= OUT_AT) return i - OUT_AT < hidden(NH - 1) ? flat_weights(NH) + i - OUT_AT : -1;
  UNROLL for (int l = NH - 1; l >= 0; l--)
    if (i >= bias_at(l)) return i - bias_at(l) < hidden(l) ? flat_bias(l) + i - bias_at(l) : -1;
  return i % padded(0) < hidden(0) ? i / padded(0) * hidden(0) + i % padded(0) : -1;
}
