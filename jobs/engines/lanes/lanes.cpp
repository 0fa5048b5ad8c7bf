// The engine's functions for other languages: plain C, arrays as NumPy lays them out, all models of a pack in one call.
//
// Every function checks its numbers and answers 0, or INVALID or MEMORY.
#include <chrono>
#include <cmath>
#include <exception>
#include <optional>

#include "network.h"
#include "optimizers.h"

#define LANES extern "C" __attribute__((visibility("default")))

namespace {

using namespace lanes;

constexpr int INVALID = 1, MEMORY = 2;
constexpr int64_t MOST = int64_t(1) << 40;  // of any count, and of numbers in an array: no size overflows

// Whether rows of so many inputs are few enough.
bool fits(int64_t rows, int64_t inputs) {
  return rows >= 0 && rows <= MOST && double(rows) * (double(inputs) + 1) < double(MOST);
}

struct Program {
  int64_t inputs, depth;
  const int64_t* hidden;
  int64_t activation, optimizer, layout;  // layout: 0 the faster one, 1 ByModel, 2 ByUnit

  // How many times longer a step of so many rows takes for some models in ByUnit than in ByModel, roughly: by fused
  // multiply-adds, passes over the units' values, and parameters to be updated, of which those of a whole group should
  // stay in the level 2 cache. Within 1.6 times of what benchmarks/choice.py measures, from 4 to 512 units.
  double by_unit_to_by_model(int64_t models, int64_t rows, int64_t lanes, int64_t vector_bytes) const {
    double whole = 0, units = 0, whole_parameters = 0, unit_parameters = 0, values = 0, below = double(inputs);
    for (int64_t l = 0; l <= depth; l++) {
      const double outputs = l < depth ? double(hidden[l]) : 1, columns = std::ceil(outputs / double(lanes));
      whole += (2 * below + 1 + (l ? below : 0)) * outputs;
      units += (2 * below + 1) * columns + (l ? outputs * std::ceil(below / double(lanes)) : 0);
      whole_parameters += (below + 1) * outputs;
      unit_parameters += (below + 1) * columns;
      values += l < depth ? outputs : 0;
      below = outputs;
    }
    const double passes = 16 * double(depth) + 3.3 * values, unit_passes = 8 * double(depth) + 0.35 * values;
    const double group = double(rows) * (0.183 * whole + passes) + 5 * whole_parameters;
    const double alone = double(rows) * (0.25 * units + unit_passes) + 5 * unit_parameters;
    const bool cached = whole_parameters * double(vector_bytes) < double(512 << 10);
    return double(models) * alone / (cached ? group : 1.5 * group);
  }

  double parameters() const {
    double sum = 0, below = double(inputs);
    for (int64_t l = 0; l < depth; l++) {
      sum += (below + 1) * double(hidden[l]);
      below = double(hidden[l]);
    }
    return sum + below + 1;
  }

  bool valid() const {
    if (inputs < 1 || inputs > MOST || depth < 0 || depth > 1000 || (depth && !hidden)) return false;
    if (activation < 0 || activation >= ACTIVATIONS || optimizer < 0 || optimizer >= OPTIMIZERS || layout < 0 || layout > 2) return false;
    for (int64_t l = 0; l < depth; l++)
      if (hidden[l] < 1 || hidden[l] > MOST) return false;
    return parameters() < double(MOST);
  }
};

// Rows in the order of the steps, step s has those from ends[s - 1] to ends[s]; its learning rate is that of the model times
// share[s]; first and second: see Rate.
template <class T>
struct Steps {
  int64_t count;
  const int64_t* ends;
  const T *x, *y;
  const double *share, *first, *second;

  bool valid() const {
    if (count < 0 || count > MOST || (count && !(ends && x && y && share && first && second))) return false;
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
struct Models {
  int64_t count;
  T* parameters;                 // [count][parameters of a model]
  T* slots[2];                   // likewise
  const double *lr, *decay;      // [count]
  int64_t* finite_steps;         // [count], the steps whose loss is finite are added
};

// Rows with a 1 behind their inputs.
template <class T>
std::vector<T> with_ones(const T* x, int64_t rows, int64_t inputs) {
  std::vector<T> wide(size_t(rows * (inputs + 1)), T(1));
  for (int64_t n = 0; n < rows; n++) std::copy_n(x + n * inputs, inputs, wide.data() + n * (inputs + 1));
  return wide;
}

// The parameters of some models, `first` to before `first + width`, and where they lie in the vectors of a layout.
template <class T, class Layout>
struct Group {
  using V = typename Lanes<T>::V;
  const Shape<Layout>& shape;
  int64_t first, width;

  // Of each model, whose number is a lane in ByModel; lanes without a model have a copy of the first.
  int64_t model(int lane) const { return first + (lane < width ? lane : 0); }

  std::vector<V> load(const T* flat) const {
    std::vector<V> vectors(size_t(shape.vectors));
    const int64_t P = parameters();
    each(Lanes<T>::count, [=](T& number, int64_t model, int64_t i) { number = flat[model * P + i]; }, vectors);
    return vectors;
  }

  void save(std::vector<V>& vectors, T* flat) const {
    const int64_t P = parameters();
    each(width, [=](T& number, int64_t model, int64_t i) { flat[model * P + i] = number; }, vectors);
  }

 private:
  int64_t parameters() const {
    int64_t sum = 0;
    for (const Layer& layer : shape.layers) sum += (layer.inputs + 1) * layer.outputs;
    return sum;
  }

  template <class F>
  void each(int64_t lanes, F change, std::vector<V>& vectors) const {
    T* numbers = reinterpret_cast<T*>(vectors.data());
    int64_t i = 0;
    for (const Layer& layer : shape.layers)
      for (int64_t row = 0; row <= layer.inputs; row++)
        for (int64_t o = 0; o < layer.outputs; o++, i++) {
          T* at = numbers + (layer.start + row * layer.columns) * Lanes<T>::count;
          if constexpr (Layout::BY_UNIT)
            change(at[o], first, i);
          else
            for (int l = 0; l < lanes; l++) change(at[o * Lanes<T>::count + l], model(l), i);
        }
  }
};

// Makes steps `from` to before `to`; the seconds of all but the first, which brings everything into the cache.
template <class T, class Layout>
double train_group(const Group<T, Layout>& group, Optimizer optimizer, const Steps<T>& steps, int64_t from, int64_t to,
                 const T* x, const Models<T>& models, Network<T, Layout>& network) {
  using V = typename Lanes<T>::V;
  std::vector<V> p = group.load(models.parameters), slots[2];
  for (int k = 0; k < SLOTS[optimizer]; k++) slots[k] = group.load(models.slots[k]);
  Rate<V> rate{};
  for (int l = 0; l < Lanes<T>::count; l++) {
    rate.decay[l] = T(models.decay[group.model(l)]);
    rate.decays |= rate.decay[l] != 0;
  }
  const long inputs = group.shape.layers[0].inputs;
  typename Lanes<T>::I finite{};
  network.turn(p.data());
  auto began = std::chrono::steady_clock::now();
  for (int64_t s = from; s < to; s++) {
    if (s == from + 1) began = std::chrono::steady_clock::now();
    const long begin = s ? steps.ends[s - 1] : 0, end = steps.ends[s];
    const V scale = spread<T>(T(2) / T(end - begin));
    V squares{};
    for (long n = begin; n < end; n += network.tile())
      network.learn(p.data(), x + n * (inputs + 1), steps.y + n, std::min(network.tile(), end - n), scale, n == begin, squares);
    finite -= squares - squares == V{};
    for (int l = 0; l < Lanes<T>::count; l++) rate.lr[l] = T(models.lr[group.model(l)] * steps.share[s]);
    rate.first = spread<T>(T(steps.first[s]));
    rate.second = spread<T>(T(steps.second[s]));
    update<T>(optimizer, p.data(), network.gradient(), slots[0].data(), slots[1].data(), rate, group.shape.vectors);
    network.turn(p.data());
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - began;
  group.save(p, models.parameters);
  for (int k = 0; k < SLOTS[optimizer]; k++) group.save(slots[k], models.slots[k]);
  for (int64_t l = 0; l < group.width; l++) models.finite_steps[group.first + l] += finite[l];
  return taken.count();
}

template <class T, class Layout>
void predict_group(const Group<T, Layout>& group, int64_t rows, const T* x, const T* parameters, T* predictions,
                   Network<T, Layout>& network) {
  const std::vector<typename Lanes<T>::V> p = group.load(parameters);
  for (long n = 0; n < rows; n += network.tile()) {
    const long count = std::min<long>(network.tile(), rows - n);
    const auto* predicted = network.predict(p.data(), x + n * (group.shape.layers[0].inputs + 1), count);
    for (int64_t l = 0; l < group.width; l++)
      for (long i = 0; i < count; i++) predictions[(group.first + l) * rows + n + i] = predicted[i * network.apart()][l];
  }
}

// Groups of one layout, one after the other with one network.
template <class T, class Layout>
class InLayout {
 public:
  InLayout(const Program& program, int64_t most_rows, bool learns)
      : shape_(program.inputs, program.depth, program.hidden, Activation(program.activation)),
        network_(shape_, most_rows, learns) {}

  // Calls work(group, network) for the groups of models `first` to before `last`.
  template <class F>
  void each(int64_t first, int64_t last, F work) {
    for (; first < last; first += Layout::models)
      work(Group<T, Layout>{shape_, first, std::min<int64_t>(Layout::models, last - first)}, network_);
  }

 private:
  const Shape<Layout> shape_;
  Network<T, Layout> network_;
};

// Both layouts; memory for one is taken when it is first needed.
template <class T>
class Layouts {
 public:
  Layouts(const Program& program, int64_t most_rows, bool learns)
      : program_(program), most_rows_(most_rows), learns_(learns) {}

  // Calls work(group, network) for models `first` to before `last` in one layout.
  template <class F>
  void each(bool by_unit, int64_t first, int64_t last, F work) {
    if (by_unit)
      made(by_unit_).each(first, last, work);
    else
      made(by_model_).each(first, last, work);
  }

  // Of some models: above 1 where ByModel is faster, as far as one can know without a measurement.
  double by_unit_to_by_model(int64_t models) const {
    if (program_.layout) return program_.layout == 1 ? INFINITY : 0;
    return program_.by_unit_to_by_model(models, most_rows_, Lanes<T>::count, VECTOR_BYTES);
  }

 private:
  template <class Layout>
  InLayout<T, Layout>& made(std::optional<InLayout<T, Layout>>& layouted) {
    if (!layouted) layouted.emplace(program_, most_rows_, learns_);
    return *layouted;
  }

  const Program& program_;
  const int64_t most_rows_;
  const bool learns_;
  std::optional<InLayout<T, ByModel<T>>> by_model_;
  std::optional<InLayout<T, ByUnit<T>>> by_unit_;
};

// The layout of groups of one width: measured on the first of them where it is not clear. Both give the same bits, so the
// steps that are timed count, and a wrong choice costs time alone, until the next call.
class Choice {
 public:
  Choice(double by_unit_to_by_model, int64_t steps)
      : by_unit_(by_unit_to_by_model < 1),
        open_(by_unit_to_by_model > 0.5 && by_unit_to_by_model < 2 && steps >= LEAST_STEPS) {}

  // Makes all the steps by `advance(by_unit, from, to)`, which says what train_group says.
  template <class F>
  void make(int64_t steps, F advance) {
    int64_t done = 0;
    if (open_) {
      const int64_t timed = 3 + steps / 128;
      const double by_model = advance(false, 0, timed);
      by_unit_ = advance(true, timed, 2 * timed) < by_model;
      open_ = false;
      done = 2 * timed;
    }
    advance(by_unit_, done, steps);
  }

 private:
  static constexpr int64_t LEAST_STEPS = 128;
  bool by_unit_, open_;
};

template <class T>
int train(const Program& program, const Steps<T>& steps, const Models<T>& models) try {
  if (!program.valid() || !steps.valid() || models.count < 1 || models.count > MOST) return INVALID;
  if (!fits(steps.rows(), program.inputs) || !models.parameters || !models.lr || !models.decay || !models.finite_steps)
    return INVALID;
  for (int k = 0; k < SLOTS[program.optimizer]; k++)
    if (!models.slots[k]) return INVALID;
  const DenormalsFlushed flushed;
  const std::vector<T> x = with_ones(steps.x, steps.rows(), program.inputs);
  Layouts<T> layouts(program, steps.most_rows(), true);
  const int64_t rest = models.count % Lanes<T>::count;
  Choice whole(layouts.by_unit_to_by_model(Lanes<T>::count), steps.count);
  Choice broken(layouts.by_unit_to_by_model(rest), steps.count);
  for (int64_t first = 0; first < models.count; first += Lanes<T>::count) {
    const int64_t last = std::min<int64_t>(first + Lanes<T>::count, models.count);
    (last - first == rest ? broken : whole).make(steps.count, [&](bool by_unit, int64_t from, int64_t to) {
      double seconds = 0;
      layouts.each(by_unit, first, last, [&](const auto& group, auto& network) {
        seconds += train_group(group, Optimizer(program.optimizer), steps, from, to, x.data(), models, network);
      });
      return seconds;
    });
  }
  return 0;
} catch (const std::exception&) {  // bad_alloc, or length_error of a vector
  return MEMORY;
}

template <class T>
int predict(const Program& program, int64_t rows, const T* x, int64_t models, const T* parameters, T* predictions) try {
  if (!program.valid() || !fits(rows, program.inputs) || models < 1 || models > MOST) return INVALID;
  if (!x || !parameters || !predictions) return INVALID;
  const DenormalsFlushed flushed;
  const std::vector<T> wide = with_ones(x, rows, program.inputs);
  Layouts<T> layouts(program, std::max<int64_t>(1, rows), false);
  for (int64_t first = 0; first < models; first += Lanes<T>::count) {
    const int64_t last = std::min<int64_t>(first + Lanes<T>::count, models);
    layouts.each(layouts.by_unit_to_by_model(last - first) < 1, first, last, [&](const auto& group, auto& network) {
      predict_group(group, rows, wide.data(), parameters, predictions, network);
    });
  }
  return 0;
} catch (const std::exception&) {
  return MEMORY;
}

}  // namespace

// The best variant that this processor runs: 0 baseline, 1 AVX2 with FMA, 2 AVX-512.
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

// Whether a * b + c is rounded once: then the bits are those of every other variant that does so.
LANES int lanes_fused() { return FUSED; }

#define LANES_FUNCTIONS(T, SUFFIX)                                                                                          \
  LANES int lanes_train_##SUFFIX(                                                                                      \
      int64_t inputs, int64_t depth, const int64_t* hidden, int64_t activation, int64_t layout, int64_t optimizer,         \
      int64_t steps,                                                                                                        \
      const int64_t* ends, const T* x, const T* y, const double* share, const double* first, const double* second,          \
      int64_t models, T* parameters, T* slot0, T* slot1, const double* lr, const double* decay, int64_t* finite_steps) {    \
    return train<T>({inputs, depth, hidden, activation, optimizer, layout}, {steps, ends, x, y, share, first, second},              \
                    {models, parameters, {slot0, slot1}, lr, decay, finite_steps});                                         \
  }                                                                                                                         \
  LANES int lanes_predict_##SUFFIX(int64_t inputs, int64_t depth, const int64_t* hidden, int64_t activation,           \
                                        int64_t layout, int64_t rows, const T* x, int64_t models, const T* parameters, T* predictions) {    \
    return predict<T>({inputs, depth, hidden, activation, SGD, layout}, rows, x, models, parameters, predictions);                  \
  }

LANES_FUNCTIONS(float, f32)
LANES_FUNCTIONS(double, f64)
