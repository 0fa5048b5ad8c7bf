// Models in groups, groups in layouts: where their numbers lie in vectors, and which layout a group is trained in.
#pragma once

#include <chrono>
#include <optional>

#include "network.h"
#include "program.h"

namespace lanes {

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

// Groups of one layout, one after the other with one network.
template <class T, class Layout>
class InLayout {
 public:
  InLayout(const Program& program, int64_t most_rows, bool trains)
      : shape_(program.inputs, program.depth, program.hidden, Activation(program.activation)),
        network_(shape_, most_rows, trains) {}

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
  Layouts(const Program& program, int64_t most_rows, bool trains)
      : program_(program), most_rows_(most_rows), trains_(trains) {}

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
    if (!layouted) layouted.emplace(program_, most_rows_, trains_);
    return *layouted;
  }

  const Program& program_;
  const int64_t most_rows_;
  const bool trains_;
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
      const int64_t timed = 2 + steps / 128;
      const double by_model = advance(false, 0, timed);
      by_unit_ = advance(true, timed, 2 * timed) < by_model;
      open_ = false;
      done = 2 * timed;
    }
    advance(by_unit_, done, steps);
  }

 private:
  static constexpr int64_t LEAST_STEPS = 24;
  bool by_unit_, open_;
};

}  // namespace lanes
