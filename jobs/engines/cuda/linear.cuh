// Trains linear models, which have no hidden layer: one warp per model, many steps per launch. It has the kernels of
// train.cuh and predict.cuh, with the same arguments.
//
// With few inputs each lane has its own rows of the batch, and all sums are in registers. With many, 32 rows are a tile: the
// lanes share the inputs of a row to predict it; then each lane has the derivative of one row, and the gradients of its own
// inputs in shared memory. The rows are read from global memory twice; models that run at the same time find them in the cache.
//
// Macros: T, NIN, BATCH, OUTPUT, LOSS, OPTIMIZER, HAS_DECAY. It comes after optimizers.cuh.

constexpr int P = NIN + 1, XS = NIN, BP = (BATCH + 3) / 4 * 4, LANES = 32;
constexpr bool FEW = NIN <= 8;
constexpr int SHARED_NUMBERS = FEW ? 0 : 4 * P;       // weights, gradients, and the optimizer's state
constexpr int PREDICT_NUMBERS = FEW ? 0 : P;
constexpr int ROWS = 4;                                // that are predicted at a time, where the lanes share the inputs

// Shared bytes of train, threads, P, far bytes, XS, BP, shared bytes of predict, state arrays.
extern "C" __device__ const int info[8] = {SHARED_NUMBERS * int(sizeof(T)), LANES, P, 0, XS, BP, PREDICT_NUMBERS * int(sizeof(T)), STATE};

DEV T sum_of_lanes(T v) {
  UNROLL for (int distance = 16; distance; distance /= 2) v += __shfl_xor_sync(ALL_LANES, v, distance);
  return v;
}

// The pre-activation of a row, by one lane.
DEV T own_row(const T* x, const T* w) {
  T z = w[NIN];
  UNROLL for (int i = 0; i < NIN; i++) z = fma(x[i], w[i], z);
  return z;
}

// The pre-activations of the rows of a tile, by all lanes: lane n gets that of row n.
DEV T shared_rows(const T* x, const T* w, int rows, int lane) {
  T own = T(0);
  for (int first = 0; first < rows; first += ROWS) {
    T sum[ROWS];
    UNROLL for (int n = 0; n < ROWS; n++) sum[n] = T(0);
    for (int i = lane; i < NIN; i += LANES) {
      const T weight = w[i];
      UNROLL for (int n = 0; n < ROWS; n++)
        if (first + n < rows) sum[n] = fma(x[(long long)(first + n) * XS + i], weight, sum[n]);
    }
    UNROLL for (int n = 0; n < ROWS; n++) {
      const T z = sum_of_lanes(sum[n]);
      own = lane == first + n ? z : own;
    }
  }
  return own + w[NIN];
}

// What a model keeps from step to step.
struct Model {
  double lr;
  T decay;
  double* losses;  // its curve
  long long finite;
};

// Takes the loss of a step into account.
DEV void count_loss(Model& model, T loss, int point, double epoch_rows, int lane) {
  model.finite += isfinite(loss);
  if (lane == 0 && point >= 0) model.losses[point] += double(loss) / epoch_rows;
}

struct Arguments {
  const T *x, *y, *steps;
  const double* lr_factors;
  const int* points;
  int count;
  double epoch_rows;
};

// Trains with few inputs. Lane i has parameter i and its state; all lanes have all weights.
DEV void train_few(const Arguments& a, Model& model, T* parameters, T* state0, T* state1, int lane) {
  static_assert(!FEW || P <= LANES, "a lane for each parameter");
  const bool has = lane < P;
  T w[P], own = has ? parameters[lane] : T(0);
  T first = STATE > 0 && has ? state0[lane] : T(0), second = STATE > 1 && has ? state1[lane] : T(0);
  NO_UNROLL for (int step = 0; step < a.count; step++) {
    const T* now = a.steps + 4 * (long long)step;
    const T *x = a.x + (long long)step * BP * XS, *y = a.y + (long long)step * BP;
    const int rows = int(now[3]);
    T g[P], loss = T(0);
    UNROLL for (int i = 0; i < P; i++) w[i] = __shfl_sync(ALL_LANES, own, i), g[i] = T(0);
    for (int n = lane; n < rows; n += LANES) {
      const T d = derivative(own_row(x + (long long)n * XS, w), y[n], now[2], true, loss);
      UNROLL for (int i = 0; i < NIN; i++) g[i] = fma(x[(long long)n * XS + i], d, g[i]);
      g[NIN] += d;
    }
    T own_g = T(0);
    UNROLL for (int i = 0; i < P; i++) {
      const T sum = sum_of_lanes(g[i]);
      own_g = lane == i ? sum : own_g;
    }
    count_loss(model, sum_of_lanes(loss), a.points[step], a.epoch_rows, lane);
    update_parameter(own, own_g, first, second, rate_of(now, model.lr, a.lr_factors[step], model.decay));
  }
  if (!has) return;
  parameters[lane] = own;
  if (STATE > 0) state0[lane] = first;
  if (STATE > 1) state1[lane] = second;
}

// Adds the rows of a tile to the gradients, of which the bias's is kept by rows.
DEV void add_tile(const T* x, const T* y, T scale, int rows, const T* w, T* g, T& bias, T& loss, int lane) {
  const bool is_row = lane < rows;
  const T z = shared_rows(x, w, rows, lane);
  const T d = derivative(z, is_row ? y[lane] : T(0), scale, is_row, loss);
  bias += is_row ? d : T(0);
  for (int n = 0; n < rows; n++) {
    const T dn = __shfl_sync(ALL_LANES, d, n);
    for (int i = lane; i < NIN; i += LANES) g[i] = fma(x[(long long)n * XS + i], dn, g[i]);
  }
}

// Trains with many inputs. Each lane updates the parameters whose gradients it has summed.
DEV void train_many(const Arguments& a, Model& model, T* parameters, T* state0, T* state1, T* s, int lane) {
  T *w = s, *g = s + P, *first = s + 2 * P, *second = s + 3 * P;
  for (int i = lane; i < P; i += LANES) {
    w[i] = parameters[i];
    first[i] = STATE > 0 ? state0[i] : T(0);
    second[i] = STATE > 1 ? state1[i] : T(0);
  }
  __syncwarp();
  NO_UNROLL for (int step = 0; step < a.count; step++) {
    const T* now = a.steps + 4 * (long long)step;
    const T *x = a.x + (long long)step * BP * XS, *y = a.y + (long long)step * BP;
    const int rows = int(now[3]);
    T bias = T(0), loss = T(0);
    for (int i = lane; i < P; i += LANES) g[i] = T(0);
    for (int n = 0; n < rows; n += LANES)
      add_tile(x + (long long)n * XS, y + n, now[2], min(LANES, rows - n), w, g, bias, loss, lane);
    bias = sum_of_lanes(bias);
    count_loss(model, sum_of_lanes(loss), a.points[step], a.epoch_rows, lane);
    const Rate rate = rate_of(now, model.lr, a.lr_factors[step], model.decay);
    __syncwarp();
    for (int i = lane; i < P; i += LANES) update_parameter(w[i], i < NIN ? g[i] : bias, first[i], second[i], rate);
    __syncwarp();
  }
  for (int i = lane; i < P; i += LANES) {
    parameters[i] = w[i];
    if (STATE > 0) state0[i] = first[i];
    if (STATE > 1) state1[i] = second[i];
  }
}

extern "C" __global__ void __launch_bounds__(LANES)
train(const T* x, const T* y, const T* steps, const double* lr_factors, const int* points, int count, double epoch_rows,
      const double* lr, const double* decay, T* parameters, T* state0, T* state1, long long* finite, double* losses,
      int curve_points, float4* far) {
  const long long index = blockIdx.x;
  const int lane = threadIdx.x;
  const Arguments arguments = {x, y, steps, lr_factors, points, count, epoch_rows};
  Model model = {lr[index], T(decay[index]), losses + index * curve_points, 0};
  T *own0 = STATE > 0 ? state0 + index * P : nullptr, *own1 = STATE > 1 ? state1 + index * P : nullptr;
  if constexpr (FEW) {
    train_few(arguments, model, parameters + index * P, own0, own1, lane);
  } else {
    SHARED(s);
    train_many(arguments, model, parameters + index * P, own0, own1, s, lane);
  }
  if (lane == 0) finite[index] += model.finite;
}

// grid (models, slices of the rows)
extern "C" __global__ void __launch_bounds__(LANES) predict(const T* x, int rows, const T* parameters, T* out) {
  const T* own = parameters + (long long)blockIdx.x * P;
  const int lane = threadIdx.x;
  T few[FEW ? P : 1], *w = few;
  if constexpr (FEW) {
    UNROLL for (int i = 0; i < P; i++) few[i] = own[i];
  } else {
    SHARED(s);
    for (int i = lane; i < P; i += LANES) s[i] = own[i];
    __syncwarp();
    w = s;
  }
  for (int n = blockIdx.y * LANES; n < rows; n += gridDim.y * LANES) {
    const T* tile = x + (long long)n * XS;
    T z = T(0);
    if constexpr (!FEW) z = shared_rows(tile, w, min(LANES, rows - n), lane);
    else if (n + lane < rows) z = own_row(tile + lane * XS, w);
    if (n + lane < rows) out[(long long)blockIdx.x * rows + n + lane] = Output::forward(z, nullptr);
  }
}
