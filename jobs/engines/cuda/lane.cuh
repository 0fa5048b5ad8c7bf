// A lane's place in the grid of rows and units, and the sums over lanes that follow from it.

// The lane has rows `group` * ROWS to before the next group's, and units 4 * (column + LC * q) to 3 more, for every q.
struct Lane {
  int warp, lane, row, column, group;
};

// Reading 16 bytes takes half the time if lanes i and i ^ 1, or i ^ 2, ask for the same address: so lanes are interleaved.
HD int log2_of(int n) {
  int bits = 0;
  while (n > 1) n /= 2, bits++;
  return bits;
}
HD int row_bit(int b) { return LANEMAP ? (b ? log2_of(LC) + b : 0) : log2_of(LC) + b; }  // bit b of a lane's row, in its number
HD int column_bit(int b) { return LANEMAP && LANE_ROWS > 1 ? b + 1 : b; }

// The place of a lane of `all` in a grid that is so wide, counted along its rows.
DEV int place_of(int lane, int width, int all) {
  if (!LANEMAP || all / width < 2) return lane;
  return ((lane & 1) + 2 * ((lane >> 1) / width)) * width + (lane >> 1) % width;
}

DEV Lane this_lane() {
  Lane t;
  t.warp = threadIdx.x / 32, t.lane = threadIdx.x % 32;
  const int place = place_of(t.lane, LC, 32);
  t.row = place / LC, t.column = place % LC, t.group = t.warp * LANE_ROWS + t.row;
  return t;
}

// All threads of a model wait for each other.
DEV void sync_model() {
  if constexpr (WARPS == 1)
    __syncwarp();
  else
    __syncthreads();
}

DEV T sum_over_rows(T v) {
  UNROLL for (int b = 0; (1 << b) < LANE_ROWS; b++) v += __shfl_xor_sync(ALL_LANES, v, 1 << row_bit(b));
  return v;
}

// Sums N numbers over the lanes that share units. Each is left with N / LANE_ROWS of the sums, from the returned index on.
template <int N, int B = 0>
DEV int scatter_over_rows(T* v, const Lane& t) {
  if constexpr ((1 << B) < LANE_ROWS) {
    static_assert(N % 2 == 0, "sets of rows");
    const bool up = (t.row >> B) & 1;
    UNROLL for (int i = 0; i < N / 2; i++) {
      const T send = up ? v[i] : v[i + N / 2], keep = up ? v[i + N / 2] : v[i];
      v[i] = keep + __shfl_xor_sync(ALL_LANES, send, 1 << row_bit(B));
    }
    return (up ? N / 2 : 0) + scatter_over_rows<N / 2, B + 1>(v, t);
  }
  return 0;
}

// So many sets of Q vectors, or a few more, can be shared out among the lanes.
HD int sets(int n, int q) {
  while (n * 4 * q % LANE_ROWS) n++;
  return n;
}

// Adds sets of sums per unit, [SETS][4 Q], over the lanes, and writes them to `part`, the warp's sums of the gradient, at
// at[set]. A set that only makes the number even has -1 there. From the second tile of a batch on they are added.
template <int SETS, int Q>
DEV void put_sums(T* part, T* v, const int (&at)[SETS], const Lane& t, bool first_tile) {
  constexpr int N = SETS * Q * 4, LEFT = N / LANE_ROWS, STEP = LEFT % 4 == 0 ? 4 : 1;
  const int base = scatter_over_rows<N>(v, t);
  UNROLL for (int i = 0; i < LEFT; i += STEP) {
    const int n = base + i, set = n / (4 * Q), q = n / 4 % Q;
    int place = at[0];
    UNROLL for (int k = 1; k < SETS; k++) place = set == k ? at[k] : place;
    T* to = part + place + 4 * (t.column + LC * q) + n % 4;
    if (place < 0) continue;
    if constexpr (TILES > 1)
      if (!first_tile) UNROLL for (int k = 0; k < STEP; k++) v[i + k] += to[k];
    if constexpr (STEP == 4)
      put4(to, v + i);
    else
      *to = v[i];
  }
}
