// The C interface of the lanes kernel: arrays in NumPy's layout, and all models of a pack in one call.
//
// The functions that take arrays validate their arguments. They return 0, INVALID or MEMORY.
#include <exception>

#include "initial.h"
#include "layouts.h"
#include "optimizers.h"
#include "readout.h"

#define LANES extern "C" __attribute__((visibility("default")))

namespace {

using namespace lanes;

constexpr int INVALID = 1, MEMORY = 2;

// Whether an array of this many rows and inputs is within the limit.
bool fits(int64_t rows, int64_t inputs) {
  return rows >= 0 && rows <= MOST && double(rows) * (double(inputs) + 1) < double(MOST);
}

// Consecutive optimizer steps. Step s is trained on rows ends[s - 1] to ends[s], with each model's learning rate times
// lr_factor[s], and with Adam's bias corrections first[s] and second[s] (see Rate). Its loss counts for point[s] of the loss
// curves, unless that is -1.
template <class T>
struct Steps {
  int64_t count;
  const int64_t* ends;
  const T *x, *y;
  const double *lr_factor, *first, *second;
  const int64_t* point;
  int64_t epoch_rows;

  bool valid() const {
    if (count < 0 || count > MOST || epoch_rows < 1) return false;
    if (count && !(ends && x && y && lr_factor && first && second && point)) return false;
    for (int64_t s = 0; s < count; s++)
      if (ends[s] <= (s ? ends[s - 1] : 0) || ends[s] > MOST) return false;
    return true;
  }

  int64_t rows() const { return count ? ends[count - 1] : 0; }

  int64_t most_rows() const {
    int64_t most = 1;
    for (int64_t s = 0; s < count; s++) most = std::max(most, ends[s] - (s ? ends[s - 1] : 0));
    return most;
  }
};

template <class T>
struct PerModel {
  int64_t count;
  T* parameters;                 // [count][parameters of a model]
  T* optimizer_state[MOST_STATE];  // likewise, as many as the optimizer has
  const double *lr, *decay;      // [count]
  int64_t* finite_steps;         // [count]; a call adds the number of steps whose loss was finite
  int64_t points;                // of a loss curve
  double* losses;                // [count][points]; a step adds the sum of its loss / epoch_rows to its point

  // Whether all steps have a point of the curves, or none.
  bool has_points_of(const Steps<T>& steps) const {
    if (points < 0 || !losses) return false;
    for (int64_t s = 0; s < steps.count; s++)
      if (steps.point[s] < -1 || steps.point[s] >= points) return false;
    return true;
  }
};

// The parameters and the state of the optimizer of one group, as vectors.
template <class T>
struct Vectors {
  std::vector<typename Lanes<T>::V> parameters, optimizer_state[MOST_STATE];
};

// Trains one group for all steps. Its vectors are memory that the groups of a call share.
template <class T, class Layout>
void train_group(const Group<T, Layout>& group, Optimizer optimizer, const Steps<T>& steps, const T* y,
                 const PerModel<T>& models, Network<T, Layout>& network, Vectors<T>& vectors) {
  using V = typename Lanes<T>::V;

  // Parameters and state stay in vectors for all steps, and are copied back once.
  auto& [p, optimizer_state] = vectors;
  group.load(models.parameters, p);
  for (int k = 0; k < STATE[int64_t(optimizer)]; k++) group.load(models.optimizer_state[k], optimizer_state[k]);
  Rate<V> rate{};
  for (int l = 0; l < Lanes<T>::count; l++) {
    rate.decay[l] = T(models.decay[group.model(l)]);
    rate.has_decay |= rate.decay[l] != 0;
  }

  const long inputs = group.inputs();
  const T factor = T(gradient_factor(group.shape.loss));
  typename Lanes<T>::I finite{};
  network.transpose(p.data());
  for (int64_t s = 0; s < steps.count; s++) {
    // The loss is the mean over the rows, which come in tiles that fit the cache.
    const long begin = s ? steps.ends[s - 1] : 0, end = steps.ends[s];
    for (long n = begin, next; n < end; n = next) {
      next = network.tile_end(n, end);
      network.accumulate_gradient(p.data(), steps.x + n * inputs, y + n, next - n, factor / T(end - begin),
                                  {n - begin, next == end});
    }
    const V loss = network.loss();
    finite -= loss - loss == V{};  // true is -1; infinity and NaN minus themselves are NaN
    if (const int64_t point = steps.point[s]; point >= 0)
      for (int64_t l = 0; l < group.width; l++)
        models.losses[(group.first + l) * models.points + point] += double(loss[l]) / double(steps.epoch_rows);

    // The learning rate stays in double until it is multiplied by its factor: one rounding in all.
    rate.lr = broadcast<T>(T(models.lr[group.first] * steps.lr_factor[s]));
    for (int l = 1; l < group.width; l++) rate.lr[l] = T(models.lr[group.first + l] * steps.lr_factor[s]);
    rate.first = broadcast<T>(T(steps.first[s]));
    rate.second = broadcast<T>(T(steps.second[s]));
    update<T>(optimizer, p.data(), network.gradient(), optimizer_state[0].data(), optimizer_state[1].data(), rate,
              group.shape.vectors);
    network.transpose(p.data());
  }

  group.save(p, models.parameters);
  for (int k = 0; k < STATE[int64_t(optimizer)]; k++) group.save(optimizer_state[k], models.optimizer_state[k]);
  for (int64_t l = 0; l < group.width; l++) models.finite_steps[group.first + l] += finite[l];
}

// Writes the predictions of one group to predictions [models][rows].
template <class T, class Layout>
void predict_group(const Group<T, Layout>& group, int64_t rows, const T* x, const T* parameters, T* predictions,
                   Network<T, Layout>& network, std::vector<typename Lanes<T>::V>& p) {
  group.load(parameters, p);
  for (long n = 0, next; n < rows; n = next) {
    next = network.tile_end(n, rows);
    const auto& predicted = network.predict(p.data(), x + n * group.inputs(), next - n);
    for (int64_t l = 0; l < group.width; l++)
      for (long i = 0; i < next - n; i++) predictions[(group.first + l) * rows + n + i] = predicted.output(i, l);
  }
}

// Trains all models.
template <class T>
int train(const Program& program, const Steps<T>& steps, const PerModel<T>& models) try {
  // The caller is another language: wrong arguments must not crash its process.
  if (!program.valid() || !steps.valid() || models.count < 1 || models.count > MOST) return INVALID;
  if (!fits(steps.rows(), program.inputs) || !models.parameters || !models.lr || !models.decay || !models.finite_steps)
    return INVALID;
  for (int k = 0; k < STATE[program.optimizer]; k++)
    if (!models.optimizer_state[k]) return INVALID;
  if (!models.has_points_of(steps)) return INVALID;

  // The targets are read in whole vectors.
  std::vector<T> y(size_t(steps.rows() + PARTS<T>));
  std::copy_n(steps.y, steps.rows(), y.data());
  const DenormalsFlushed flushed;
  Vectors<T> vectors;
  each_group<T>(program, models.count, steps.most_rows(), true, [&](const auto& group, auto& network) {
    train_group(group, Optimizer(program.optimizer), steps, y.data(), models, network, vectors);
  });
  return 0;
} catch (const std::exception&) {  // bad_alloc, or length_error of a vector
  return MEMORY;
}

// Writes the predictions of all models to predictions [models][rows].
template <class T>
int predict(const Program& program, int64_t rows, const T* x, int64_t models, const T* parameters, T* predictions) try {
  if (!program.valid() || !fits(rows, program.inputs) || models < 1 || models > MOST) return INVALID;
  if (!x || !parameters || !predictions) return INVALID;
  const DenormalsFlushed flushed;
  std::vector<typename Lanes<T>::V> p;
  each_group<T>(program, models, std::max<int64_t>(1, rows), false, [&](const auto& group, auto& network) {
    predict_group(group, rows, x, parameters, predictions, network, p);
  });
  return 0;
} catch (const std::exception&) {
  return MEMORY;
}

// Writes the initial parameters of all models.
template <class T>
int initialize(const Program& program, const Recipe& recipe, T* parameters) try {
  if (!program.valid() || !recipe.valid(program) || !parameters) return INVALID;
  draw_all(program, recipe, parameters);
  return 0;
} catch (const std::exception&) {
  return MEMORY;
}

// Writes the costs of a step with so many rows, by which the layout is chosen, in processor cycles: of as many models as a
// vector has lanes with one in each lane, and of one model alone.
template <class T>
int costs(const Program& program, int64_t rows, double* group, double* alone) {
  if (!program.valid() || !program.depth || rows < 1 || rows > MOST || !group || !alone) return INVALID;
  const Costs costs = program.layout_costs<T>(rows);
  *group = costs.group * double(rows);
  *alone = costs.alone * double(rows);
  return 0;
}

// Adds rows to what is observed of all models.
int observe(const Program& program, int64_t rows, const double* x, const double* y, int64_t models, const double* parameters,
            const Observed& seen) try {
  if (!program.valid() || !fits(rows, program.inputs) || models < 1 || models > MOST) return INVALID;
  if (!x || !y || !parameters || !seen.valid(program)) return INVALID;
  const DenormalsFlushed flushed;
  const Shape<ByModel<double>> shape(program);
  Observer observer(shape);
  each_group<double, ByModel<double>>(program, 0, models, FOLD_ROWS, false, [&](const auto& group, auto& network) {
    observer.observe(group, network, rows, x, y, parameters, seen);
  });
  return 0;
} catch (const std::exception&) {
  return MEMORY;
}

// Writes the readouts of all models.
int solve(int64_t rows, int64_t columns, int64_t models, const double* triangles, double* readout) try {
  if (rows < 0 || rows > MOST || columns < 2 || columns > MOST || models < 1 || models > MOST) return INVALID;
  if (double(columns) * double(columns) * double(models) > double(MOST) || !triangles || !readout) return INVALID;
  const DenormalsFlushed flushed;
  std::vector<F64> triangle(size_t(columns * columns));
  for (int64_t first = 0; first < models; first += Lanes<double>::count)
    solve_group(rows, columns, first, std::min<int64_t>(Lanes<double>::count, models - first), triangles, readout, triangle.data());
  return 0;
} catch (const std::exception&) {
  return MEMORY;
}

// Continues to solve the readout of a model with many features, which may take minutes: to be called until place[0] is -1.
int solve_wide(int64_t rows, const WideRows& all, double* readout) {
  if (rows < 0 || rows > MOST || !all.valid() || !readout) return INVALID;
  const DenormalsFlushed flushed;
  if (!rotate_next(all, rows)) return 0;
  answer_of(all, rows, readout);
  all.place[0] = -1;
  return 0;
}

}  // namespace

// Returns the best variant that this processor supports: 0 baseline, 1 AVX2 with FMA, 2 AVX-512.
LANES int lanes_level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const auto avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
  const auto avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return avx2 ? (avx512 ? 2 : 1) : 0;
#else
  return 0;
#endif
}

// Returns the digest of the sources of this build, which setup.py defines. library.py compares it with the sources on disk.
#ifndef LANES_SOURCES
#define LANES_SOURCES ""
#endif
LANES const char* lanes_sources() { return LANES_SOURCES; }

// Return the names of the activations, those of the output, the optimizers and the losses, separated by commas. A program holds
// their indices in these lists.
LANES const char* lanes_activations() { return ACTIVATION_NAMES; }
LANES const char* lanes_outputs() { return OUTPUT_NAMES; }
LANES const char* lanes_optimizers() { return OPTIMIZER_NAMES; }
LANES const char* lanes_losses() { return LOSS_NAMES; }

// Returns how many numbers of state an optimizer keeps per parameter.
LANES int lanes_optimizer_state(int64_t optimizer) {
  return optimizer < 0 || optimizer >= int64_t(Optimizer::COUNT) ? 0 : STATE[optimizer];
}

// Returns whether a * b + c is rounded once. All variants that do so give the same bits.
LANES int lanes_fused() { return FUSED; }

// The first arguments of each function: its program, as far as predictions need it.
#define LANES_PROGRAM                                                                                         \
  int64_t inputs, int64_t depth, const int64_t *hidden, int64_t activation, int64_t output, int64_t layout

#define LANES_FUNCTIONS(T, SUFFIX)                                                                                            \
  LANES int lanes_train_##SUFFIX(                                                                                             \
      LANES_PROGRAM, int64_t optimizer, int64_t loss, int64_t steps, const int64_t* ends, const T* x, const T* y,             \
      const double* lr_factor, const double* first, const double* second, const int64_t* point, int64_t epoch_rows,           \
      int64_t models, T* parameters, T* state0, T* state1, const double* lr, const double* decay, int64_t* finite_steps,      \
      int64_t points, double* losses) {                                                                                       \
    return train<T>({inputs, depth, hidden, activation, output, layout, optimizer, loss},                                     \
                    {steps, ends, x, y, lr_factor, first, second, point, epoch_rows},                                         \
                    {models, parameters, {state0, state1}, lr, decay, finite_steps, points, losses});                         \
  }                                                                                                                           \
  LANES int lanes_predict_##SUFFIX(LANES_PROGRAM, int64_t rows, const T* x, int64_t models, const T* parameters,              \
                                   T* predictions) {                                                                          \
    return predict<T>({inputs, depth, hidden, activation, output, layout, 0, 0}, rows, x, models, parameters, predictions);   \
  }                                                                                                                           \
  LANES int lanes_initialize_##SUFFIX(LANES_PROGRAM, int64_t models, const uint64_t* seeds, int64_t kinds,                    \
                                      const int64_t* kind, const double* bounds, const double* rise, const double* low,       \
                                      const double* high, const double* share, const double* knots, T* parameters) {          \
    return initialize<T>({inputs, depth, hidden, activation, output, layout, 0, 0},                                           \
                         {models, kinds, seeds, kind, bounds, rise, low, high, share, knots}, parameters);                    \
  }                                                                                                                           \
  LANES int lanes_costs_##SUFFIX(LANES_PROGRAM, int64_t rows, double* group, double* alone) {                                 \
    return costs<T>({inputs, depth, hidden, activation, output, layout, 0, 0}, rows, group, alone);                           \
  }

LANES_FUNCTIONS(float, f32)
LANES_FUNCTIONS(double, f64)

// Adds rows to the triangles [models][K + 2][K + 2] of K features, and to the statistics [models][hidden units].
LANES int lanes_observe_f64(LANES_PROGRAM, int64_t rows, const double* x, const double* y, int64_t models,
                            const double* parameters, double* triangles, double* highest, double* saturated) {
  return observe({inputs, depth, hidden, activation, output, layout, 0, 0}, rows, x, y, models, parameters,
                 {triangles, highest, saturated});
}

// Writes readout [models][columns - 1] from triangles [models][columns][columns] of so many rows.
LANES int lanes_solve_f64(int64_t rows, int64_t columns, int64_t models, const double* triangles, double* readout) {
  return solve(rows, columns, models, triangles, readout);
}

// Continues to write readout [size] from rows [size][length] of a triangle of so many rows, and targets [size]. squares [size]
// needn't be set before the first call, whose place [3] is zero. place[0] is -1 when the readout is written.
LANES int lanes_solve_wide_f64(int64_t rows, int64_t size, int64_t length, double* row, double* targets, double* squares,
                               int64_t* place, double* readout) {
  return solve_wide(rows, {size, length, row, targets, squares, place}, readout);
}

// Columns of a triangle from which on solve_wide is to be used, and the multiple of numbers that a row then has.
LANES int64_t lanes_wide_columns() { return WIDE_COLUMNS; }
LANES int64_t lanes_solve_parts() { return SOLVE_PARTS; }
